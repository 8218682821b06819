"""Forges: what is pushed there is fetched from a real repository over HTTP, and deployed."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

from tests.integration.api.forge import HOOK, Forge, heard, set_up, told
from tests.integration.api.stage import FILE, WITHIN, Said, Stage

PASSWORD = "an-access-token-4711"


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
