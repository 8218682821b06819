"""Many connections, and slow ones: who rests makes room, nobody takes all, and whoever takes too little is let go."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from hostess_proxy.crowd import Crowd
from tests.integration.proxy.stage import SOON, Backend, Reader, Stage, Writer, a_stage, read_response, saying

GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"
BIG = 64 * 1024 * 1024


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Stage]:
    """Give a stage with places for 20 connections."""
    async with a_stage(tmp_path, crowd=Crowd(places=20)) as stage:
        yield stage


def an_outer_address() -> str:
    """Return an address of this host that others could reach, too."""
    found = [
        one.address
        for all_of_one in psutil.net_if_addrs().values()
        for one in all_of_one
        if one.family == socket.AF_INET
    ]
    return next(address for address in found if not address.startswith("127."))


async def is_closed(reader: Reader) -> bool:
    """Whether a connection ends without a byte, be it by a reset."""
    async with asyncio.timeout(SOON):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def test_idle_connections_make_room(small: Stage) -> None:
    """When all places are taken, connections that rest are closed, those that rested longest first, and new ones are served."""
    small.route(await small.backend())
    silent = [await small.connect() for _ in range(5)]
    kept = [await small.connect() for _ in range(15)]
    for reader, writer in kept:
        writer.write(GET)
        await read_response(reader)

    for _ in range(10):
        assert (await small.get()).status == 200

    assert small.traffic.crowd.refused == 0
    assert small.traffic.crowd.evicted >= 5
    for reader, _ in silent:
        assert await is_closed(reader)
    assert len(small.traffic.clients) <= 20


async def test_busy_connections_stay(small: Stage) -> None:
    """Where every connection is busy a new one is closed at once, and counted; those that were there are served on."""
    go_on = asyncio.Event()

    async def later(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    backend = await small.backend(later)
    small.route(backend)
    busy = [await small.connect() for _ in range(20)]
    for _, writer in busy:
        writer.write(GET)
    await small.until(lambda: len(backend.heads) == 20)

    late, _ = await small.connect()
    assert await is_closed(late)

    assert small.traffic.crowd.refused == 1
    go_on.set()
    for reader, _ in busy:
        assert (await read_response(reader)).status == 200


async def test_one_client_cannot_take_all(tmp_path: Path) -> None:
    """A client that has its share of connections gets no more; as soon as it gives one back it may come again."""
    async with a_stage(tmp_path, crowd=Crowd(for_one=3), host=an_outer_address()) as stage:
        stage.route(await stage.backend())
        mine = [await stage.connect() for _ in range(3)]
        await stage.until(lambda: len(stage.traffic.clients) == 3)

        late, _ = await stage.connect()
        assert await is_closed(late)
        assert stage.traffic.crowd.refused == 1

        mine[0][1].close()
        await stage.until(lambda: len(stage.traffic.clients) == 2)
        assert (await stage.get()).status == 200


async def test_this_host_has_no_share(tmp_path: Path) -> None:
    """What comes from this host is not limited by client: a tunnel or another proxy may stand there."""
    async with a_stage(tmp_path, crowd=Crowd(for_one=3)) as stage:
        stage.route(await stage.backend())

        for _ in range(10):
            await stage.connect()

        assert (await stage.get()).status == 200
        assert stage.traffic.crowd.refused == 0


async def test_two_thousand_slow_heads(stage: Stage) -> None:
    """While 2,000 clients drip their heads, others are served; after ten seconds each of them gets its 408 and a line in the log."""
    count = 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        stage.route(await stage.backend())
        slow = [await stage.connect() for _ in range(count)]
        for _, writer in slow:
            writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\nX")
        await stage.until(lambda: sum(bool(client._ahead) for client in stage.clients()) == count)

        for i in range(50):
            slow[i][1].write(b"a")
            assert (await stage.get()).status == 200
        stage.advance(11)

        assert [(await read_response(reader)).status for reader, _ in slow] == [408] * count
        lines = await stage.logged(count + 50)
        assert [line["error"] for line in lines].count("head-timeout") == count
    finally:
        for _, writer in slow:
            writer.transport.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def slow_download(stage: Stage) -> tuple[Backend, socket.socket]:
    """Begin a big download with a client that has read nothing yet; return it when the proxy can send no more."""

    async def pour(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
        for _ in range(BIG // 65536):
            writer.write(bytes(65536))
            await writer.drain()

    backend = await stage.backend(pour)
    stage.route(backend)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    client.settimeout(0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", stage.port))
    await loop.sock_sendall(client, GET)
    await stage.until(lambda: any(client._full for client in stage.clients()))
    return backend, client


async def test_client_that_reads_a_byte_at_a_time(stage: Stage) -> None:
    """A client that takes a few bytes now and then is let go, and its backend with it, though it never stops altogether."""
    backend, client = await slow_download(stage)
    loop = asyncio.get_running_loop()

    with client:
        stage.advance(46)
        assert len(stage.clients()) == 1
        async with asyncio.timeout(SOON):
            while stage.clients():
                await loop.sock_recv(client, 1)
                stage.advance(16)
                await asyncio.sleep(0.01)  # what the kernel still has room for is taken from the proxy at first

        await stage.until(lambda: backend.open == 0)
    (line,) = await stage.logged(1)
    assert (line["status"], line["end"]) == (200, "client_gone")


async def test_slow_client_that_goes_on(stage: Stage) -> None:
    """A client that takes more than the least is served to the end, however long its buffers have been full."""
    _, client = await slow_download(stage)
    loop = asyncio.get_running_loop()

    with client:
        stage.advance(46)
        for _ in range(10):
            left = 100_000
            while left:
                left -= len(await loop.sock_recv(client, left))
            stage.advance(16)
            await asyncio.sleep(0)
        assert len(stage.clients()) == 1


async def test_closing_does_not_wait_for_ever(stage: Stage) -> None:
    """A connection whose response is complete, but which its client does not read, is let go as well."""
    page = bytes(8 * 1024 * 1024)
    stage.route(await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page)))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(0)
    loop = asyncio.get_running_loop()

    with client:
        await loop.sock_connect(client, ("127.0.0.1", stage.port))
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: close\r\n\r\n")
        await stage.until(lambda: any(one._full for one in stage.clients()))

        async with asyncio.timeout(SOON):
            while stage.clients():
                stage.advance(46)
                await asyncio.sleep(0.01)


async def test_early_answer_to_a_client_that_still_sends(stage: Stage) -> None:
    """An answer before the end of the body arrives whole, though more of the body comes and nobody reads it."""

    async def refuse(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")

    stage.route(await stage.backend(refuse))
    reader, writer = await stage.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 10000000\r\n\r\n" + bytes(1_000_000))
    async with asyncio.timeout(SOON):
        answer = await read_response(reader)

    assert (answer.status, answer.body, answer.values("connection")) == (413, b"no", ["close"])
    stage.advance(3)
    await stage.until(lambda: not stage.clients())
