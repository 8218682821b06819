"""A daemon's git intake on real sockets, and a real git client in front of it."""

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from hostess.adapters.git.repositories import DulwichRepositories
from hostess.domain.problem import Problem
from hostess.domain.releases.push import Push, RefUpdate, Say, Verdict
from hostess.domain.settings import ApiSettings
from hostess.doors.git_http import GitHttp
from hostess.doors.git_limits import GitLimits
from hostess.doors.hook_socket import HookSocket

HOOK = Path(sys.executable).with_name("hostess-proc-receive")
TOKEN = "a-token"
OTHER = "another-token"
PEOPLE = {TOKEN: "ada", OTHER: "bob"}
GIT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True, slots=True)
class Done:
    """A git command that has ended; *said* is what it wrote to standard error, then to standard output."""

    code: int
    said: str


class Clone:
    """A working copy somewhere on a user's machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a git command; it and its helpers are one process group."""
        return await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=self.folder,
            env=GIT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def git(self, *arguments: str) -> Done:
        """Run a git command to its end."""
        child = await self.start(*arguments)
        output, errors = await child.communicate()
        assert child.returncode is not None
        return Done(child.returncode, (errors + output).decode(errors="replace"))

    async def good(self, *arguments: str) -> str:
        """Run a git command that must succeed; return what it said."""
        done = await self.git(*arguments)
        assert done.code == 0, done.said
        return done.said

    async def commit(self, name: str = "file", content: bytes | None = None) -> str:
        """Commit a file; return the commit's id."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(secrets.token_hex(8).encode() if content is None else content)
        await self.good("add", "-A")
        await self.good("commit", "-qm", f"change {name}")
        return (await self.good("rev-parse", "HEAD")).strip()


Decide = Callable[[Push, Say], Awaitable[Sequence[Verdict]]]


@dataclass
class World:
    """The daemon's side. *decide* is what a test puts in the place of the deployer; by default every ref is moved."""

    repositories: DulwichRepositories
    hooks: HookSocket
    url: str
    folder: Path
    decide: Decide
    pushes: list[Push] = field(default_factory=list)

    def remote(self, project: str = "shop", token: str = TOKEN) -> str:
        """Return the address of a project."""
        return f"{self.url.replace('://', f'://git:{token}@')}/git/{project}.git"

    async def move(self, push: Push, update: RefUpdate) -> Verdict:
        """Move one ref as the deployer does."""
        moved = await self.repositories.move_ref(push.project, update.ref, update.old, update.new)
        return Verdict(update.ref, moved, "" if moved else "fetch first")

    async def clone(self, name: str = "work") -> Clone:
        """Make a working copy with one commit on main, whose remote is the project "shop"."""
        clone = Clone(self.folder / name)
        clone.folder.mkdir()
        await clone.good("init", "-q", "-b", "main")
        await clone.good("remote", "add", "hostess", self.remote())
        await clone.commit()
        return clone


async def childless() -> bool:
    """Return whether all children end within some seconds; they are only looked at, since waiting for one is the daemon's business."""
    for _ in range(500):
        if not psutil.Process().children():
            return True
        await asyncio.sleep(0.01)
    return False


@contextlib.asynccontextmanager
async def serving(folder: Path, limits: GitLimits | None = None, **settings: int) -> AsyncIterator[World]:
    """Run the git intake with its data in *folder*."""
    (folder / "run").mkdir()
    repositories = DulwichRepositories(folder / "repos", HOOK, **settings)

    async def handle(push: Push, say: Say) -> Sequence[Verdict]:
        here.pushes.append(push)
        return await here.decide(push, say)

    async def accept(push: Push, say: Say) -> Sequence[Verdict]:
        say("accepted")
        return [await here.move(push, update) for update in push.updates]

    async def authorize(token: str, project: str, action: str) -> str | None:
        if project == "secret":
            raise Problem("not-allowed", f"ada may not {action} {project}")
        return PEOPLE.get(token)

    async def ensure(project: str, actor: str) -> None:
        assert actor in PEOPLE.values()
        await repositories.create(project)

    hooks = HookSocket(folder / "run" / "hook.sock", handle, lambda bits: secrets.token_hex(bits // 8))
    await hooks.start()
    app = web.Application()
    limits = limits or GitLimits(ApiSettings())
    app.add_routes(GitHttp(repositories.path, hooks, authorize, ensure, limits, idle=20).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    here = World(repositories, hooks, f"http://{host}:{port}", folder, accept)
    try:
        yield here
    finally:
        await hooks.stop()
        await runner.cleanup()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Give a daemon with default settings."""
    async with serving(tmp_path) as world:
        yield world
