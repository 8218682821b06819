"""A proxy as its processes: started, told, killed by tests."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from hostess_proxy.client import ProxyClient, Running, running
from tests.integration.proxy.stage import Backend, Reader, Response, Writer, ok, read_response

GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"
START_SECONDS = 25
PROGRAM = (sys.executable, "-m", "hostess_proxy")
UNSET = "unset"


class Proxy:
    """A proxy that runs as `python -m hostess_proxy`."""

    def __init__(self, process: asyncio.subprocess.Process, data_dir: Path) -> None:
        self.process = process
        self.data_dir = data_dir
        self.client = ProxyClient(data_dir / "run" / "proxy.sock")
        self.writers: list[Writer] = []

    @property
    def state(self) -> Running:
        """What proxy.json says."""
        state = running(self.data_dir)
        assert state is not None
        return state

    async def connect(self) -> tuple[Reader, Writer]:
        """Connect as a client."""
        host, _, port = self.state.http.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self.writers.append(writer)
        return reader, writer

    async def get(self, request: bytes = GET) -> Response:
        """Ask once on a connection of its own."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            return await read_response(reader)
        finally:
            writer.close()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        async with asyncio.timeout(START_SECONDS):
            return await self.process.wait()


async def start(
    data_dir: Path, *arguments: str, by: Sequence[str] = PROGRAM, **environ: str
) -> asyncio.subprocess.Process:
    """Start the program, *by* another command line where one is given. A setting that is UNSET is not set."""
    settings = {"HTTP": "127.0.0.1:0", "HTTPS": "", "WORKERS": "2", **environ}
    return await asyncio.create_subprocess_exec(
        *by, "--data-dir", str(data_dir), *arguments,
        env={**os.environ, **{f"HOSTESS_PROXY__{name}": value for name, value in settings.items() if value != UNSET}},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def a_proxy(data_dir: Path, *arguments: str, by: Sequence[str] = PROGRAM, **environ: str) -> AsyncIterator[Proxy]:
    """Give a proxy that accepts connections; it is gone afterwards, with its workers."""
    process = await start(data_dir, *arguments, by=by, **environ)
    assert process.stdout is not None
    proxy = Proxy(process, data_dir)
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        assert line.startswith(b"hostess proxy: serving http on "), (
            line,
            await process.stderr.read() if process.stderr else b"",
        )
        yield proxy
    finally:
        for writer in proxy.writers:  # those too that a test which fails has left open
            writer.transport.abort()
        children = psutil.Process(process.pid).children() if process.returncode is None else []
        if process.returncode is None:
            process.kill()
        for child in children:
            child.kill()
        await process.communicate()


@asynccontextmanager
async def a_backend(name: str = "A", talk: Any = ok) -> AsyncIterator[Backend]:
    """Give a backend."""
    backend = Backend(name, talk)
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    try:
        yield backend
    finally:
        server.close()
        for writer in backend.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def table(*backends: Backend, **options: Any) -> dict[str, Any]:
    """Make a table with one route for all hosts."""
    targets = [backend.address for backend in backends]
    return {"routes": [{"host": "*", "service": "web", "release": "1", "targets": targets, **options}]}


async def until(condition: Any) -> None:
    """Return when a condition holds."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            value = condition()
            if await value if asyncio.iscoroutine(value) else value:
                return
            await asyncio.sleep(0.02)


async def replaced(proxy: Proxy, pid: int) -> bool:
    """Whether two workers serve, and this one is not among them."""
    pids = await proxy.client.workers()
    return len(pids) == 2 and pid not in pids
