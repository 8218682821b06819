"""A slow side slows the other side, and memory stays bounded."""

import asyncio
import hashlib
import resource

from tests.integration.proxy.stage import Backend, Reader, Stage, Writer, read_response, saying

SCHEMES = ("http", "https")
BIG = 96 * 1024 * 1024
PIECE = bytes(range(256)) * 1024


async def test_slow_client(stage: Stage) -> None:
    """A big download to a client that does not read stops at the backend, and later arrives whole."""
    written = 0

    async def pour(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
        while written < BIG:
            writer.write(PIECE)
            written += len(PIECE)
            await writer.drain()

    stage.route(await stage.backend(pour))
    reader, writer = await stage.connect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await stage.until(lambda: any(client._full for client in stage.clients()))

    stalled_at = written
    count = 0
    while count < BIG:
        count += len(await reader.read(1024 * 1024))

    assert stalled_at < 32 * 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


async def test_slow_backend(stage: Stage) -> None:
    """A big upload to a backend that does not read stops at the client, and later arrives whole."""
    go_on = asyncio.Event()
    digest = hashlib.sha256()

    async def swallow(_backend: Backend, _head: bytes, reader: Reader, writer: Writer) -> None:
        await go_on.wait()
        left = BIG
        while left:
            data = await reader.read(1024 * 1024)
            digest.update(data)
            left -= len(data)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    stage.route(await stage.backend(swallow))
    reader, writer = await stage.connect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sent = 0

    async def pour() -> None:
        nonlocal sent
        writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: %d\r\n\r\n" % BIG)
        while sent < BIG:
            writer.write(PIECE)
            sent += len(PIECE)
            await writer.drain()

    pouring = asyncio.create_task(pour())
    await stage.until(lambda: any(client._held for client in stage.clients()))
    stalled_at = sent
    go_on.set()
    await pouring

    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    expected = hashlib.sha256()
    for _ in range(BIG // len(PIECE)):
        expected.update(PIECE)
    assert digest.digest() == expected.digest()
    assert stalled_at < 32 * 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


async def test_first_piece_of_a_big_body(stage: Stage) -> None:
    """A body whose beginning waited for the connection to a backend that does not read is held like any other."""

    async def deaf(_backend: Backend, _head: bytes, _reader: Reader, _writer: Writer) -> None:
        await asyncio.sleep(60)

    stage.route(await stage.backend(deaf))
    _, writer = await stage.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: %d\r\n\r\n" % BIG + PIECE * 128)

    await stage.until(
        lambda: any(client._held and not client.exchange.pending for client in stage.clients() if client.exchange)
    )
    (client,) = stage.clients()
    assert client.exchange is not None
    assert client.exchange.received < 16 * 1024 * 1024


async def test_client_that_asks_and_never_reads(stage: Stage) -> None:
    """A client that sends requests ahead and reads no answer is read no more, and gets all answers when it reads again."""
    page = b"x" * 65536
    stage.route(await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page)))
    reader, writer = await stage.connect()
    count = 1500
    writer.transport.pause_reading()  # type: ignore[attr-defined]

    writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\nX-Filler: %b\r\n\r\n" % (b"y" * 1000) * count)
    await stage.until(lambda: any(client._full for client in stage.clients()))
    await stage.until(lambda: any(len(client._ahead) > 64 * 1024 for client in stage.clients()))

    (client,) = stage.clients()
    assert len(client._ahead) < 1024 * 1024
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(count):
        assert (await read_response(reader)).status == 200
