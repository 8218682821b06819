"""Databases from outside: the listener's handshakes, and what it does with whoever has no business there."""

import asyncio
import json
import os
import signal
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import Proxy, a_backend, a_proxy, until
from tests.integration.proxy.processes import table as routes_to
from tests.integration.proxy.stage import Reader, Writer

SOON = 10
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_REQUEST = struct.pack("!ii", 8, 80877104)
CANCEL_REQUEST = struct.pack("!iiii", 16, 80877102, 1, 2)
STARTUP = struct.pack("!ii", 23, 196608) + b"user\0postgres\0"
PIECE = b"x" * 65536


class Echo:
    """A server that greets and says back what it hears; nothing of it once *silent*."""

    def __init__(self) -> None:
        self.address = ""
        self.writers: list[Writer] = []
        self.hears = asyncio.Event()
        self.hears.set()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Serve one connection to its end."""
        self.writers.append(writer)
        while True:
            await self.hears.wait()
            data = await reader.read(65536)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.write(b"bye")
        writer.close()


@asynccontextmanager
async def an_echo() -> AsyncIterator[Echo]:
    """Give one."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield echo
    finally:
        server.close()
        echo.hears.set()
        for writer in echo.writers:
            writer.transport.abort()


def entry(host: str, *targets: str, **more: Any) -> dict[str, Any]:
    """Return a database of a table."""
    return {
        "host": host, "protocol": "postgres", "project": "p", "service": "db", "release": "v1", "targets": [*targets], **more,
    }  # fmt: skip


@asynccontextmanager
async def databases(folder: Path, papers: Papers, *entries: dict[str, Any], **settings: str) -> AsyncIterator[Proxy]:
    """Give a proxy with these databases, and a certificate that is good for more names than those."""
    options = {"POSTGRES": "127.0.0.1:0", "REDIS": "127.0.0.1:0", "WORKERS": "1", **settings}
    async with a_proxy(folder, **options) as proxy:
        await proxy.client.publish(table(papers, *entries))
        yield proxy


def table(papers: Papers, *entries: dict[str, Any]) -> dict[str, Any]:
    """Return the table with these databases."""
    return {"routes": [], "certificates": [papers.certificate("*.db.x", "redis.x")], "databases": [*entries]}


async def connect(proxy: Proxy, *, redis: bool = False) -> tuple[Reader, Writer]:
    """Connect without a word."""
    host, _, port = (proxy.state.redis if redis else proxy.state.postgres).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    proxy.writers.append(writer)
    return reader, writer


async def secured(proxy: Proxy, papers: Papers, name: str = "a.db.x") -> tuple[Reader, Writer]:
    """Connect as psql does: ask for TLS, and look whether the certificate is the host's."""
    reader, writer = await connect(proxy)
    writer.write(SSL_REQUEST)
    assert await answer(reader, 1) == b"S"
    async with asyncio.timeout(SOON):
        await writer.start_tls(papers.client(), server_hostname=name)
    return reader, writer


async def answer(reader: Reader, length: int) -> bytes:
    """Return so many bytes."""
    async with asyncio.timeout(SOON):
        return await reader.readexactly(length)


async def rest(reader: Reader) -> bytes:
    """Return what comes until the end."""
    async with asyncio.timeout(SOON):
        return await reader.read()


async def test_by_name_and_by_tls(tmp_path: Path, papers: Papers) -> None:
    """Each name leads to its own database, both ways, and half closed connections go on."""
    async with an_echo() as one, an_echo() as other:
        there = [entry("a.db.x", one.address), entry("b.db.x", other.address)]
        async with databases(tmp_path, papers, *there) as proxy:
            for name, echo in (("a.db.x", one), ("b.db.x", other)):
                reader, writer = await secured(proxy, papers, name)
                writer.write(STARTUP)
                assert await answer(reader, len(STARTUP)) == STARTUP
                assert len(echo.writers) == 1
                writer.close()


async def test_direct_tls(tmp_path: Path, papers: Papers) -> None:
    """A handshake without a question before needs the protocol's name in ALPN."""
    context = ssl.create_default_context(cadata=papers.authority().decode())
    context.set_alpn_protocols(["postgresql"])
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        host, _, port = proxy.state.postgres.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="a.db.x")
        proxy.writers.append(writer)
        writer.write(b"hello")
        assert await answer(reader, 5) == b"hello"
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "postgresql"

        nameless, writer = await asyncio.open_connection(host, int(port), ssl=papers.client(), server_hostname="a.db.x")
        proxy.writers.append(writer)
        writer.write(b"hello")
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await answer(nameless, 5)


async def test_redis(tmp_path: Path, papers: Papers) -> None:
    """The other listener takes handshakes at once, and knows its own databases only."""
    async with an_echo() as echo:
        there = [entry("redis.x", echo.address, protocol="redis"), entry("a.db.x", echo.address)]
        async with databases(tmp_path, papers, *there) as proxy:
            host, _, port = proxy.state.redis.rpartition(":")
            reader, writer = await asyncio.open_connection(
                host, int(port), ssl=papers.client(), server_hostname="redis.x"
            )
            proxy.writers.append(writer)
            writer.write(b"PING\r\n")
            assert await answer(reader, 6) == b"PING\r\n"

            with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
                await asyncio.open_connection(host, int(port), ssl=papers.client(), server_hostname="a.db.x")

            reader, writer = await connect(proxy, redis=True)
            writer.write(b"PING\r\n")
            assert await rest(reader) == b""


@pytest.mark.parametrize("name", ["c.db.x", "redis.x", "", "a.b.db.x"])
async def test_names_that_are_none(tmp_path: Path, papers: Papers, name: str) -> None:
    """Whether a certificate would be there or not: a name of no database, and none at all, get the same alert."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        reader, writer = await connect(proxy)
        writer.write(SSL_REQUEST)
        assert await answer(reader, 1) == b"S"
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await writer.start_tls(context, server_hostname=name)
        assert echo.writers == []
        assert (await proxy.client.stats())["tls"]["unknown_names"] == 1


async def test_plain_is_told(tmp_path: Path, papers: Papers) -> None:
    """Who begins without TLS is told in PostgreSQL's words; GSS is declined, and TLS may be asked for then."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        reader, writer = await connect(proxy)
        writer.write(STARTUP)
        said = await rest(reader)
        assert said[:1] == b"E"
        assert int.from_bytes(said[1:5]) == len(said) - 1
        assert said[5:].split(b"\0")[:3] == [b"SFATAL", b"VFATAL", b"C28000"]
        assert b"sslmode=" in said

        reader, writer = await connect(proxy)
        writer.write(GSS_REQUEST[:3])
        writer.write(GSS_REQUEST[3:])
        assert await answer(reader, 1) == b"N"
        writer.write(SSL_REQUEST)
        assert await answer(reader, 1) == b"S"
        assert echo.writers == []


@pytest.mark.parametrize(
    "begun",
    [
        CANCEL_REQUEST,  # of a client that nobody knows
        SSL_REQUEST + STARTUP,
        GSS_REQUEST + SSL_REQUEST,
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("!ii", 8, 131072),
        struct.pack("!ii", 9, 80877103) + b"x",
    ],
)
async def test_closed_without_a_word(tmp_path: Path, papers: Papers, begun: bytes) -> None:
    """What cannot be answered is closed; so is what was sent behind a question before there was TLS."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        reader, writer = await connect(proxy)
        writer.write(begun)
        assert await rest(reader) == b""
        assert echo.writers == []


@pytest.mark.parametrize("secret", [b"\0\0\0\x2asecr", b"\0\0\0\x2a" + b"s" * 32])
async def test_a_statement_is_cancelled(tmp_path: Path, papers: Papers, secret: bytes) -> None:
    """A request without TLS finds the server by its key, at whichever of the workers that client is; after the client it finds nobody."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    login = b"R" + struct.pack("!ii", 8, 0) + b"K" + struct.pack("!i", 4 + len(secret)) + secret + b"Z\0\0\0\x05I"

    writers: list[Writer] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        writers.append(writer)
        if (await reader.readexactly(8))[4:] == CANCEL_REQUEST[4:8]:
            heard.put_nowait(await reader.readexactly(len(secret)))
        else:
            writer.write(login[:10])
            await writer.drain()
            writer.write(login[10:])
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    there = entry("a.db.x", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    request = struct.pack("!ii", 8 + len(secret), 80877102) + secret
    try:
        async with databases(tmp_path, papers, there, WORKERS="2") as proxy:
            reader, writer = await secured(proxy, papers)
            writer.write(STARTUP)
            assert await answer(reader, len(login)) == login
            for _ in range(8):  # at both of the workers, as good as certainly
                asking, asks = await connect(proxy)
                asks.write(request[:10])
                asks.write(request[10:])
                assert await rest(asking) == b""
                async with asyncio.timeout(SOON):
                    assert await heard.get() == secret

            writer.close()
            await until(lambda: all(each.is_closing() for each in writers))
            asking, asks = await connect(proxy)
            asks.write(request)
            assert await rest(asking) == b""
            await proxy.client.stats()  # whatever was asked of the workers before has been answered then
            assert heard.empty()
    finally:
        server.close()
        for each in writers:
            each.transport.abort()


async def test_bounds(tmp_path: Path, papers: Papers) -> None:
    """No more connections than a database may have; who comes later is told, and comes in when another one has left."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address, connections=2)) as proxy:
        held = [await secured(proxy, papers) for _ in range(2)]
        for reader, writer in held:
            writer.write(b"hi")
            assert await answer(reader, 2) == b"hi"

        reader, writer = await secured(proxy, papers)
        writer.write(STARTUP)
        assert b"C53300" in await rest(reader)
        writer.close()

        held[0][1].close()

        async def comes_in() -> bool:
            reader, writer = await secured(proxy, papers)
            writer.write(STARTUP)
            came = await answer(reader, 1) == STARTUP[:1]
            writer.close()
            return came

        await until(comes_in)


async def test_who_was_there(tmp_path: Path, papers: Papers) -> None:
    """The access log has a line for each connection that has ended: whose it was, where it led, how much was said."""
    log = tmp_path / "logs" / "access.log"
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address, connections=1)) as proxy:
        reader, writer = await secured(proxy, papers)
        writer.write(b"hello")
        assert await answer(reader, 5) == b"hello"
        refused, other = await secured(proxy, papers)
        other.write(STARTUP)
        await rest(refused)
        other.close()
        writer.close()
        await until(lambda: log.exists() and log.read_text().count("\n") == 2)

    first, second = sorted(map(json.loads, log.read_text().splitlines()), key=lambda line: line["status"])
    told = ("client", "proto", "host", "service", "target", "status", "in", "end", "error")
    assert [first[name] for name in told] == [
        *("127.0.0.1", "postgres", "a.db.x", "db", echo.address, 200, 5, "ok", ""),
    ]
    refusal = ("target", "status", "end", "error")
    assert [second[name] for name in refusal] == ["", 503, "refused", "too-many-connections"]


async def test_share_of_one_client(tmp_path: Path, papers: Papers) -> None:
    """All connections of a worker are counted together, relays too: where there is no place, none is made."""
    async with an_echo() as echo:
        there = entry("a.db.x", echo.address)
        async with databases(tmp_path, papers, there, CONNECTIONS="1") as proxy:
            reader, writer = await secured(proxy, papers)
            writer.write(b"hi")
            assert await answer(reader, 2) == b"hi"
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await secured(proxy, papers)
            assert (await proxy.client.stats())["connections_refused"] == 1


async def test_no_database_there(tmp_path: Path, papers: Papers) -> None:
    """Where nothing runs, or nobody answers, the client is told; the next table leads it to where the database is."""
    async with an_echo() as echo:
        for targets in ((), ("127.0.0.1:1",)):
            async with databases(tmp_path, papers, entry("a.db.x", *targets)) as proxy:
                reader, writer = await secured(proxy, papers)
                writer.write(STARTUP)
                assert b"C57P03" in await rest(reader)

                await proxy.client.publish(table(papers, entry("a.db.x", echo.address)))
                reader, writer = await secured(proxy, papers)
                writer.write(b"hi")
                assert await answer(reader, 2) == b"hi"


async def test_closed_to_the_outside(tmp_path: Path, papers: Papers) -> None:
    """A table without the database ends its connections; one that says the same does not."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        reader, writer = await secured(proxy, papers)
        writer.write(b"one")
        assert await answer(reader, 3) == b"one"
        await proxy.client.publish(table(papers, entry("a.db.x", echo.address, release="v2")))
        writer.write(b"two")
        assert await answer(reader, 3) == b"two"

        await proxy.client.publish(table(papers))
        assert await rest(reader) == b""


async def test_slow_sides_are_waited_for(tmp_path: Path, papers: Papers) -> None:
    """A database that takes nothing stops its client; nothing of 16 MB is lost or kept in the proxy."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        echo.hears.clear()
        reader, writer = await secured(proxy, papers)
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(256):
                writer.write(PIECE)
                await writer.drain()
                sent += len(PIECE)

        sending = asyncio.create_task(send())
        before = -1
        while sent != before:  # until it goes no further
            before = sent
            await asyncio.wait([sending], timeout=0.5)
        assert not sending.done()

        echo.hears.set()
        got = 0
        async with asyncio.timeout(60):
            while got < 256 * len(PIECE):
                got += len(await reader.read(65536))
            await sending


async def test_upgrade_takes_the_listener_along(tmp_path: Path, papers: Papers) -> None:
    """The program that takes over accepts connections at the same address."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        before = proxy.state.postgres
        pid = await proxy.client.upgrade()
        try:
            await until(lambda: proxy.state.pid == pid)
            assert proxy.state.postgres == before
            reader, writer = await secured(proxy, papers)
            writer.write(b"hi")
            assert await answer(reader, 2) == b"hi"
            writer.close()
        finally:
            os.kill(pid, signal.SIGTERM)


async def test_a_port_that_somebody_has(tmp_path: Path) -> None:
    """It is told, and no reason not to serve all else."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = f"127.0.0.1:{held.getsockname()[1]}"
        async with a_backend() as backend, a_proxy(tmp_path, POSTGRES=taken, REDIS="127.0.0.1:0") as proxy:
            await proxy.client.publish(routes_to(backend))
            assert (await proxy.get()).status == 200
            assert (proxy.state.postgres, proxy.state.redis == "") == ("", False)
            assert proxy.process.stderr is not None
            async with asyncio.timeout(SOON):
                said = b""
                while b"proxy.postgres: cannot listen on " + taken.encode() not in said:
                    said += await proxy.process.stderr.read(4096)


async def test_off_by_default(tmp_path: Path) -> None:
    """Without the settings nothing listens."""
    async with a_proxy(tmp_path) as proxy:
        assert (proxy.state.postgres, proxy.state.redis) == ("", "")
