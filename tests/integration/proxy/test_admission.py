"""Who may come to a route, how often, and what everybody is told in maintenance, through real sockets."""

from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.integration.proxy.stage import Stage, a_stage, read_response

SALT = "5a17"
USERS = [
    {"user": name, "salt": SALT, "digest": sha256(bytes.fromhex(SALT) + word.encode()).hexdigest()}
    for name, word in (("ann", "pass:wörd"), ("bob", ""))
]


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Stage]:
    """Give a stage that stands behind a proxy on this host, which it trusts."""
    async with a_stage(tmp_path, [ip_network("127.0.0.0/8")]) as one:
        yield one


def basic(user: str, password: str) -> str:
    """Return the field of a name and a password."""
    return "Authorization: Basic " + b64encode(f"{user}:{password}".encode()).decode()


# ---- names and passwords


async def test_password(stage: Stage) -> None:
    """With name and password a request passes, and the backend learns neither."""
    backend = await stage.backend()
    stage.route(backend, basic_auth=USERS)

    for line in (basic("ann", "pass:wörd"), basic("bob", ""), basic("ann", "pass:wörd").replace("Basic", "bASIC")):
        response = await stage.ask(
            f"POST / HTTP/1.1\r\nHost: a.x\r\n{line}\r\nContent-Length: 2\r\nX: 1\r\n\r\nhi".encode()
        )
        assert (response.status, response.body) == (200, b"Ahi")
    for head in backend.heads:
        assert b"uthorization" not in head
        assert b"\r\nX: 1\r\n" in head


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [basic("ann", "pass")],
        [basic("ann", "")],
        [basic("eve", "pass:wörd")],
        [basic("", "")],
        ["Authorization: Bearer pass:wörd"],
        ["Authorization: Basic !!!"],
        ["Authorization: Basic"],
        ["Connection: authorization"],
        ["Connection: Upgrade", "Upgrade: websocket"],
        [basic("ann", "pass:wörd"), basic("ann", "no")],
        [basic("ann", "no"), basic("ann", "pass:wörd")],
    ],
)
async def test_no_password(stage: Stage, lines: list[str]) -> None:
    """Anything else is 401 with the route's realm, and no backend is asked."""
    backend = await stage.backend()
    stage.route(backend, basic_auth=USERS, path="/adm")

    response = await stage.get("/adm/x", *lines)

    assert (response.status, response.values("x-hostess-error")) == (401, ["password-needed"])
    assert response.values("www-authenticate") == ['Basic realm="a.x/adm"']
    assert b"token" not in response.body
    assert backend.connections == 0


async def test_nobody_has_a_password(stage: Stage) -> None:
    """Without any name in the table nobody passes."""
    backend = await stage.backend()
    stage.route(backend, basic_auth=[])

    assert (await stage.get("/", basic("", ""))).status == 401
    assert backend.connections == 0


# ---- networks


async def test_allowed_network(stage: Stage) -> None:
    """Clients of the networks pass, whatever they claim; others get 403, and no backend is asked."""
    backend = await stage.backend()
    stage.route(backend, allow=["10.0.0.0/8", "127.0.0.0/8"])
    assert (await stage.get("/", "X-Forwarded-For: 192.0.2.1")).status == 200

    stage.route(backend, allow=["10.0.0.0/8", "::1/128"])
    response = await stage.get("/", "X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1")
    assert (response.status, response.values("x-hostess-error")) == (403, ["not-allowed"])
    assert len(backend.heads) == 1

    stage.route(backend, allow=[])
    assert (await stage.get()).status == 403


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("10.0.0.1", 200),
        ("192.0.2.1, 10.0.0.1", 200),
        ("10.0.0.1, 192.0.2.1", 403),
        ("10.0.0.1, 127.0.0.1", 200),
        ("2001:db8::7", 200),
        ("::ffff:10.0.0.1", 200),
        ("2001:db9::7", 403),
        ("unknown", 403),
        ("X-Real-IP: 10.0.0.1", 403),
        ("", 403),
    ],
)
async def test_client_behind_a_proxy(behind: Stage, told: str, status: int) -> None:
    """Behind a trusted proxy the client is the right-most address that is not trusted."""
    backend = await behind.backend()
    behind.route(backend, allow=["10.0.0.0/8", "2001:db8::/32"])

    assert (await behind.get("/", f"X-Forwarded-For: {told}")).status == status


async def test_prefix_of_an_outer_proxy(behind: Stage) -> None:
    """What a trusted proxy has cut off the path is told, before what was cut off here."""
    backend = await behind.backend()
    behind.route(backend, path="/app", strip_prefix=True)
    await behind.get("/app/z", "X-Forwarded-Prefix: /outer")
    behind.route(backend)
    await behind.get("/app/z", "X-Forwarded-Prefix: /outer")

    told = [[line for line in head.split(b"\r\n") if b"Prefix" in line] for head in backend.heads]
    assert told == [[b"X-Forwarded-Prefix: /outer/app"], [b"X-Forwarded-Prefix: /outer"]]


async def test_tls_ends_at_a_trusted_proxy(behind: Stage) -> None:
    """Who came by TLS to a trusted proxy is not sent to TLS again, and stays with TLS when sent to another host."""
    backend = await behind.backend()
    behind.route(backend, redirect_https=True)
    assert (await behind.get("/", "X-Forwarded-Proto: https")).status == 200
    assert (await behind.get("/", "X-Forwarded-Proto: http")).values("location") == ["https://a.x/"]

    behind.route(backend, redirect={"host": "www.x"})
    assert (await behind.get("/", "X-Forwarded-Proto: https")).values("location") == ["https://www.x/"]


# ---- how often


async def test_rate_limit(behind: Stage) -> None:
    """Over its rate a client gets 429 and is told when to come again; others, and the connection, are not touched."""
    backend = await behind.backend()
    behind.route(backend, rate_limit={"requests": 1, "seconds": 1000, "burst": 2})
    reader, writer = await behind.connect()

    async def ask(address: str) -> Any:
        writer.write(f"GET / HTTP/1.1\r\nHost: a.x\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
        return await read_response(reader)

    assert [(await ask("192.0.2.1")).status for _ in range(2)] == [200, 200]
    response = await ask("192.0.2.1")
    assert (response.status, response.values("x-hostess-error")) == (429, ["too-many-requests"])
    [seconds] = response.values("retry-after")
    assert 990 <= int(seconds) <= 1000
    assert [(await ask("2001:db8::1")).status for _ in range(2)] == [200, 200]
    assert (await ask("2001:db8::2")).status == 429
    assert (await ask("2001:db8:0:1::1")).status == 200
    assert len(backend.heads) == 5


async def test_rate_survives_tables(stage: Stage) -> None:
    """A new table does not forget who came too often; another route counts for itself."""
    backend = await stage.backend()
    limit = {"requests": 1, "seconds": 1000}
    stage.route(backend, rate_limit=limit)
    assert (await stage.get()).status == 200

    stage.route(backend, rate_limit=limit, release="2")
    assert (await stage.get()).status == 429
    stage.route(backend, rate_limit=limit, host="a.x")
    assert (await stage.get()).status == 200


async def test_guesses_are_counted(stage: Stage) -> None:
    """A limit counts wrong passwords, too."""
    backend = await stage.backend()
    stage.route(backend, rate_limit={"requests": 1, "seconds": 1000}, basic_auth=USERS)

    assert (await stage.get("/", basic("ann", "?"))).status == 401
    assert (await stage.get("/", basic("ann", "pass:wörd"))).status == 429


# ---- maintenance


async def test_maintenance(stage: Stage) -> None:
    """In maintenance everything is 503 with the message and a time to come again, for people and for programs."""
    backend = await stage.backend()
    stage.route(backend, maintenance={"message": "Back at <noon> & then some", "retry_after": 77})

    page, problem = await stage.get("/x"), await stage.get("/x", "Accept: application/json")

    assert b"<p>Back at &lt;noon&gt; &amp; then some</p>" in page.body
    assert b'"detail": "Back at <noon> & then some"' in problem.body
    for response in (page, problem):
        assert (response.status, response.values("x-hostess-error")) == (503, ["maintenance"])
        assert response.values("retry-after") == ["77"]
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{stage.port}/"):
            pass
    assert refused.value.response.status_code == 503
    assert backend.connections == 0


async def test_health_in_maintenance(stage: Stage) -> None:
    """The health path answers GET and HEAD with 200, and nothing else."""
    backend = await stage.backend()
    stage.route(backend, maintenance={"health_path": "/health"})

    assert (await stage.get("/health?x")).status == 200
    head = await stage.ask(b"HEAD /health HTTP/1.1\r\nHost: a.x\r\n\r\n", bodyless=True)
    assert (head.status, head.values("x-hostess-error")) == (200, [])
    post = await stage.ask(b"POST /health HTTP/1.1\r\nHost: a.x\r\nContent-Length: 0\r\n\r\n")
    assert post.status == 503
    assert (await stage.get("/health/x")).status == 503
    assert backend.connections == 0
    lines = await stage.logged(4)
    assert [line["end"] for line in lines] == ["ok", "ok", "refused", "refused"]


async def test_those_who_look_after_it(behind: Stage) -> None:
    """In maintenance those who look after the service reach it."""
    backend = await behind.backend()
    behind.route(backend, maintenance={"allow": ["10.0.0.0/8"], "health_path": "/health"})

    assert (await behind.get("/", "X-Forwarded-For: 10.1.1.1")).body == b"A"
    assert (await behind.get("/health", "X-Forwarded-For: 10.1.1.1")).body == b"A"
    assert (await behind.get("/", "X-Forwarded-For: 192.0.2.1")).status == 503


async def test_every_request_of_a_connection(stage: Stage) -> None:
    """Requests that were sent ahead are each asked what the table of their moment asks."""
    backend = await stage.backend()
    stage.publish(
        {
            "routes": [
                {"host": "*", "service": "a", "release": "1", "targets": [backend.address]},
                {"host": "*", "path": "/no", "service": "a", "release": "1", "targets": [backend.address], "allow": []},
            ]
        }
    )
    reader, writer = await stage.connect()
    writer.write(
        b"".join(b"GET %b HTTP/1.1\r\nHost: a.x\r\n\r\n" % path for path in (b"/", b"/no", b"/", b"/no/x", b"/"))
    )

    assert [(await read_response(reader)).status for _ in range(5)] == [200, 403, 200, 403, 200]
