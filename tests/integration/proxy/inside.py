"""What tests of callers inside stacks stand on: networks that a real firewall leads to the proxy, and services there."""

import asyncio
import contextlib
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

from tests.integration.proxy.stage import (
    SOON,
    Backend,
    Conversation,
    Reader,
    Response,
    Stage,
    Writer,
    ok,
    read_response,
)

NETWORK = "198.19.77.0/24"
OTHER_NETWORK = "198.19.78.0/24"
API, NOBODY, ELSEWHERE = "198.19.77.201", "198.19.77.203", "198.19.78.201"
FIRST, SECOND = "127.0.77.1", "127.0.77.2"
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"


class Led:
    """A stage with the way in for callers inside. The firewall leads both networks to its *port*."""

    def __init__(self, stage: Stage, port: int) -> None:
        self.stage = stage
        self.port = port
        self._servers: list[asyncio.Server] = []
        self._writers: list[Writer] = []

    def publish(self, *replicas: str, **more: Any) -> None:
        """Make one service at API the whole table."""
        one = {"network": NETWORK, "address": API, "service": "api", "release": "1", "replicas": list(replicas)}
        self.stage.publish({"inside": [{**one, **more}]})

    async def replica(self, address: str, talk: Conversation = ok, port: int = 0) -> Backend:
        """Start a replica that speaks HTTP, at an address of its own and named by it."""
        backend = Backend(address, talk)
        backend.port = await self.serve(address, backend.serve, port)
        return backend

    async def serve(self, address: str, talk: Callable[[Reader, Writer], Awaitable[None]], port: int = 0) -> int:
        """Start a replica that speaks what *talk* speaks; return its port."""
        self._servers.append(await asyncio.start_server(talk, address, port))
        return int(self._servers[-1].sockets[0].getsockname()[1])

    async def call(self, address: str, port: int, caller: str | None = None) -> tuple[Reader, Writer]:
        """Connect as a caller of the called network, or from the address *caller*."""
        own = (caller, 0) if caller else None
        reader, writer = await asyncio.open_connection(address, port, local_addr=own)
        self._writers.append(writer)
        return reader, writer

    async def get(self, address: str, port: int, *lines: str) -> Response:
        """GET / on a connection of its own."""
        reader, writer = await self.call(address, port)
        fields = "".join(f"{line}\r\n" for line in lines or ("Host: api",))
        writer.write(f"GET / HTTP/1.1\r\n{fields}\r\n".encode())
        return await read_response(reader)

    async def refuses(self, address: str, port: int, caller: str | None = None) -> bool:
        """Whether a connection ends without a word."""
        with contextlib.suppress(ConnectionError):
            reader, writer = await self.call(address, port, caller)
            writer.write(GET)
            async with asyncio.timeout(SOON):
                return await reader.read() == b""
        return True

    async def close(self) -> None:
        """Hang up, and stop the replicas."""
        for writer in self._writers:
            writer.transport.abort()
        for server in self._servers:
            server.close()
        await asyncio.sleep(0)


def firewall(action: str, port: int) -> None:
    """Add ("-A") or take away ("-D") what leads both networks to *port*; callers have the called address as their own."""
    for network in (NETWORK, OTHER_NETWORK):
        to = ["-d", network, "-p", "tcp", "-j", "DNAT", "--to-destination", f"127.0.0.1:{port}"]
        subprocess.run(["iptables", "-t", "nat", action, "OUTPUT", *to], check=True)
        route = "replace" if action == "-A" else "del"
        subprocess.run(["ip", "route", route, "local", network, "dev", "lo"], check=True)
