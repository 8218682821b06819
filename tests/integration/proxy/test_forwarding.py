"""Requests go through unchanged but for what a proxy must change."""

import asyncio
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.integration.proxy.stage import (
    ONLY_HTTP,
    Backend,
    Conversation,
    Reader,
    Stage,
    Writer,
    a_stage,
    after,
    read_request_body,
    read_response,
    saying,
)

SCHEMES = ("http", "https")
GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"


async def test_round_trip(stage: Stage) -> None:
    """A request reaches the backend with host, forwarding fields and id, and its answer comes back with the same id."""
    backend = await stage.backend()
    stage.route(backend)

    response = await stage.get(
        "/p?a=1;b&%zz", "X-Forwarded-For: 1.2.3.4", "Cookie: a=b", "Connection: X-Drop", "X-Drop: 1"
    )

    assert (response.status, response.body) == (200, b"A")
    (head,) = backend.heads
    assert head.startswith(b"GET /p?a=1;b&%zz HTTP/1.1\r\nHost: a.x\r\nCookie: a=b\r\nX-Forwarded-For: 127.0.0.1\r\n")
    assert (
        b"X-Real-IP: 127.0.0.1\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %d\r\nX-Forwarded-Host: a.x\r\n"
        % (b"http" if stage.papers is None else b"https", stage.port)
        in head
    )
    assert b"X-Drop" not in head
    assert b"X-Request-Id: %b\r\n" % response.values("x-request-id")[0].encode() in head
    assert re.search(rb"X-Request-Start: t=\d{13}\r\n", head)


async def test_log_line(stage: Stage) -> None:
    """Each request leaves one line that says what happened and where."""
    backend = await stage.backend()
    stage.route(backend, project="shop", release="7")

    await stage.get('/p?"x"', 'User-Agent: u"a')

    (line,) = await stage.logged(1)
    assert (line["method"], line["host"], line["path"], line["status"], line["out"]) == ("GET", "a.x", '/p?"x"', 200, 1)
    assert (line["project"], line["service"], line["release"], line["target"]) == ("shop", "web", "7", backend.address)
    assert (line["ua"], line["end"], line["retries"]) == ('u"a', "ok", 0)
    assert 0 < line["upstream_ms"] <= line["ms"]


async def test_trusted_proxy(tmp_path: Path) -> None:
    """A trusted peer's chain is continued and its scheme believed; the client is the right-most address not trusted."""
    async with a_stage(tmp_path, trusted=[ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")]) as stage:
        backend = await stage.backend()
        stage.route(backend)

        await stage.get(
            "/", "X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.0.0.2", "X-Forwarded-Proto: https", "X-Forwarded-Host: b.x"
        )

    (head,) = backend.heads
    assert b"X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.0.0.2, 127.0.0.1\r\n" in head
    assert b"X-Real-IP: 9.9.9.9\r\n" in head
    assert b"X-Forwarded-Proto: https\r\n" in head
    assert b"X-Forwarded-Host: b.x\r\n" in head
    assert head.count(b"X-Forwarded-Host") == 1


async def test_trusted_proxy_speaks_tls(tmp_path: Path) -> None:
    """Who came to a trusted proxy by TLS is not sent to HTTPS again; a stranger's word for it counts for nothing."""
    for trusted, status in (([ip_network("127.0.0.0/8")], 200), ([], 308)):
        async with a_stage(tmp_path, trusted=trusted) as stage:
            stage.route(await stage.backend(), redirect_https=True)
            assert (await stage.get("/", "X-Forwarded-Proto: https")).status == status


async def test_given_request_id_is_kept(stage: Stage) -> None:
    """A well-formed request id goes both ways."""
    stage.route(await stage.backend())

    assert (await stage.get("/", "X-Request-Id: mine-1")).values("x-request-id") == ["mine-1"]


async def test_keep_alive_both_sides(stage: Stage) -> None:
    """Requests on one client connection use one backend connection."""
    backend = await stage.backend()
    stage.route(backend)
    reader, writer = await stage.connect()

    for _ in range(5):
        writer.write(GET)
        assert (await read_response(reader)).status == 200

    assert backend.connections == 1
    assert len(backend.heads) == 5


async def test_pipelining(stage: Stage) -> None:
    """Requests sent ahead, bodies and pages of our own among them, are answered in order."""

    async def echo_path(_backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
        text = head.split(b" ")[1] + await read_request_body(head, reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))

    backend = await stage.backend(echo_path)
    stage.publish({"routes": [{"host": "a.x", "service": "a", "release": "1", "targets": [backend.address]}]})
    reader, writer = await stage.connect()

    writer.write(
        b"GET /1 HTTP/1.1\r\nHost: a.x\r\n\r\n"
        b"POST /2 HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\n\r\nabc"
        b"GET /3 HTTP/1.1\r\nHost: unknown\r\n\r\n"
        b"POST /4 HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
        b"\r\nGET /5 HTTP/1.1\r\nHost: a.x\r\n\r\n"
    )

    answers = [await read_response(reader) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200]
    assert [answer.body for answer in answers if answer.status == 200] == [b"/1", b"/2abc", b"/4xyz", b"/5"]


async def test_thousand_requests_ahead(stage: Stage) -> None:
    """A client that sends a thousand requests at once gets a thousand answers."""
    stage.route(await stage.backend())
    reader, writer = await stage.connect()

    writer.write(GET * 500 + b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n" * 500)

    for _ in range(1000):
        assert (await read_response(reader)).status == 200


async def test_request_cut_at_every_byte(stage: Stage) -> None:
    """However a request's bytes arrive, the backend sees the same request."""
    backend = await stage.backend()
    stage.route(backend)
    message = b"POST /p HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n"
    reader, writer = await stage.connect()

    for cut in range(1, len(message)):
        writer.write(message[:cut])
        await asyncio.sleep(0)
        writer.write(message[cut:])
        assert (await read_response(reader)).body == b"Ahello"

    assert {head.partition(b"X-Forwarded")[0] for head in backend.heads} == {b"POST /p HTTP/1.1\r\nHost: a.x\r\n"}


async def test_response_cut_at_every_byte(stage: Stage) -> None:
    """However a response's bytes arrive, the client sees the same response."""
    message = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nHost: evil\r\n\r\n"
    cuts = iter(range(1, len(message)))

    async def cut(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        at = next(cuts)
        writer.write(message[:at])
        await asyncio.sleep(0.001)
        writer.write(message[at:])

    backend = await stage.backend(cut)
    stage.route(backend)
    reader, writer = await stage.connect()

    for _ in range(1, len(message)):
        writer.write(GET)
        response = await read_response(reader)
        assert (response.status, response.body) == (200, b"hello")
        assert b"evil" not in response.head
    assert backend.connections == 1


async def test_chunked_both_ways(stage: Stage) -> None:
    """Chunked bodies are framed anew; extensions and trailers end at the proxy."""
    seen: list[bytes] = []

    async def echo(_backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
        seen.append(head + (raw := await reader.readuntil(b"0\r\n\r\n")))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)

    stage.route(await stage.backend(echo))

    response = await stage.ask(
        b"POST / HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\n003;a=b\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"
    )

    assert response.body == b"abc"
    assert seen[0].endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


async def test_http_1_0_client(stage: Stage) -> None:
    """An HTTP/1.0 client gets a chunked body without chunks, ended by the connection's end, and no interim response."""
    stage.route(
        await stage.backend(
            saying(
                b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )
        )
    )
    reader, writer = await stage.connect()

    writer.write(b"GET / HTTP/1.0\r\n\r\n")

    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"ransfer" not in head
    assert body == b"abc"


async def test_http_1_0_keep_alive(stage: Stage) -> None:
    """An HTTP/1.0 client that asks for it keeps its connection where the length is known."""
    stage.route(await stage.backend())
    reader, writer = await stage.connect()

    for _ in range(2):
        writer.write(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = await read_response(reader)
        assert response.values("connection") == ["keep-alive"]


async def test_response_until_close(stage: Stage) -> None:
    """A body that only the backend's end ends reaches an HTTP/1.1 client in chunks, and the connection lives on."""
    stage.route(await stage.backend(saying(b"HTTP/1.0 200 OK\r\n\r\nabc", close=True)))
    reader, writer = await stage.connect()

    for _ in range(2):
        writer.write(GET)
        response = await read_response(reader)
        assert (response.values("transfer-encoding"), response.body) == (["chunked"], b"abc")


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        (b"HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
        (b"HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"GET / HTTP/1.1", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET / HTTP/1.1", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n"),
    ],
)
async def test_responses_without_body(stage: Stage, request_line: bytes, answer: bytes) -> None:
    """HEAD, 204 and 304 have no body whatever their fields say, and the next request is answered on the same connections."""
    backend = await stage.backend(saying(answer))
    stage.route(backend)
    reader, writer = await stage.connect()

    for _ in range(2):
        writer.write(request_line + b"\r\nHost: a.x\r\n\r\n")
        response = await read_response(reader, bodyless=True)
        assert response.head.startswith(answer[:12])
    assert backend.connections == 1


async def test_early_hints(stage: Stage) -> None:
    """Interim responses reach an HTTP/1.1 client; a stray 100 does not."""
    stage.route(
        await stage.backend(
            saying(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            )
        )
    )
    reader, writer = await stage.connect()

    writer.write(GET)

    assert [(await read_response(reader)).status for _ in range(2)] == [103, 200]


async def test_expect_continue_end_to_end(stage: Stage) -> None:
    """The backend decides about the body: its 100 lets the client send."""

    async def careful(_backend: Backend, _head: bytes, reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(3)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body)

    stage.route(await stage.backend(careful))
    reader, writer = await stage.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert (await read_response(reader)).status == 100
    writer.write(b"abc")

    assert (await read_response(reader)).body == b"abc"


async def test_expect_continue_refused(stage: Stage) -> None:
    """A final answer before the body reaches the client, which is told that the connection ends."""
    stage.route(await stage.backend(saying_before_body(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")))
    reader, writer = await stage.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    response = await read_response(reader)

    assert (response.status, response.values("connection")) == (401, ["close"])
    assert await reader.read() == b""


async def test_expect_continue_of_a_silent_backend(stage: Stage) -> None:
    """A backend that waits for the body gets it: after a second the proxy itself says 100."""
    stage.route(await stage.backend())
    reader, writer = await stage.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    await stage.until(lambda: any(client.exchange and client.exchange.upstream for client in stage.clients()))
    stage.advance(1.1)
    assert (await read_response(reader)).status == 100
    writer.write(b"abc")

    assert (await read_response(reader)).body == b"Aabc"


def saying_before_body(data: bytes) -> Conversation:
    """Make a backend that answers without reading the body."""

    async def talk(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(data)

    return talk


async def test_server_sent_events(stage: Stage) -> None:
    """Each event passes at once, while the response goes on."""
    go_on = asyncio.Event()

    async def events(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            writer.write(b"8\r\ndata: x\n\r\n")
            await go_on.wait()
            go_on.clear()
        writer.write(b"0\r\n\r\n")

    stage.route(await stage.backend(events))
    reader, writer = await stage.connect()
    writer.write(GET)
    await reader.readuntil(b"\r\n\r\n")

    for _ in range(3):
        async with asyncio.timeout(25):
            assert await reader.readuntil(b"data: x\n\r\n") == b"8\r\ndata: x\n\r\n"
        go_on.set()
    assert await reader.readexactly(5) == b"0\r\n\r\n"


async def test_least_in_flight(stage: Stage) -> None:
    """Requests go where the fewest are in flight."""
    release = asyncio.Event()

    a, b = await stage.backend(after(release), "A"), await stage.backend(after(release), "B")
    stage.route(a, b)

    asking = [asyncio.create_task(stage.get()) for _ in range(10)]
    await stage.until(lambda: len(a.heads) + len(b.heads) == 10)
    release.set()
    await asyncio.gather(*asking)

    assert (len(a.heads), len(b.heads)) == (5, 5)


async def test_exposed_release(stage: Stage) -> None:
    """A route may say which release answered, and a backend cannot say so for it."""
    backend = await stage.backend(saying(b"HTTP/1.1 200 OK\r\nX-Hostess-Release: fake\r\nContent-Length: 0\r\n\r\n"))

    stage.route(backend, release="42", expose_release=True)
    assert (await stage.get()).values("x-hostess-release") == ["42"]
    stage.route(backend, release="42")
    assert (await stage.get()).values("x-hostess-release") == []


@ONLY_HTTP
async def test_redirect_to_https(stage: Stage) -> None:
    """A route that wants it sends plain requests to HTTPS, method and query kept."""
    stage.route(await stage.backend(), redirect_https=True)

    response = await stage.get("/p?q")

    assert (response.status, response.values("location")) == (308, ["https://a.x/p?q"])
    stage.traffic.https_port = 8443
    response = await stage.ask(b"POST /p?q HTTP/1.1\r\nHost: A.X:8080\r\nContent-Length: 0\r\n\r\n")
    assert (response.status, response.values("location")) == (308, ["https://a.x:8443/p?q"])
