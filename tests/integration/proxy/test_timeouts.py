"""How long the proxy waits for clients and backends, and what they may send."""

import asyncio

import pytest

from tests.integration.proxy.stage import Backend, Reader, Stage, Writer, read_response

GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\n\r\nabc"


async def test_backend_never_answers(stage: Stage) -> None:
    """A backend that never answers is a 504 when the route's time is over."""

    async def wait(_backend: Backend, _head: bytes, reader: Reader, _writer: Writer) -> None:
        await reader.read()

    backend = await stage.backend(wait)
    stage.route(backend, first_byte_timeout=0.1)

    response = await stage.get()

    assert (response.status, response.values("x-hostess-error")) == (504, ["backend-timeout"])
    await stage.until(lambda: backend.open == 0)


async def test_stalled_stream_is_not_cut(stage: Stage) -> None:
    """Once a response has begun, silence of the backend is no reason to end it."""
    go_on = asyncio.Event()

    async def stall(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await go_on.wait()
        writer.write(b"b")

    stage.route(await stage.backend(stall), first_byte_timeout=1)
    reader, writer = await stage.connect()
    writer.write(GET)
    await reader.readuntil(b"\r\n\r\na")

    stage.advance(3600)
    go_on.set()

    assert await reader.readexactly(1) == b"b"


async def test_body_limit(stage: Stage) -> None:
    """A body beyond the route's limit is a 413; one that says so before is not begun."""
    backend = await stage.backend()
    stage.route(backend, body_limit=10)

    announced = await stage.ask(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 11\r\n\r\n")
    assert (announced.status, backend.connections) == (413, 0)
    counted = await stage.ask(
        b"POST / HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n"
    )
    assert counted.status == 413
    assert (await stage.ask(POST)).status == 200


async def test_slow_head(stage: Stage) -> None:
    """A head that does not arrive in ten seconds, however steadily it drips, is answered with 408 and closed."""
    stage.route(await stage.backend())
    reader, writer = await stage.connect()
    writer.write(b"GET / HTTP/1.1\r\n")
    await stage.until(lambda: any(client._ahead for client in stage.clients()))
    stage.advance(6)
    writer.write(b"Host: a.x\r\n")
    await stage.until(lambda: any(len(client._ahead) > 20 for client in stage.clients()))

    stage.advance(6)

    assert (await read_response(reader)).status == 408
    assert await reader.read() == b""


async def test_silent_connections_are_closed(stage: Stage) -> None:
    """A connection that sends nothing, or rests after a request, is closed in silence at its limit."""
    stage.route(await stage.backend())
    silent, _ = await stage.connect()
    served, writer = await stage.connect()
    writer.write(GET)
    await read_response(served)

    stage.advance(11)
    assert await silent.read() == b""
    assert not served.at_eof()
    stage.advance(70)

    assert await served.read() == b""


async def test_body_that_stalls(stage: Stage) -> None:
    """A request body that makes no progress for 30 seconds is a 408, and the backend is let go."""
    backend = await stage.backend()
    stage.route(backend)
    reader, writer = await stage.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\n\r\na")
    await stage.until(lambda: len(backend.heads) == 1)

    stage.advance(31)

    assert (await read_response(reader)).status == 408
    await stage.until(lambda: backend.open == 0)


async def test_backend_that_takes_no_body(stage: Stage) -> None:
    """When a body makes no progress for 30 seconds because the backend does not read, it is the backend that is told of: 504."""

    async def deaf(backend: Backend, _head: bytes, _reader: Reader, _writer: Writer) -> None:
        await backend.closed.wait()

    backend = await stage.backend(deaf)
    stage.route(backend)
    reader, writer = await stage.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 100000000\r\n\r\n" + bytes(50_000_000))
    await stage.until(
        lambda: any(client._held and client.exchange.upstream for client in stage.clients() if client.exchange)
    )

    stage.advance(31)

    response = await read_response(reader)
    assert (response.status, response.values("x-hostess-error")) == (504, ["backend-timeout"])
    (line,) = await stage.logged(1)
    assert (line["status"], line["end"]) == (504, "timeout")
    backend.closed.set()


@pytest.mark.parametrize("chunks", [b"0x3\r\nabc\r\n0\r\n\r\n", b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcXX0\r\n\r\n"])
async def test_bad_chunks(stage: Stage, chunks: bytes) -> None:
    """A request whose chunks are wrong is a 400, and its backend connection is closed, not completed."""
    backend = await stage.backend()
    stage.route(backend)

    response = await stage.ask(b"POST / HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)

    assert (response.status, response.values("connection")) == (400, ["close"])
    await stage.until(lambda: backend.open == 0)
