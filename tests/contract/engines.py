"""A bench for an engine, the fake one or Docker, and what its tests ask it with."""

import asyncio
import io
import os
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.engine.docker import DockerEngine
from hostess.domain.ports import BuildOrder, Container, ContainerSpec, Engine
from hostess.domain.problem import Problem
from tests.fakes.engine import FakeEngine, loopback
from tests.side_by_side import own_number

ECHO = "hostess-test/echo:1"
ECHO_SH = "hostess-test/echo:1-sh"
LABELS = {"hostess.test": "engine", "hostess.run": str(os.getpid())}
GRACE = timedelta(seconds=5)
SUBNET = f"10.99.{own_number()}.0/24"


@dataclass
class Bench:
    """An engine, and what the tests need to make things on it."""

    engine: Engine
    seen_at: Callable[[str], str]
    said: list[str] = field(default_factory=list)

    def spec(self, name: str, **changes: object) -> ContainerSpec:
        """Return a spec of the test server."""
        plain = ContainerSpec(f"ht-{os.getpid()}-{name}", ECHO, LABELS, network="bridge")
        return replace(plain, **changes)  # type: ignore[arg-type]  # names are the fields'

    async def running(self, name: str, **changes: object) -> str:
        """Create and start a container."""
        container = await self.engine.create(self.spec(name, **changes))
        await self.engine.start(container)
        return container

    async def until(self, container: str, holds: Callable[[Container], bool]) -> Container:
        """Return the container once that holds of it."""
        async with asyncio.timeout(25):
            async for _ in ticks():
                found = await self.engine.container(container)
                if found and holds(found):
                    return found
        raise AssertionError

    async def finished(self, name: str, **changes: object) -> tuple[int, list[str]]:
        """Run a container to its end; return exit code and log."""
        container = await self.running(name, **changes)
        code = await self.engine.wait(container)
        return code, [line.text for line in await self.engine.logs(container, 100)]

    async def build(self, files: Mapping[str, str], **changes: object) -> str:
        """Build an image from these files."""
        order = BuildOrder(
            tag=f"hostess-engine-test/{os.getpid()}:built",
            context=lambda: packed(files),
            dockerfile="Dockerfile",
            args={},
            labels=LABELS,
            cpus=2.0,
            memory=2 * 1024**3,
            timeout=timedelta(minutes=4),
        )
        return await self.engine.build(replace(order, **changes), self.said.append)  # type: ignore[arg-type]  # as above


@asynccontextmanager
async def a_bench(engine: FakeEngine | DockerEngine) -> AsyncIterator[Bench]:
    """Give a bench for this engine; what was made on it is removed afterwards."""
    yield Bench(engine, loopback if isinstance(engine, FakeEngine) else str)
    for container in await engine.containers(LABELS):
        await engine.remove(container.id)
    for volume in await engine.volumes(LABELS):
        await engine.remove_volume(volume)
    for image in await engine.images(LABELS):
        for name in image.tags or (image.id,):
            await engine.remove_image(name)
    for name in await engine.networks(LABELS):
        await engine.remove_network(name)
    await engine.close()


@contextmanager
def refusal(code: str) -> Iterator[pytest.ExceptionInfo[Problem]]:
    """Expect a Problem with this code."""
    with pytest.raises(Problem) as raised:
        yield raised
    assert raised.value.code == code


async def ticks() -> AsyncIterator[None]:
    """Yield now and again; for what no event tells of."""
    while True:
        yield
        await asyncio.sleep(0.05)


def network() -> str:
    """Return the name of the network of this run."""
    return f"ht-{os.getpid()}"


def packed(files: Mapping[str, str]) -> Iterator[bytes]:
    """Yield a tar of these files, in two pieces."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    yield raw.getvalue()[:100]
    yield raw.getvalue()[100:]


async def get(address: str, path: str, port: int = 8000) -> bytes:
    """Return the answer of a server that may still be starting."""
    async with asyncio.timeout(25):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                return await reader.readexactly(int(length.split(b":")[1]))
            finally:
                writer.close()


def processes(words: str) -> list[int]:
    """Return the processes of this host whose command line holds these words."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if int(process.name) != os.getpid() and words.encode() in (process / "cmdline").read_bytes().replace(
                b"\0", b" "
            ):
                found.append(int(process.name))
    return found


async def until_there(words: str, *, there: bool) -> None:
    """Wait until there is, or is no longer, such a process."""
    async with asyncio.timeout(25):
        async for _ in ticks():
            if bool(processes(words)) is there:
                return
