"""Databases from outside: the listener's handshakes, and whom they lead where."""

import asyncio
import ssl
import struct
from pathlib import Path

import pytest

from tests.integration.proxy.outside import (
    CANCEL_REQUEST,
    GSS_REQUEST,
    SOON,
    SSL_REQUEST,
    STARTUP,
    an_echo,
    answer,
    connect,
    databases,
    entry,
    rest,
    secured,
)
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import until
from tests.integration.proxy.stage import Reader, Writer


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
