"""A forge for tests: a repository over HTTP, and what is told of it."""

import asyncio
import hmac
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.integration.api.stage import WITHIN, Said, Stage

HOOK = "POST /v1/projects/shop/webhook"


@dataclass
class Forge:
    """A bare repository that is served over HTTP while *held* is set; *account* is who may read it, None for everybody."""

    folder: Path
    url: str = ""
    account: tuple[str, str] | None = None
    asked: list[str] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)

    def git(self, *arguments: str, given: str = "") -> str:
        """Run git there."""
        names = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", f"--git-dir={self.folder}", *arguments],
            input=given,
            env={**os.environ, **names},
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, file: str, branch: str = "main", message: str = "x") -> str:
        """Let a branch have a commit with this hostess.yml; return it."""
        blob = self.git("hash-object", "-w", "--stdin", given=file)
        tree = self.git("mktree", given=f"100644 blob {blob}\thostess.yml\n")
        commit = self.git("commit-tree", "-m", message, tree)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        self.git("update-server-info")
        return commit


@asynccontextmanager
async def a_forge(folder: Path) -> AsyncIterator[Forge]:
    """Serve a repository as files, as git's "dumb" protocol reads it."""
    forge = Forge(folder / "shop.git")
    forge.held.set()
    forge.git("init", "--quiet", "--bare")

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        forge.asked.append(request.path)
        await forge.held.wait()
        if forge.account and request.headers.get("Authorization") != aiohttp.encode_basic_auth(*forge.account):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="forge"'})
        return await handler(request)

    app = web.Application(middlewares=[ask])
    app.router.add_static("/me/shop.git", forge.folder)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    forge.url = f"http://127.0.0.1:{runner.addresses[0][1]}/me/shop.git"
    try:
        yield forge
    finally:
        await runner.cleanup()


async def set_up(stage: Stage, forge: Forge, **more: str) -> str:
    """Make the project with its secret and the webhook; return what the forge signs with."""
    await stage.project()
    await stage.secret("a-greeting")
    said = await stage.ask("PUT /v1/projects/shop/webhook", {"url": forge.url, **more})
    assert said.status == 200, said.text
    return str(said.json["secret"])


async def heard(stage: Stage, secret: str, branch: str = "main", event: str = "push") -> Said:
    """Tell the daemon of a push, as GitHub does."""
    body = json.dumps({"ref": f"refs/heads/{branch}", "pusher": {"name": "octocat"}}).encode()
    headers = {
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}",
        "Content-Type": "application/json",
    }
    return await stage.ask(HOOK, token="", data=body, headers=headers)


async def told(stage: Stage, kind: str, count: int = 1) -> str:
    """Wait until there are so many events of a kind; return the last one's message."""
    async with asyncio.timeout(WITHIN):
        while len(found := (await stage.get(f"/v1/events?after=0&kind={kind}"))["items"]) < count:
            await asyncio.sleep(0.05)
    return str(found[-1]["message"])


async def asked_for(forge: Forge) -> None:
    """Wait until the forge was asked for something."""
    async with asyncio.timeout(WITHIN):
        while not forge.asked:
            await asyncio.sleep(0.02)
