"""Forges: what is pushed there is fetched from a real repository over HTTP, and deployed."""

import asyncio
import hmac
import io
import json
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from hostess.domain.releases.push import ZERO
from hostess.domain.releases.release import Deployment, Kind, State
from hostess.services.deploying import webhooks
from tests.integration.api.stage import FILE, WITHIN, Said, Stage

HOOK = "POST /v1/projects/shop/webhook"
PASSWORD = "an-access-token-4711"


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


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    """Serve a repository as files, as git's "dumb" protocol reads it."""
    forge = Forge(tmp_path / "shop.git")
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
    yield forge
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


async def test_what_is_pushed_to_a_forge_is_deployed(stage: Stage, forge: Forge) -> None:
    """The branch is fetched and deployed by who pushed it, and is here then; told again, nothing happens; a rewritten one is taken."""
    secret = await set_up(stage, forge)
    first = forge.commit(FILE)

    said = await heard(stage, secret)
    await told(stage, "deployment.live")
    [deployment] = (await stage.get("/v1/deployments"))["items"]
    async with asyncio.timeout(WITHIN):
        while await stage.world.repositories.ref("shop", "refs/heads/main") != first:
            await asyncio.sleep(0.05)
    await heard(stage, secret)
    await told(stage, "webhook.nothing-new")
    second = forge.commit(FILE.replace("PLAIN: word", "PLAIN: other"), message="written anew")
    await heard(stage, secret)
    await told(stage, "deployment.live", 2)

    assert (said.status, said.json) == (202, {"branch": "main"})
    assert (deployment["commit"], deployment["actor"]) == (first, "octocat (webhook)")
    assert [each["commit"] for each in (await stage.get("/v1/deployments"))["items"]] == [second, first]
    assert [each.id for each in await stage.journal.deployments()] != []


async def test_nobody_else_begins_anything(stage: Stage, forge: Forge) -> None:
    """Without the secret, for another project, or with a secret of before, the answer is the same, and nothing is fetched."""
    old = await set_up(stage, forge)
    forge.commit(FILE)
    secret = (await stage.ask("PUT /v1/projects/shop/webhook", {"url": forge.url})).json["secret"]
    typed = {"Content-Type": "application/json", "X-GitHub-Event": "push"}

    refused = [
        await heard(stage, "guessed"),
        await heard(stage, old),
        await heard(stage, "0" * 43),
        await stage.ask(HOOK, token="", data=b"{}", headers=typed),
        await stage.ask(HOOK.replace("shop", "other"), token="", data=b"{}", headers=typed),
        await stage.ask(HOOK, data=b"{}", headers=typed),
    ]
    ping = await heard(stage, secret, event="ping")

    assert {(each.status, each.code, each.json["detail"]) for each in refused} == {
        (401, "unauthenticated", "there is no such webhook, or its secret is another one")
    }
    assert (ping.status, ping.json) == (202, {"branch": ""})
    assert forge.asked == []


async def test_a_private_repository(stage: Stage, forge: Forge) -> None:
    """Without its password the fetch says why; with it the branch is deployed, and the password is nowhere in clear."""
    forge.account = ("me", PASSWORD)
    forge.commit(FILE)
    await heard(stage, await set_up(stage, forge))
    refused = await told(stage, "webhook.refused")
    said = await stage.hostess("webhook", "set", forge.url, "-u", "me", "-p", "shop", "-o", "json", given=PASSWORD)

    await heard(stage, said.json["secret"])
    await told(stage, "deployment.live")

    assert f"could not be fetched from {forge.url}" in refused
    assert said.json["user"] == "me"
    files = b"".join(path.read_bytes() for path in stage.folder.rglob("*") if path.is_file())
    assert forge.url.encode() in files
    assert PASSWORD.encode() not in files
    assert said.json["secret"].encode() not in files


async def test_what_cannot_be_deployed_is_told(stage: Stage, forge: Forge) -> None:
    """A file with mistakes is refused as a push is, with what is wrong; the branch stays where it was, and can be told again."""
    secret = await set_up(stage, forge)
    forge.commit(FILE.replace("type: custom", "type: nonsense"))

    await heard(stage, secret)
    refused = await told(stage, "webhook.refused")

    assert "services.web.type" in refused
    assert await stage.world.repositories.ref("shop", "refs/heads/main") is None


async def test_a_branch_that_is_deleted_there_is_deleted_here(stage: Stage, forge: Forge) -> None:
    """A branch that no environment deploys is kept as it is there, and goes when it goes; another one may have a name below it then."""
    secret = await set_up(stage, forge)
    forge.commit(FILE)
    commit = forge.commit(FILE, branch="topic")
    await heard(stage, secret, "topic")
    await told(stage, "webhook.fetched")
    async with asyncio.timeout(WITHIN):
        while await stage.world.repositories.ref("shop", "refs/heads/topic") != commit:
            await asyncio.sleep(0.05)

    forge.git("update-ref", "-d", "refs/heads/topic")
    forge.git("update-server-info")
    await heard(stage, secret, "topic")
    async with asyncio.timeout(WITHIN):
        while await stage.world.repositories.ref("shop", "refs/heads/topic") is not None:
            await asyncio.sleep(0.05)
    below = forge.commit(FILE, branch="topic/more")
    await heard(stage, secret, "topic/more")
    async with asyncio.timeout(WITHIN):
        while await stage.world.repositories.ref("shop", "refs/heads/topic/more") != below:
            await asyncio.sleep(0.05)


async def test_set_shown_and_removed(stage: Stage, forge: Forge) -> None:
    """The command tells the forge's address and the secret, once; owners alone may set it; the audit says who did."""
    await stage.project()
    developer = await stage.a_token("developer")

    made = await stage.hostess("webhook", "set", forge.url, "-p", "shop")
    shown = await stage.hostess("webhook", "show", "-p", "shop")
    theirs = await stage.ask("PUT /v1/projects/shop/webhook", {"url": forge.url}, token=developer)
    removed = await stage.hostess("webhook", "remove", "-p", "shop")
    again = await stage.hostess("webhook", "show", "-p", "shop")

    lines = dict(line.split(":", 1) for line in made.out.splitlines())
    secret = lines["secret"].strip()
    assert made.code == 0, made.err
    assert lines["address"].strip() == f"{stage.url}/v1/projects/shop/webhook"
    assert len(secret) >= 43
    assert (shown.code, forge.url in shown.out, secret in shown.out) == (0, True, False)
    assert theirs.status == 403
    assert (removed.code, again.code) == (0, 3)
    kinds = [event.kind for event in await stage.journal.events()]
    assert [kind for kind in kinds if "webhook" in kind] == ["audit.webhook.set", "audit.webhook.removed"]
    texts = json.dumps((await stage.get("/v1/events?after=0"))["items"])
    assert secret not in texts


async def test_an_event_that_is_too_large(stage: Stage) -> None:
    """What nobody has signed yet is not read without end."""
    said = await stage.ask(
        HOOK, token="", data=io.BytesIO(b" " * (4 * 1024 * 1024 + 1)), headers={"Content-Type": "application/json"}
    )

    assert (said.status, said.code) == (413, "body-too-large")


async def test_many_events_that_are_large(stage: Stage) -> None:
    """What nobody has signed yet is bounded in all, too: with too much of it under way there is no room for more, for a while."""
    enough = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b" " * (4 * 1024 * 1024)
        await enough.wait()

    async def sent() -> int:
        """Send one until it has a place, or the others may end."""
        headers = {"Content-Type": "application/json"}
        while True:
            async with stage.session.post(
                f"{stage.url}/v1/projects/shop/webhook", data=slow(), headers=headers
            ) as answer:
                if answer.status == 401 or enough.is_set():
                    return answer.status
            await asyncio.sleep(0.05)

    async def small() -> Said:
        return await stage.ask(HOOK, token="", data=b"{}", headers={"Content-Type": "application/json"})

    flood = [asyncio.create_task(sent()) for _ in range(17)]
    async with asyncio.timeout(WITHIN):
        while (said := await small()).status == 401:
            await asyncio.sleep(0.05)
    enough.set()
    statuses = await asyncio.gather(*flood)
    after = await small()

    assert (said.status, said.code) == (429, "too-many-requests")
    assert int(said.headers["Retry-After"]) > 0
    assert statuses.count(401) >= 16
    assert after.status == 401


async def written_down(stage: Stage, branch: str = "main", at: datetime | None = None) -> int:
    """Leave an event that a daemon which is gone had answered, and not carried out."""
    heard_at = at or datetime.now(UTC)
    note = {"project": "shop", "branch": branch, "who": "octocat", "at": heard_at.isoformat()}
    return await stage.journal.add_task(webhooks.KIND, note, heard_at)


async def forgotten(stage: Stage) -> None:
    """Wait until no event is written down any more."""
    async with asyncio.timeout(WITHIN):
        while [task for task in await stage.journal.tasks() if task.kind == webhooks.KIND]:
            await asyncio.sleep(0.02)


async def test_events_are_gone_on_with_once(stage: Stage, forge: Forge) -> None:
    """Of several events of a branch that a dead daemon left one deployment comes, and none when it comes back again."""
    await set_up(stage, forge)
    commit = forge.commit(FILE)
    for _ in range(2):
        await written_down(stage)

    await stage.world.webhooks.recover()
    await told(stage, "deployment.live")
    await forgotten(stage)
    await stage.world.webhooks.recover()
    await forgotten(stage)

    [deployment] = await stage.journal.deployments("shop")
    assert (deployment.commit, deployment.actor) == (commit, "octocat (webhook)")


@pytest.mark.parametrize(
    ("phase", "code", "count"),
    [("", "interrupted", 2), ("", "cancelled", 2), ("build", "interrupted", 1), ("", "locked", 1)],
)
async def test_what_was_begun_is_not_begun_again(stage: Stage, forge: Forge, phase: str, code: str, count: int) -> None:
    """A deployment that a dead daemon had running is not tried again by itself; one that only waited for its turn is."""
    await set_up(stage, forge)
    commit = forge.commit(FILE)
    now = datetime.now(UTC)
    await written_down(stage, at=now)
    dead = Deployment(
        "dead", "shop", "production", Kind.PUSH, State.FAILED, commit, "refs/heads/main", ZERO, "octocat (webhook)", now,
        phase=phase, problem={"code": code, "what": "x"},
    )  # fmt: skip
    await stage.journal.add_deployment(dead)

    await stage.world.webhooks.recover()
    await forgotten(stage)

    assert len(await stage.journal.deployments("shop")) == count


async def test_an_event_that_ends_the_daemon_is_let_be(stage: Stage, forge: Forge) -> None:
    """After some lives an event is told as refused, and no more is tried; one whose webhook is gone is forgotten."""
    await set_up(stage, forge)
    forge.commit(FILE)
    task = await written_down(stage)
    for _ in range(webhooks.LIVES):
        await stage.journal.postpone(task, datetime.now(UTC), "the daemon ended")

    await stage.world.webhooks.recover()
    refused = await told(stage, "webhook.refused")
    await forgotten(stage)
    await stage.world.webhooks.remove("shop")
    await written_down(stage)
    await stage.world.webhooks.recover()
    await forgotten(stage)

    assert "the daemon has ended 3 times over it" in refused
    assert forge.asked == []


async def test_the_end_of_the_daemon_keeps_what_it_was_fetching(stage: Stage, forge: Forge) -> None:
    """What is cut off in the middle stays written down, and so does what is heard after that."""
    secret = await set_up(stage, forge)
    forge.commit(FILE)
    forge.held.clear()
    await heard(stage, secret)
    async with asyncio.timeout(WITHIN):
        while not forge.asked:
            await asyncio.sleep(0.02)
    await stage.world.webhooks.stop()
    forge.held.set()
    late = await heard(stage, secret)

    kept = [task.payload["branch"] for task in await stage.journal.tasks() if task.kind == webhooks.KIND]
    assert (late.status, kept) == (202, ["main", "main"])
    assert await stage.journal.deployments("shop") == []
