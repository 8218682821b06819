"""A worker's memory does not grow with what goes through it, nor with how slowly it goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.integration.proxy.http2_peer import PREFACE, body, raw
from tests.integration.proxy.processes import GET, Proxy, a_backend, a_proxy, table
from tests.integration.proxy.stage import SOON, Backend, Reader, Writer, read_response

SIZE = 256 * 1024 * 1024
PIECE = bytes(256 * 1024)
ALLOWED = 8 * 1024 * 1024


async def pour(_backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
    """Send a big body to a GET; read one to its end else, after a moment in which nothing is read."""
    if head.startswith(b"GET"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
        return
    left = SIZE
    while left:
        data = await reader.read(len(PIECE))
        assert data
        left -= len(data)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Proxy]:
    """Give a proxy with one worker, through which something has gone."""
    async with a_backend(talk=pour) as backend, a_proxy(tmp_path, WORKERS="1") as proxy:
        await proxy.client.publish(table(backend))
        assert await download(proxy) == SIZE
        yield proxy


def worker(proxy: Proxy) -> psutil.Process:
    """Return its only worker."""
    (pid,) = proxy.state.workers
    return psutil.Process(pid)


async def download(proxy: Proxy) -> int:
    """Get the big body; return how much of it came."""
    reader, writer = await proxy.connect()
    writer.write(GET)
    await reader.readuntil(b"\r\n\r\n")
    count = 0
    while count < SIZE:
        data = await reader.read(len(PIECE))
        if not data:
            break
        count += len(data)
    writer.close()
    return count


async def test_big_download(one: Proxy) -> None:
    """256 MB to a client leave a worker as big as it was, at every moment on the way."""
    process = worker(one)
    before = process.memory_info().rss
    peak = 0
    downloading = asyncio.create_task(download(one))

    while not downloading.done():
        peak = max(peak, process.memory_info().rss)
        await asyncio.sleep(0.01)

    assert await downloading == SIZE
    assert peak - before < ALLOWED


async def test_big_upload(one: Proxy) -> None:
    """256 MB to a backend leave a worker as big as it was, at every moment on the way."""
    process = worker(one)
    before = process.memory_info().rss
    peak = 0
    reader, writer = await one.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: %d\r\n\r\n" % SIZE)
    for _ in range(SIZE // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
        peak = max(peak, process.memory_info().rss)

    async with asyncio.timeout(SOON):
        assert (await read_response(reader)).status == 200
    writer.close()
    assert peak - before < ALLOWED


async def test_clients_that_read_nothing(one: Proxy) -> None:
    """Each of 50 clients that ask for a big body and read nothing costs a worker one full buffer, and no more."""
    process = worker(one)
    before = process.memory_info().rss
    stalled = [await one.connect() for _ in range(50)]
    for reader, writer in stalled:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET)
        del reader
    grown = [0]

    async with asyncio.timeout(SOON * 2):
        while (stats := await one.client.stats())["requests"] < 1 or sum(stats["in_flight"].values()) < 50:
            await asyncio.sleep(0.05)
        while len(grown) < 5 or grown[-1] > grown[-4]:  # until no more is taken
            grown.append(process.memory_info().rss - before)
            await asyncio.sleep(0.1)

    assert grown[-1] < 50 * 1024 * 1024
    for _, writer in stalled:
        writer.transport.abort()
    await asyncio.sleep(0)


async def test_broken_rules(one: Proxy) -> None:
    """Of connections of HTTP/2 that end by a broken rule nothing stays, however much they had sent."""
    process = worker(one)
    before = process.memory_info().rss

    for _ in range(200):
        reader, writer = await one.connect()
        writer.write(PREFACE + raw(4, 0, 0) + body(1, b"of no stream") + bytes(200_000))
        with suppress(ConnectionError):  # it need not read what came behind
            await reader.read()
        writer.close()

    assert process.memory_info().rss - before < ALLOWED
