"""Deployments whose end could not be written down, because the disk was full: found and closed without a restart of the daemon."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from hostess.domain.releases.release import Deployment, Kind, State
from tests.world import Bench, web

HOST = "shop-web.localhost"


async def an_open_record(bench: Bench, state: State, identity: str, release: int | None = None) -> Deployment:
    """Write down a deployment that is not final and that nobody works on."""
    [newest, *_] = await bench.journal.deployments("shop")
    deployment = replace(
        newest, id=identity, state=state, kind=Kind.PUSH, finished_at=None, problem=None, release=release
    )
    await bench.journal.add_deployment(deployment)
    return deployment


async def state_of(bench: Bench, deployment: str) -> State:
    """Return the state of a deployment."""
    found = await bench.journal.deployment(deployment)
    assert found is not None
    return found.state


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
async def test_a_record_that_nobody_works_on_is_closed_at_the_second_look(bench: Bench, state: State) -> None:
    """A record still open at two looks of the reconciler is closed as failed; at the first it is let be, its task may be ending."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    deployment = await an_open_record(bench, state, "forgotten")

    await bench.world.reconciler.tick()
    assert await state_of(bench, deployment.id) is state
    await bench.world.reconciler.tick()

    assert await state_of(bench, deployment.id) is State.FAILED
    assert (await bench.get(HOST)).startswith("200")


@pytest.mark.parametrize(("state", "closed"), [(State.RUNNING, State.RUNNING), (State.SWITCHED, State.LIVE)])
async def test_what_a_later_release_carried_over_serves_on(bench: Bench, state: State, closed: State) -> None:
    """Containers started for a forgotten deployment that serve in a later release are let be; its record is closed when it can be."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    [first] = await bench.journal.deployments("shop")
    assert (await bench.push("shop", {"README": "nothing that matters"})).accepted, bench.text()
    before = {container.id for container in await bench.world.replicas.of_place("shop", "production")}
    # The state of the first one's record, as it is when its last write had failed.
    with closing(sqlite3.connect(bench.folder / "data" / "hostess.db", timeout=10)) as other, other:
        other.execute(
            "UPDATE deployments SET record = json_set(record, '$.state', ?) WHERE id = ?", [str(state), first.id]
        )

    await bench.world.reconciler.tick()
    await bench.world.reconciler.tick()

    assert await state_of(bench, first.id) is closed
    assert {container.id for container in await bench.world.replicas.of_place("shop", "production")} == before
    assert (await bench.get(HOST)).startswith("200")
