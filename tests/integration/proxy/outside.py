"""A proxy that leads to databases from outside, who connects to it, and servers that say back what they hear."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import Proxy, a_proxy
from tests.integration.proxy.stage import Reader, Writer

SOON = 30
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
