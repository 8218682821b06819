"""What forges have told, and the end of the daemon: it is deployed once the daemon is back, and no more than that."""

import asyncio
from datetime import UTC, datetime

import pytest

from hostess.domain.releases.push import ZERO
from hostess.domain.releases.release import Deployment, Kind, State
from hostess.services.deploying import webhooks
from tests.integration.api.forge import Forge, asked_for, heard, set_up, told
from tests.integration.api.stage import FILE, WITHIN, Stage


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


async def cut_off(stage: Stage, forge: Forge, state: State, phase: str, code: str = "") -> Deployment:
    """Leave an event, and return what a daemon that is gone might have written down of its deployment."""
    commit, now = forge.commit(FILE), datetime.now(UTC)
    await written_down(stage, at=now)
    ref, actor = "refs/heads/main", "octocat (webhook)"
    place = ("dead", "shop", "production")
    problem = {"code": code, "what": "x"} if code else None
    return Deployment(*place, Kind.PUSH, state, commit, ref, ZERO, actor, now, phase=phase, problem=problem)


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
    [
        ("", "interrupted", 2),
        ("", "cancelled", 2),
        ("build", "interrupted", 2),
        ("start", "cancelled", 2),
        ("", "locked", 1),
    ],
)
async def test_what_the_end_of_the_daemon_cut_off_is_begun_again(
    stage: Stage, forge: Forge, phase: str, code: str, count: int
) -> None:
    """A deployment that a dead daemon had waiting or running is tried again, once; one that came to its own end is not."""
    await set_up(stage, forge)
    await stage.journal.add_deployment(await cut_off(stage, forge, State.FAILED, phase, code))

    await stage.world.webhooks.recover()
    await forgotten(stage)

    assert len(await stage.journal.deployments("shop")) == count


async def test_what_is_still_taken_back_is_waited_for(stage: Stage, forge: Forge) -> None:
    """A deployment that the reconciler has not finished yet is begun again after that, and not beside it."""
    await set_up(stage, forge)
    dead = await cut_off(stage, forge, State.RUNNING, "start")
    await stage.journal.add_deployment(dead)

    await stage.world.webhooks.recover()
    await asked_for(forge)
    before = await stage.journal.deployments("shop")
    problem = {"code": "interrupted", "what": "x"}
    await stage.journal.move(dead.id, State.FAILED, datetime.now(UTC), problem=problem)
    await forgotten(stage)
    newest, _ = await stage.journal.deployments("shop")

    assert [each.id for each in before] == [dead.id]
    assert (newest.state, newest.actor) == (State.LIVE, "octocat (webhook)")


@pytest.mark.parametrize(("outcome", "count"), [("done", 2), ("failed", 1), (None, 1)])
async def test_a_migration_in_doubt_is_left_to_people(
    stage: Stage, forge: Forge, outcome: str | None, count: int
) -> None:
    """What may have been cut off in a database is not begun again by itself, and is told; what is known to have ended well may be."""
    await set_up(stage, forge)
    dead = await cut_off(stage, forge, State.FAILED, "migrate", "interrupted")
    await stage.journal.add_deployment(dead)
    step = await stage.journal.begin_step(dead.id, "migrate:web", {}, dead.created_at)
    if outcome is not None:
        await stage.journal.end_step(step, outcome, dead.created_at)

    await stage.world.webhooks.recover()
    await forgotten(stage)

    assert len(await stage.journal.deployments("shop")) == count
    if count == 1:
        assert "how migrate:web ended is not known" in await told(stage, "webhook.refused")


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
    await asked_for(forge)
    await stage.world.webhooks.stop()
    forge.held.set()
    late = await heard(stage, secret)

    kept = [task.payload["branch"] for task in await stage.journal.tasks() if task.kind == webhooks.KIND]
    assert (late.status, kept) == (202, ["main", "main"])
    assert await stage.journal.deployments("shop") == []
