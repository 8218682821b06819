"""http-01: who finds the answers to challenges, and what else is at their paths, through real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.proxy.http2_peer import PREFACE, Peer, asking, head, raw
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Backend, Stage, a_stage
from tests.integration.proxy.tls_client import careless

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
ANSWER = f"{TOKEN}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
PATH = f"/.well-known/acme-challenge/{TOKEN}"
OTHER = "/.well-known/acme-challenge/other?q"
CHALLENGES = {"http": {TOKEN: ANSWER}}


def serve(stage: Stage, backend: Backend, host: str = "a.x", **asked: Any) -> None:
    """Serve one host from a backend; a challenge is pending."""
    route = {"host": host, "service": "web", "release": "1", "targets": [backend.address], **asked}
    stage.publish({"routes": [route], "challenges": CHALLENGES})


@pytest.fixture
async def secure(tmp_path: Path, papers: Papers) -> AsyncIterator[Stage]:
    """Give a proxy whose clients come by TLS."""
    async with a_stage(tmp_path / "secure", papers=papers) as one:
        yield one


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"redirect_https": True},
        {"redirect": {"host": "www.x"}, "redirect_https": True},
        {"maintenance": {}},
        {"allow": []},
        {"rate_limit": {"requests": 1, "seconds": 1000}},
        {"basic_auth": []},
        {"pause": {}},
        {"wake": {}, "targets": []},
        {"strip_prefix": True, "path": "/.well-known"},
    ],
)
async def test_before_all_else(stage: Stage, asked: dict[str, Any]) -> None:
    """The answer is given whatever the route asks of requests, as often as it is asked for, and the app hears nothing of it."""
    backend = await stage.backend()
    serve(stage, backend, **asked)
    reader, writer = await stage.connect()

    for _ in range(3):
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: a.x\r\n\r\n".encode())
        response = await stage.get(PATH)
        assert (response.status, response.body.decode()) == (200, ANSWER)
        assert response.values("content-type") == ["text/plain"]
    assert not backend.heads
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_before_sign_in(stage: Stage) -> None:
    """The answer is given at hosts that are open to nobody."""
    route = {"host": "*", "service": "web", "release": "1", "targets": [], "sign_in": []}
    stage.publish({"routes": [route], "session_key": "5a" * 16, "challenges": CHALLENGES})

    assert [(await stage.get(path)).status for path in (PATH, OTHER)] == [200, 401]


@pytest.mark.parametrize("host", [b"Host: b.x\r\n", b"Host: 192.0.2.1:80\r\n", b"Host: [2001:db8::1]\r\n"])
async def test_any_host(stage: Stage, host: bytes) -> None:
    """The answer is given for hosts that nothing is served for, whatever Accept prefers; HEAD is answered without the body."""
    serve(stage, await stage.backend())
    asked = f"GET {PATH} HTTP/1.1\r\nAccept: application/json\r\n".encode() + host + b"\r\n"

    assert (await stage.ask(asked)).body.decode() == ANSWER
    response = await stage.ask(asked.replace(b"GET", b"HEAD", 1), bodyless=True)
    assert (response.status, response.values("content-length")) == (200, [str(len(ANSWER))])
    assert (await stage.ask(asked.replace(TOKEN.encode(), b"other"))).status == 404


async def test_without_a_host(stage: Stage) -> None:
    """The answer is given to HTTP/1.0 without any host."""
    serve(stage, await stage.backend())

    assert (await stage.ask(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())).body.decode() == ANSWER


async def test_by_tls(secure: Stage, papers: Papers) -> None:
    """By TLS it is given by HTTP/1.1 and by HTTP/2, for hosts that the certificate is not for, too."""
    backend = await secure.backend()
    route = {"host": "*", "service": "web", "release": "1", "targets": [backend.address]}
    secure.publish({"routes": [route], "certificates": [papers.certificate("a.x")], "challenges": CHALLENGES})
    for host in ("a.x", "b.x"):
        assert (await secure.ask(f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())).body.decode() == ANSWER
    assert (await secure.ask(f"GET {OTHER} HTTP/1.1\r\nHost: b.x\r\n\r\n".encode())).status == 421
    context = careless()
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=context, server_hostname="a.x")
    peer = Peer(reader, writer)
    peer.send(PREFACE, raw(4, 0, 0), head(1, asking("GET", PATH)), head(3, asking("GET", PATH, host="b.x")))

    answers = [await peer.answered(number) for number in (1, 3)]

    assert [(answer[":status"], answer["content-length"]) for answer in answers] == [("200", str(len(ANSWER)))] * 2
    await peer.close()


async def test_unknown_tokens(stage: Stage) -> None:
    """What is no challenge of ours is the app's, and is sent to no other host and to no TLS: it may have something to prove."""
    backend = await stage.backend()
    serve(stage, backend, redirect={"host": "www.x"}, redirect_https=True)

    assert [(await stage.get(path)).status for path in (OTHER, PATH + "x", "/other")] == [200, 200, 308]
    assert [head.split()[1].decode() for head in backend.heads] == [OTHER, PATH + "x"]


async def test_over(stage: Stage) -> None:
    """A challenge that is over is answered no more, on connections that are kept as well."""
    backend = await stage.backend()
    serve(stage, backend)
    assert (await stage.get(PATH)).body.decode() == ANSWER

    stage.route(backend)

    assert (await stage.get(PATH)).body == b"A"


async def test_log(stage: Stage) -> None:
    """The log tells that a challenge was answered."""
    serve(stage, await stage.backend())
    await stage.get(PATH)

    [line] = await stage.logged(1)
    assert (line["status"], line["path"], line["error"], line["end"]) == (200, PATH, "acme-challenge", "ok")
