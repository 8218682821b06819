"""A whole daemon but for the engine and the proxy: real journal, vault, repositories and services behind the real application."""

import asyncio
import io
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web

from hostess.adapters.cgroup_files import CgroupFiles
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.meter_psutil import HostMeter
from hostess.adapters.prober_sockets import SocketProber
from hostess.adapters.vault_files import FileVault
from hostess.composition import Outside, World, compose
from hostess.domain.releases.push import ZERO, Push, RefUpdate, Say, Verdict
from hostess.domain.releases.release import Deployment, Kind, Release
from hostess.domain.settings import BackupsSettings, EngineSettings, NotifySettings, Settings
from hostess.doors.api.app import ApiServices, make_app, runner_of
from hostess.services.deploying.deployments import Enter, Request
from tests.fakes.building import Recipe
from tests.fakes.engine import FakeEngine
from tests.fakes.firewall import FakeFirewall
from tests.fakes.programs import Box, echo
from tests.fakes.records import FakeChallengeProbe, FakeNameServers
from tests.integration.api.stand_in_router import StandInRouter
from tests.new_journal import opened_journal

Json = Any

FILE = """
version: "1.0"
services:
  web:
    type: custom
    image: leaky:1
    ports: [8000]
    visibility: public
    health: {http: /health}
    env:
      GREETING: "${secret:GREETING}"
      PLAIN: word
  worker:
    type: custom
    image: leaky:1
    ports: [8001]
    env: {PORT: "8001"}
    health: {http: /health}
"""
ADDRESS = "203.0.113.7"
"""Where DNS should point to."""
WITHIN = 25.0


async def leaky(box: Box) -> int:
    """Be the echo server, but tell the whole environment first."""
    for name, value in sorted(box.env.items()):
        box.out(f"{name}={value}")
    return await echo(box)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of the problem that it tells."""
        return str(self.json["code"])


@dataclass
class Stage:
    """One daemon; *token* is an owner's."""

    folder: Path
    engine: FakeEngine
    router: StandInRouter
    journal: SqliteJournal
    world: World
    services: ApiServices
    session: aiohttp.ClientSession
    url: str
    token: str
    tips: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        route: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | io.BytesIO | None = None,
    ) -> Said:
        """Send "METHOD /path" as an owner (or with *token*, "" for none) and return the answer."""
        method, path = route.split(" ", 1)
        shown = self.token if token is None else token
        sent = {**({"Authorization": f"Bearer {shown}"} if shown else {}), **(headers or {})}
        if data is not None:
            request = self.session.request(method, self.url + path, data=data, headers=sent)
        else:
            request = self.session.request(method, self.url + path, json=body, headers=sent)
        async with asyncio.timeout(WITHIN), request as response:
            return Said(response.status, response.headers.copy(), await response.text(errors="replace"))

    async def get(self, path: str) -> Json:
        """Return a GET's JSON answer, which must be 200."""
        said = await self.ask(f"GET {path}")
        assert said.status == 200, said.text
        return said.json

    async def done(self, route: str, body: object = None) -> Json:
        """Begin a deployment by the API and return it as it ended."""
        said = await self.ask(route, body)
        assert said.status == 202, said.text
        await self.world.deployments.ended(said.json["id"])
        return await self.get(f"/v1/deployments/{said.json['id']}")

    async def project(self, name: str = "shop") -> None:
        """Make a project."""
        assert (await self.ask("POST /v1/projects", {"name": name})).status == 201

    async def secret(self, value: str, name: str = "GREETING", project: str = "shop") -> None:
        """Add a secret."""
        said = await self.ask(f"POST /v1/projects/{project}/secrets", {"name": name, "value": value})
        assert said.status == 201, said.text

    async def push(
        self, file: str = FILE, project: str = "shop", branch: str = "main", say: Say | None = None
    ) -> Verdict:
        """Push a tree of one hostess.yml as git would hand it over."""
        ref = f"refs/heads/{branch}"
        before = self.tips.get(f"{project}/{branch}", ZERO)
        commit = await self._commit(project, file, before)
        push = Push(secrets.token_hex(8), project, "pusher", (RefUpdate(ref, before, commit),))
        async with asyncio.timeout(WITHIN):
            (verdict,) = await self.world.pushes.handle(push, say or (lambda _: None))
        if verdict.accepted:
            self.tips[f"{project}/{branch}"] = commit
        return verdict

    async def live(self, greeting: str = "a-greeting-of-mine") -> str:
        """Make the project, its secret and a live release; return the deployment's id."""
        await self.project()
        await self.secret(greeting)
        verdict = await self.push()
        assert verdict.accepted, verdict
        (newest,) = await self.journal.deployments(limit=1)
        return newest.id

    async def held(self, hold: asyncio.Event) -> str:
        """Begin a deployment that prepares until *hold* is set; return its id once it runs."""
        begun = asyncio.Event()

        async def prepare(_: Deployment, live: Release | None, say: Say, _enter: Enter) -> Release:
            say("holding")
            begun.set()
            await hold.wait()
            return cast("Release", live)

        request = Request("shop", "production", Kind.RESTART, "a test", prepare)
        deployment = await self.world.deployments.begin(request)
        async with asyncio.timeout(WITHIN):
            await begun.wait()
        return deployment

    async def a_token(self, role: str = "developer", projects: Sequence[str] = ()) -> str:
        """Return a new token."""
        _, text = await self.world.tokens.create(f"a {role}", role, projects)
        return text

    async def events(self, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[dict[str, str]]:
        """Yield server-sent events as dicts of their fields."""
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream", **(headers or {})}
        async with asyncio.timeout(WITHIN), self.session.get(self.url + path, headers=sent) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            event: dict[str, str] = {}
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if not line and event:
                    yield event
                    event = {}
                elif name:
                    event[name] = f"{event[name]}\n{value}" if name in event else value

    async def hostess(
        self, *arguments: str, given: str = "", environ: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "Ran":
        """Run the command line against this daemon, with the owner's token."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOSTESS_")}
        variables = {**clean, "HOME": str(self.folder / "home"), "HOSTESS_URL": self.url, "HOSTESS_TOKEN": self.token}
        return await run(*arguments, given=given, environ={**variables, **(environ or {})}, cwd=cwd or self.folder)

    async def _commit(self, project: str, file: str, parent: str) -> str:
        blob = await self._git(project, "hash-object", "-w", "--stdin", given=file)
        tree = await self._git(project, "mktree", given=f"100644 blob {blob}\thostess.yml\n")
        parents = () if parent == ZERO else ("-p", parent)
        return await self._git(project, "commit-tree", *parents, "-m", secrets.token_hex(4), tree)

    async def _git(self, project: str, *arguments: str, given: str = "") -> str:
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in {"NAME": "a", "EMAIL": "a@example.org"}.items()
        }
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=self.world.repositories.path(project),
            env={**os.environ, **who},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(given.encode())
        assert process.returncode == 0
        return out.decode().strip()


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """What it printed, as JSON."""
        return json.loads(self.out)


async def run(*arguments: str, given: str, environ: Mapping[str, str], cwd: Path) -> Ran:
    """Run `hostess ...` as a user would."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hostess",
        *arguments,
        cwd=cwd,
        env=dict(environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN):
        out, err = await process.communicate(given.encode())
    return Ran(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def opened(
    folder: Path, notify: NotifySettings | None = None, records: Mapping[str, tuple[str, ...]] | None = None
) -> AsyncIterator[Stage]:
    """Open a stage in *folder*: the API on a port of its own and on `run/api.sock`. *records* are what DNS says."""
    settings = Settings(
        data_dir=folder,
        public_address=(ADDRESS,),
        engine=EngineSettings(),
        backups=BackupsSettings(dir=folder / "backups"),
        notify=notify or NotifySettings(),
    )
    settings.backups.dir.mkdir()
    engine, router = FakeEngine(), StandInRouter()
    engine.add_image("leaky:1", Recipe({"/leaky": leaky}, entrypoint=("/leaky",), env={"PORT": "8000"}))
    journal = await opened_journal(folder / "hostess.db")
    outside = Outside(
        engine=engine,
        router=router,
        prober=SocketProber(),
        name_servers=FakeNameServers(records),
        challenge_probe=FakeChallengeProbe(),
        meter=HostMeter(),
        firewall=FakeFirewall(),
        clock=SystemClock(),
        public_port=lambda _: 8080,
        usage=CgroupFiles(folder / "cgroup"),
    )
    world = await compose(settings, journal, FileVault(folder / "key"), outside)
    services = api_services(settings, journal, world, outside)
    retiring = asyncio.create_task(world.retirement.run())
    _, token = await world.tokens.create("the owner", "owner")
    async with served(services, folder) as url, aiohttp.ClientSession() as session:
        yield Stage(folder, engine, router, journal, world, services, session, url, token)
        await world.deployments.stop()
        await world.webhooks.stop()
        await world.orders.stop()
        await world.jobs.stop()
        await world.host.stop()
    retiring.cancel()
    await asyncio.gather(retiring, return_exceptions=True)
    world.transcripts.close_all()
    world.job_transcripts.close_all()
    await engine.close()
    await journal.close()


def api_services(settings: Settings, journal: SqliteJournal, world: World, outside: Outside) -> ApiServices:
    """Return what the API stands on."""
    return ApiServices(
        journal=journal,
        engine=outside.engine,
        repositories=world.repositories,
        transcripts=world.transcripts,
        redactor=world.redactor,
        clock=outside.clock,
        deployments=world.deployments,
        replicas=world.replicas,
        checkups=world.checkups,
        failed=world.failed,
        autoscaler=world.autoscaler,
        loops=world.loops,
        host=world.host_watch,
        usage=world.usage,
        history=world.history,
        closures=world.closures,
        domains=world.domains,
        storage=world.storage,
        connections=world.connections,
        upgrades=world.upgrades,
        rotations=world.rotations,
        alerts=world.alerts,
        canaries=world.canaries,
        routing=world.routing,
        secrets=world.secrets,
        tokens=world.tokens,
        ssh_keys=world.ssh_keys,
        keyed=world.keyed,
        registries=world.registries,
        webhooks=world.webhooks,
        certificates=world.certificates,
        served=world.served,
        orders=world.orders,
        imports=world.imports,
        internal=world.internal,
        collector=world.collector,
        removal=world.removal,
        jobs=world.jobs,
        one_off=world.one_off,
        kept=world.kept,
        environments=world.environments,
        schedules=world.schedules,
        uploads=world.uploads,
        preflights=world.preflights,
        notifier=world.notifier,
        voucher=world.voucher,
        job_transcripts=world.job_transcripts,
        backups=world.backups,
        host_backups=world.host.backups,
        settings=settings,
        public_url=world.public_url,
        opened_url=world.opened_url,
    )


@asynccontextmanager
async def served(services: ApiServices, folder: Path, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve the API on a port of the system's choice and on the unix socket; yield its URL."""
    runner = runner_of(make_app(services), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    (folder / "run").mkdir(parents=True, exist_ok=True)
    await web.UnixSite(runner, str(folder / "run" / "api.sock")).start()
    port = next(address[1] for address in runner.addresses if not isinstance(address, str))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
