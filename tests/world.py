"""The daemon's services in one process: a fake engine and a fake proxy, real git, SQLite and sockets. Verbs: push, get."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from hostess.adapters.cgroup_files import CgroupFiles
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.prober_sockets import SocketProber
from hostess.adapters.vault_files import FileVault
from hostess.composition import Outside, World, compose
from hostess.domain.host_figures import HostFigures, Strain
from hostess.domain.ports import FileSystem
from hostess.domain.releases.push import ZERO, Push, RefUpdate, Verdict
from hostess.domain.releases.release import Release
from hostess.domain.settings import ApiSettings, BackupsSettings, EngineSettings, ProxySettings, Settings
from hostess.main import make_folders
from tests.fakes.building import Recipe
from tests.fakes.engine import FakeEngine
from tests.fakes.firewall import FakeFirewall
from tests.fakes.programs import echo
from tests.fakes.records import FakeChallengeProbe, FakeNameServers
from tests.fakes.router import FakeRouter
from tests.new_journal import opened_journal

GIT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
}
WEB = """version: "1.0"
services:
  web:
    type: custom
    image: {image}
    ports: [8000]
    visibility: public
    health: {{http: /health, interval: 1s, retries: 3}}
    env: {{MARK: "{mark}"}}
"""


@dataclass
class FixedMeter:
    """A host whose size a test chooses; bytes."""

    disk: int = 50 * 1024**3
    total: int = 8 * 1024**3
    available: int = 6 * 1024**3
    busy: float = 0.0
    seconds: float = 0.0
    strain: Mapping[str, Strain] = field(default_factory=dict)

    def free_disk(self, path: str) -> int:
        """Return the same for every *path*."""
        return self.disk if path else 0

    def file_system(self, path: str) -> FileSystem:
        """Return the same for every *path*."""
        return FileSystem(1, 50 * 1024**3, self.free_disk(path))

    def memory(self) -> tuple[int, int]:
        """Return total and available memory."""
        return self.total, self.available

    def cpus(self) -> int:
        """Return 2."""
        return 2

    def figures(self) -> HostFigures:
        """Return a host whose cores were *busy* (0 to 1) for that part of the second that has passed since it was last asked."""
        self.seconds += 1
        return HostFigures(
            *(self.busy * self.seconds, self.seconds, 0.0, self.total, self.available, 0, 0, 1, 1000, 1, 1000),
            strain=self.strain,
        )

    def subnets(self) -> list[str]:
        """Return none."""
        return []


@dataclass
class Bench:
    """One installation on the test bench."""

    world: World
    journal: SqliteJournal
    engine: FakeEngine
    router: FakeRouter
    firewall: FakeFirewall
    meter: FixedMeter
    name_servers: FakeNameServers
    folder: Path
    retiring: asyncio.Task[None]
    another: Callable[[], Awaitable[World]]
    said: list[str] = field(default_factory=list)

    async def restart(self) -> None:
        """Let the daemon die, and put another in its place: journal, engine and proxy are as they were."""
        await self.stop()
        self.world = await self.another()
        self.retiring = asyncio.create_task(self.world.retirement.run())
        await self.world.loops.recover()
        await self.world.reconciler.at_boot(asyncio.Event())
        await self.world.jobs.recover()

    async def stop(self) -> None:
        """End the daemon's own tasks, and leave to themselves the containers that it waited for."""
        await self.world.reconciler.stop()
        await self.world.deployments.stop()
        await self.world.rotations.stop()
        await self.world.jobs.stop()
        self.retiring.cancel()
        await asyncio.gather(self.retiring, return_exceptions=True)
        self.world.transcripts.close_all()
        self.world.job_transcripts.close_all()

    async def push(
        self,
        project: str,
        files: Mapping[str, str],
        *options: str,
        branch: str = "main",
    ) -> Verdict:
        """Commit these files on top of what is there and hand the push in, as the hook does; what was said is in `said`."""
        commit = await self.commit(project, files)
        ref = f"refs/heads/{branch}"
        old = await self.world.repositories.ref(project, ref) or ZERO
        push = Push(commit[:16], project, "tester", (RefUpdate(ref, old, commit),), options)
        self.said.clear()
        [verdict] = await self.world.pushes.handle(push, self.said.append)
        return verdict

    async def commit(self, project: str, files: Mapping[str, str]) -> str:
        """Make a commit and put its objects into the repository without moving a branch; return its id."""
        work = self.folder / "work" / project
        if not work.exists():
            work.mkdir(parents=True)
            await git(work, "init", "--quiet", "--initial-branch=main")
            await self.journal.create_project(project, SystemClock().now())
            await self.world.repositories.create(project)
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        await git(work, "add", "--all")
        await git(work, "commit", "--quiet", "--allow-empty", "--message", "change")
        commit = (await git(work, "rev-parse", "HEAD")).strip()
        await git(work, "push", "--quiet", str(self.world.repositories.path(project)), f"HEAD:refs/test/{commit}")
        return commit

    async def undone(self, project: str) -> None:
        """Forget the newest commit of the working copy."""
        await git(self.folder / "work" / project, "reset", "--quiet", "--hard", "HEAD~")

    async def live(self, project: str, environment: str = "production") -> Release | None:
        """Return what is live."""
        return await self.journal.live(project, environment)

    async def get(self, host: str) -> str:
        """Return "status version" of what answers at *host*, by the newest table, "404" without a route."""
        targets = self.router.routes.get(host)
        if not targets:
            return "404"
        address, _, port = targets[0].rpartition(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        writer.close()
        version = next((f.split(": ", 1)[1] for f in fields if f.lower().startswith("x-version")), "")
        return f"{head.split(' ')[1]} {version}"

    async def backdate(self, release: Release) -> None:
        """Make a live release three days older, as after a long absence."""
        await self.journal.amend(replace(release, created_at=release.created_at - timedelta(days=3)))

    async def until_containers(self, count: int, project: str = "shop") -> None:
        """Wait until the project's production has so many containers (a retirement or a start takes a moment)."""
        async with asyncio.timeout(30):
            while len(await self.world.replicas.of_place(project, "production")) != count:
                await asyncio.sleep(0.01)

    def text(self) -> str:
        """Return all that the last push said."""
        return "\n".join(self.said)


def web(image: str = "hostess-test/echo:1", mark: str = "a", more: str = "") -> dict[str, str]:
    """Return a stack of one routed service of a ready-made image."""
    return {"hostess.yml": WEB.format(image=image, mark=mark) + more}


async def git(folder: Path, *arguments: str) -> str:
    """Run git in *folder*."""
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, cwd=folder, env=GIT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@asynccontextmanager
async def a_bench(
    folder: Path, api: ApiSettings | None = None, proxy: ProxySettings | None = None
) -> AsyncIterator[Bench]:
    """Give an installation whose retirement runs; the fake containers listen on loopback addresses."""
    data = folder / "data"
    make_folders(data)
    settings = Settings(
        data_dir=data,
        public_address=("203.0.113.7",),
        api=api or ApiSettings(),
        proxy=proxy or ProxySettings(),
        backups=BackupsSettings(dir=data / "backups"),
    )
    subnets = EngineSettings.model_validate({"subnets": ["127.213.0.0/16"]})
    settings = settings.model_copy(update={"engine": subnets})
    journal = await opened_journal(data / "hostess.db")
    engine, router, firewall, meter, servers = (
        FakeEngine(),
        FakeRouter(),
        FakeFirewall(),
        FixedMeter(),
        FakeNameServers(),
    )
    engine.add_image("plain:1", Recipe({"/echo": echo}, cmd=("/echo",), env={"PORT": "8000", "VERSION": "1"}))
    outside = Outside(
        engine,
        router,
        SocketProber(),
        servers,
        FakeChallengeProbe(),
        meter,
        firewall,
        SystemClock(),
        router.public_port,
        CgroupFiles(folder / "cgroup"),
    )
    another = partial(compose, settings, journal, FileVault(data / "key"), outside)
    world = await another()
    retiring = asyncio.create_task(world.retirement.run())
    bench = Bench(world, journal, engine, router, firewall, meter, servers, folder, retiring, another)
    try:
        yield bench
    finally:
        await bench.stop()
        await journal.close()
        await engine.close()
