"""Servers of protocols on ports of the system's choice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def loop_server(protocol: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[int]:
    """Serve a protocol; yield the port."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
