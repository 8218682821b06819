"""Repairs of live releases: none is in the way of a push or of another one, none is tried without end, none is routed unproved."""

import asyncio
from datetime import timedelta

import pytest

from hostess.domain import labels
from hostess.domain.problem import Problem
from hostess.services.keeping.repairs import pause_after
from tests.fakes.building import Recipe
from tests.fakes.programs import Box, echo, silent
from tests.integration.release.test_switch import before
from tests.world import Bench, web

HOST = "shop-web.localhost"
WITHIN = 40
WORKER = """  beat: {type: custom, image: plain:1, command: [/worker], health: {command: [fine], interval: 1s, retries: 1}}
"""


async def lost(bench: Bench, project: str = "shop") -> None:
    """Take every replica of a project away, behind the daemon's back."""
    for container in await bench.world.replicas.of_place(project, "production"):
        await bench.engine.remove(container.id)


async def never_well(bench: Bench, project: str = "shop") -> None:
    """Deploy an app whose next start never listens, and take away what runs."""
    programs = [echo, silent]

    async def app(box: Box) -> int:
        return await (programs.pop(0) if len(programs) > 1 else programs[0])(box)

    bench.engine.add_image(f"{project}:1", Recipe({"/app": app}, cmd=("/app",), env={"PORT": "8000", "VERSION": "1"}))
    assert (await bench.push(project, web(f"{project}:1"))).accepted, bench.text()
    await lost(bench, project)


async def test_a_push_does_not_wait_for_a_hopeless_repair(bench: Bench) -> None:
    """A repair that waits for a replica to become healthy gives way to a push, and leaves nothing behind."""
    await never_well(bench)
    looking = asyncio.create_task(bench.world.reconciler.tick())
    await bench.until_containers(1)

    async with asyncio.timeout(WITHIN / 2):
        verdict = await bench.push("shop", web("hostess-test/echo:2"))

    await looking
    assert verdict.accepted, bench.text()
    assert await bench.get(HOST) == "200 2"
    await bench.until_containers(1)
    assert await bench.journal.tasks() == []


async def test_a_hopeless_repair_holds_up_no_other(bench: Bench) -> None:
    """What is lost elsewhere comes back while one environment's repair waits for its gate."""
    await never_well(bench, "bad")
    await bench.push("shop", web())
    await lost(bench)
    await bench.world.routing.publish()
    looking = asyncio.create_task(bench.world.reconciler.tick())

    async with asyncio.timeout(WITHIN / 2):
        while await bench.get(HOST) != "200 1":
            await asyncio.sleep(0.01)
    assert not looking.done()
    looking.cancel()


async def test_a_failed_repair_is_left_alone_for_a_while_and_told_once(bench: Bench) -> None:
    """A repair that failed is not tried at the next look; one event tells it. A new spec is tried at once."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    await lost(bench)
    bench.engine.fail["create"] = Problem("engine-refused", "no")
    for _ in range(3):
        await bench.world.reconciler.tick()

    events = [event for event in await bench.journal.events() if event.kind == "service.repair-failed"]
    assert len(events) == 1
    assert await bench.world.replicas.of_place("shop", "production") == []
    assert [pause_after(times) for times in (1, 2, 6, 7, 1000)] == [
        timedelta(seconds=15),
        timedelta(seconds=30),
        timedelta(minutes=8),
        timedelta(minutes=10),
        timedelta(minutes=10),
    ]
    assert (await bench.push("shop", web(mark="b"))).accepted, bench.text()


@pytest.mark.parametrize("service", ["web", "beat"])
async def test_what_cannot_be_started_again_is_replaced(bench: Bench, service: str) -> None:
    """A stopped container that does not start is removed, and a new one takes its place once it is gone."""

    async def lives(box: Box) -> int:
        await box.stopping.wait()
        return 0

    async def fine(_: Box) -> int:
        return 0

    bench.engine.commands |= {"/worker": lives, "fine": fine}
    assert (await bench.push("shop", web(more=WORKER))).accepted, bench.text()
    containers = await bench.world.replicas.of_place("shop", "production")
    [broken] = [c for c in containers if c.labels[labels.SERVICE] == service]
    await bench.engine.stop(broken.id, timedelta(seconds=1))

    async def refuse(container: str) -> None:
        if container == broken.id:
            raise Problem("container-start-failed", "the container did not start: Address already in use")

    async def look(*_: object) -> None:
        assert await bench.engine.container(broken.id) is None

    before(bench.engine, "start", refuse)
    before(bench.engine, "create", look)
    await bench.world.reconciler.tick()

    now = {c.id: c.state for c in await bench.world.replicas.of_place("shop", "production")}
    assert broken.id not in now
    assert list(now.values()) == ["running", "running"]


async def test_a_repair_that_was_cut_off_is_not_trusted(bench: Bench) -> None:
    """A replacement that a dead daemon started and had not seen healthy is removed at boot, and never routed."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    await lost(bench)
    [place], live = await bench.journal.places("shop"), await bench.live("shop")
    assert live is not None
    payload = {"mark": "repair-dead", "project": "shop", "environment": "production"}
    await bench.journal.add_task("repair", payload, live.created_at)
    unproved = await bench.world.replicas.start(place, live, live.workloads["web"], 1, "repair-dead")
    routed: list[str] = []

    async def note(routes: list[object], *_: object) -> None:
        routed.append(str(routes))

    before(bench.router, "publish", note)
    held = asyncio.Event()
    await bench.world.reconciler.at_boot(held)

    [container] = await bench.world.replicas.of_place("shop", "production")
    assert container.id != unproved.id
    assert await bench.get(HOST) == "200 1"
    assert not any(f"{unproved.address}:" in table for table in routed)
    assert await bench.journal.tasks() == []
