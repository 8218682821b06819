"""Routes that ask for sign-in, through real sockets: nothing of the app without a token, nothing of ours to the app."""

import asyncio
import socket
from base64 import b64encode
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.proxy.processes import a_backend, a_proxy
from tests.integration.proxy.stage import Backend, Reader, Response, Stage, Writer, a_stage, read_response
from tests.integration.proxy.test_trouble import unused_address

TOKEN, SECOND = "hst_" + "a" * 43, "hst_" + "b" * 43
KEY = "0f" * 32
BASIC = "Authorization: Basic " + b64encode(f"me:{TOKEN}".encode()).decode()
BEARER = f"Authorization: Bearer {TOKEN}"


def digests(*tokens: str) -> list[str]:
    """Return what a table says of tokens."""
    return [sha256(token.encode()).hexdigest() for token in tokens]


def ask_for(stage: Stage, *backends: Backend | str, tokens: tuple[str, ...] = (TOKEN,), **more: object) -> None:
    """Route every host to these backends, for who has one of the tokens."""
    targets = [backend if isinstance(backend, str) else backend.address for backend in backends]
    one = {"host": "*", "service": "web", "release": "1", "targets": targets, "sign_in": digests(*tokens), **more}
    stage.publish({"routes": [one], "session_key": KEY})


def refused(response: Response) -> bool:
    """Whether a response is nothing but the question for sign-in."""
    return (
        response.status == 401
        and response.values("x-hostess-error") == ["sign-in-needed"]
        and response.values("www-authenticate") == ['Basic realm="Hostess"']
        and b"sign-in-needed" in response.body
    )


async def signed_in(stage: Stage, *lines: str) -> str:
    """Sign in as a browser does; return the Cookie line that it sends from now on."""
    response = await stage.get("/page?x=1", BASIC, "Accept: text/html", *lines)
    assert (response.status, response.values("location")) == (303, ["/page?x=1"])
    [cookie] = response.values("set-cookie")
    return "Cookie: " + cookie.partition(";")[0]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a.x\r\nConnection: keep-alive\r\n\r\n",
        b"GET http://a.x/ HTTP/1.1\r\nHost: a.x\r\n\r\n",
        b"GET //a.x/../%2e%2e/ HTTP/1.1\r\nHost: A.X.:80\r\n\r\n",
        b"GET /.well-known/acme HTTP/1.1\r\nHost: a.x\r\n\r\n",
        b"OPTIONS / HTTP/1.1\r\nHost: a.x\r\nOrigin: http://b.x\r\nAccess-Control-Request-Method: GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 4\r\n\r\nbody",
        b"PUT / HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.x\r\nAuthorization: Bearer hst_" + b"c" * 43 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.x\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: b.x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: authorization, cookie\r\n\r\n",
    ],
)
async def test_without_a_token(stage: Stage, request_bytes: bytes) -> None:
    """Whatever is asked, in whatever way: without a token the answer is 401 and the backend is not asked at all."""
    backend = await stage.backend()
    ask_for(stage, backend)

    assert refused(await stage.ask(request_bytes))
    assert backend.connections == 0
    [line] = await stage.logged(1)
    assert (line["status"], line["error"], line["end"]) == (401, "sign-in-needed", "refused")


async def test_with_a_token(stage: Stage) -> None:
    """With a token every method passes, and the backend sees the request without it."""
    backend = await stage.backend()
    ask_for(stage, backend)

    for line in (BASIC, BEARER):
        for start, body in (("GET", ""), ("POST", "body")):
            lines = [f"{start} /x HTTP/1.1", "Host: a.x", line, f"Content-Length: {len(body)}", "X-Own: 1", "", body]
            response = await stage.ask("\r\n".join(lines).encode())
            assert (response.status, response.body) == (200, b"A" + body.encode())
            assert response.values("cache-control") == ["private"]
    assert len(backend.heads) == 4
    for head in backend.heads:
        assert b"X-Own: 1\r\n" in head
        assert b"uthorization" not in head
        assert b"hst_" not in head


async def test_a_browser(stage: Stage) -> None:
    """A browser gets a cookie and comes back with it; the app sees its own cookies and its own Authorization, and never ours."""
    backend = await stage.backend()
    ask_for(stage, backend)

    cookie = await signed_in(stage)
    assert backend.connections == 0
    for lines in ([cookie + "; own=1", "Authorization: Basic YTpi"], [cookie, "Accept: text/html", BASIC]):
        assert (await stage.get("/", *lines)).status == 200

    own, again = backend.heads
    assert b"Cookie: own=1\r\n" in own
    assert b"Authorization: Basic YTpi\r\n" in own
    assert b"ookie" not in again
    assert b"uthorization" not in again
    assert b"hostess_session" not in own


async def test_a_session_is_for_one_host(stage: Stage) -> None:
    """The session of one app is none at another one of the same table."""
    ask_for(stage, await stage.backend())
    cookie = await signed_in(stage)

    assert refused(await stage.ask(f"GET / HTTP/1.1\r\nHost: b.x\r\n{cookie}\r\n\r\n".encode()))


async def test_by_tls_in_front(tmp_path: Path) -> None:
    """Behind a trusted proxy that speaks TLS the cookie is for TLS only; who just says so is not believed."""
    async with a_stage(tmp_path, [ip_network("127.0.0.0/8")]) as trusting, a_stage(tmp_path / "other") as doubting:
        for stage, secure in ((trusting, True), (doubting, False)):
            ask_for(stage, await stage.backend())
            response = await stage.get("/", BASIC, "Accept: text/html", "X-Forwarded-Proto: https")
            assert response.values("set-cookie")[0].endswith("; Secure") == secure


async def test_requests_ahead_of_a_revocation(stage: Stage) -> None:
    """On a kept connection each request is asked anew: those sent ahead, and those after the token has gone, get 401."""
    backend = await stage.backend()
    ask_for(stage, backend)
    cookie = await signed_in(stage)
    signed = f"GET / HTTP/1.1\r\nHost: a.x\r\n{BASIC}\r\n\r\n".encode()
    reader, writer = await stage.connect()
    writer.write(signed + b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n" + signed)

    assert (await read_response(reader)).status == 200
    assert refused(await read_response(reader))
    assert (await read_response(reader)).status == 200
    ask_for(stage, backend, tokens=(SECOND,))
    writer.write(signed)
    assert refused(await read_response(reader))
    assert refused(await stage.get("/", cookie))
    assert len(backend.heads) == 2


async def silent(_backend: Backend, _head: bytes, reader: Reader, writer: Writer) -> None:
    """Begin to stream without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
    await reader.read()


async def test_a_stream_ends_with_its_token(stage: Stage) -> None:
    """A response without an end breaks off when its token is revoked, and goes on when another one is."""
    ask_for(stage, await stage.backend(silent), tokens=(TOKEN, SECOND))
    streams = []
    for token in (TOKEN, SECOND):
        reader, writer = await stage.connect()
        writer.write(f"GET / HTTP/1.1\r\nHost: a.x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        await reader.readuntil(b"data: 1\n\n")
        streams.append(reader)

    ask_for(stage, "127.0.0.1:9", tokens=(SECOND,))

    async with asyncio.timeout(25):
        assert not (await streams[0].read()).endswith(b"0\r\n\r\n")
    assert not streams[1].at_eof()
    assert len(stage.clients()) == 1


async def test_a_request_that_waits_ends_with_its_token(stage: Stage) -> None:
    """A request whose answer has not begun when its token is revoked is answered with 401."""
    arrived = asyncio.Event()

    async def wait(_backend: Backend, _head: bytes, reader: Reader, _writer: Writer) -> None:
        arrived.set()
        await reader.read()

    ask_for(stage, await stage.backend(wait))
    asking = asyncio.create_task(stage.get("/", BEARER))
    await arrived.wait()
    ask_for(stage, "127.0.0.1:9", tokens=())

    assert refused(await asking)


async def test_what_was_open_ends_when_sign_in_is_asked_for(stage: Stage) -> None:
    """A stream that began while the route was open to everyone ends with the table that asks for sign-in."""
    backend = await stage.backend(silent)
    stage.route(backend)
    reader, writer = await stage.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n")
    await reader.readuntil(b"data: 1\n\n")

    ask_for(stage, backend)

    async with asyncio.timeout(25):
        assert not (await reader.read()).endswith(b"0\r\n\r\n")


async def test_a_websocket(stage: Stage) -> None:
    """A WebSocket opens with token or session only, hears nothing of them, and is closed politely when the token is revoked."""
    heard: list[str] = []

    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        heard.extend(f"{name}: {value}" for name, value in connection.request.headers.raw_items())
        async for message in connection:
            await connection.send(message)

    async with serve(talk, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        ask_for(stage, address)
        cookie = await signed_in(stage)
        where = f"ws://a.localhost:{stage.port}/"
        with pytest.raises(InvalidStatus) as failure:
            await connect(where, host="127.0.0.1")
        assert failure.value.response.status_code == 401
        with pytest.raises(InvalidStatus):
            await connect(where, host="127.0.0.1", additional_headers={"Cookie": cookie.partition(": ")[2]})
        async with connect(where, host="127.0.0.1", additional_headers={"Authorization": BEARER[15:]}) as talking:
            await talking.send("hello")
            assert await talking.recv() == "hello"
            ask_for(stage, address, tokens=(SECOND,))
            with pytest.raises(ConnectionClosed) as closed:
                await talking.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
    assert not [line for line in heard if "hst_" in line or "hostess_session" in line]


async def test_static_files(stage: Stage, tmp_path: Path) -> None:
    """Files are given to who has signed in, and shared caches are told to keep none of them."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("the page")
    (tmp_path / "site" / "app.3f2a9c1b.js").write_text("the code")
    one = {"host": "*", "service": "web", "release": "1", "static": {"root": str(tmp_path / "site"), "spa": True}}
    stage.publish({"routes": [{**one, "sign_in": digests(TOKEN)}], "session_key": KEY})

    for path in ("/", "/index.html", "/app.3f2a9c1b.js", "/nothing", "/%2e%2e/x", "//"):
        response = await stage.get(path)
        assert refused(response)
        assert b"the page" not in response.body
        assert b"the code" not in response.body
    cookie = await signed_in(stage)
    assert (await stage.get("/", cookie)).body == b"the page"
    assert "private" in (await stage.get("/app.3f2a9c1b.js", BASIC)).values("cache-control")


async def test_a_request_on_its_way(stage: Stage) -> None:
    """A request that has no connection yet when its route begins to ask for sign-in is not handed to anybody."""
    guarded = await stage.backend()
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting.connect(full.getsockname())  # more than one is not taken, nor refused
        stage.route(f"127.0.0.1:{full.getsockname()[1]}")
        asking = asyncio.create_task(stage.get())
        await stage.until(lambda: any(client.exchange is not None for client in stage.clients()))

        ask_for(stage, guarded)

        assert refused(await asking)
    assert guarded.connections == 0


async def test_a_failed_connection_keeps_its_token(stage: Stage) -> None:
    """A request that passed goes to another target when the first one refuses, and takes no token there."""
    backend = await stage.backend()
    ask_for(stage, unused_address(), backend)

    for _ in range(3):
        assert (await stage.get("/", BASIC)).status == 200
    assert not [head for head in backend.heads if b"uthorization" in head]


async def test_https_first(stage: Stage) -> None:
    """Where a route belongs to HTTPS, nobody is asked for a token over plain HTTP."""
    ask_for(stage, await stage.backend(), redirect_https=True)

    assert (await stage.get("/")).status == 308


async def test_after_a_restart(tmp_path: Path) -> None:
    """The last table asks for sign-in from the first connection on, and sessions live on with it."""
    one = {"host": "*", "service": "web", "release": "1", "sign_in": digests(TOKEN)}
    page = f"GET / HTTP/1.1\r\nHost: a.x\r\nAccept: text/html\r\n{BASIC}\r\n\r\n".encode()
    async with a_backend() as backend:
        async with a_proxy(tmp_path) as proxy:
            await proxy.client.publish({"routes": [{**one, "targets": [backend.address]}], "session_key": KEY})
            cookie = (await proxy.get(page)).values("set-cookie")[0].partition(";")[0]
            assert (tmp_path / "proxy" / "table.json").stat().st_mode & 0o077 == 0
        async with a_proxy(tmp_path) as again:
            assert refused(await again.get())
            for line in (BEARER, f"Cookie: {cookie}"):
                assert (await again.get(f"GET / HTTP/1.1\r\nHost: a.x\r\n{line}\r\n\r\n".encode())).body == b"A"
            await again.stop()
    log = (tmp_path / "logs" / "access.log").read_text()
    assert "hst_" not in log
    assert cookie.partition("=")[2] not in log
