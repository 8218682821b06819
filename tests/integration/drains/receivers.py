"""Receivers of drains for tests, on real sockets: syslog over TCP, TLS and UDP, and a server that takes JSON lines."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Syslog:
    """What a receiver got: messages, whole; *connections* so far. While *deaf* it reads nothing."""

    port: int = 0
    messages: list[str] = field(default_factory=list)
    connections: int = 0
    deaf: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def texts(self) -> list[str]:
        """Return what was said, without heads."""
        return [message.split("] ", 1)[1] for message in self.messages]

    async def got(self, count: int) -> list[str]:
        """Wait for so many messages; return their texts."""
        async with asyncio.timeout(30):
            while len(self.messages) < count:
                await asyncio.sleep(0.02)
        return self.texts()

    def hang_up(self) -> None:
        """Cut all connections."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


@asynccontextmanager
async def syslog(context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Syslog]:
    """Receive messages by octet counting (RFC 6587)."""
    here = Syslog()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        here.writers.append(writer)
        try:
            while True:
                while here.deaf:
                    await asyncio.sleep(0.02)
                length = await reader.readuntil(b" ")
                here.messages.append((await reader.readexactly(int(length))).decode())
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context, limit=2**16)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        here.deaf = False
        here.hang_up()
        server.close()


@asynccontextmanager
async def datagrams() -> AsyncIterator[Syslog]:
    """Receive a message in each datagram."""
    here = Syslog()

    class Protocol(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _: object) -> None:
            here.messages.append(data.decode())

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    here.port = transport.get_extra_info("sockname")[1]
    yield here
    transport.close()


@dataclass
class Taker:
    """A server of JSON lines: what it took, the heads of requests, and what it answers."""

    url: str = ""
    status: int = 200
    lines: list[dict[str, Any]] = field(default_factory=list)
    batches: list[dict[str, str]] = field(default_factory=list)

    async def got(self, count: int) -> list[str]:
        """Wait for so many lines; return what they say."""
        async with asyncio.timeout(30):
            while len(self.lines) < count:
                await asyncio.sleep(0.02)
        return [line["message"] for line in self.lines]


@asynccontextmanager
async def taker() -> AsyncIterator[Taker]:
    """Take lines at /in."""
    here = Taker()

    async def take(request: web.Request) -> web.Response:
        body = await request.text()
        here.batches.append({**request.headers, "status": str(here.status), "query": request.query_string})
        if here.status == 200:
            here.lines += [json.loads(line) for line in body.splitlines()]
        return web.Response(status=here.status)

    app = web.Application()
    app.router.add_post("/in", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    yield here
    await runner.cleanup()
