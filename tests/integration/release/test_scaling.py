"""Scaling by load: what it leaves alone, and what remains when it cannot be done."""

from datetime import timedelta

import pytest

from hostess.adapters.cgroup_files import CgroupFiles
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.hostess_yml.stack import Replicas
from hostess.domain.problem import Problem
from hostess.domain.scaling import Pace, Room, wanted
from hostess.services.keeping import autoscaler
from hostess.services.keeping.demand import Demand
from hostess.services.keeping.usage import UsageWatch
from tests.fakes.building import Recipe
from tests.fakes.cgroup import used
from tests.fakes.clock import FakeClock
from tests.fakes.programs import Box, echo
from tests.world import Bench, web

MOMENT = timedelta(microseconds=1)
RANGE = "    replicas: {min: 1, max: 3}\n"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale by the last reading alone."""
    monkeypatch.setattr(autoscaler, "PACE", Pace(MOMENT, MOMENT, MOMENT))


async def looks(bench: Bench, seconds: int) -> None:
    """Let it look four times, each replica having used so many seconds of CPU in between, and end what it began."""
    for number in range(4):
        for container in await bench.world.replicas.of_place("shop", "production"):
            used(bench.folder / "cgroup", container.id, number * seconds)
        await bench.world.autoscaler.look()
        await bench.world.autoscaler.settled()


async def replicas(bench: Bench) -> int:
    """Return how many replicas the live release has."""
    live = await bench.live("shop")
    assert live is not None
    return live.workloads["web"].replicas


async def test_the_release_stays(bench: Bench) -> None:
    """A busy service gets replicas in the release that is live, an idle one loses them; a deployment keeps them."""
    assert (await bench.push("shop", web(more=RANGE))).accepted, bench.text()

    await looks(bench, 1000)
    live = await bench.live("shop")
    assert live is not None
    assert (live.number, live.workloads["web"].replicas, live.workloads["web"].scaling) == (1, 2, Replicas(1, 3))
    assert len(bench.router.routes["shop-web.localhost"]) == 2

    assert (await bench.push("shop", web("hostess-test/echo:2", more=RANGE))).accepted, bench.text()
    assert await replicas(bench) == 2

    await looks(bench, 0)
    assert await replicas(bench) == 1
    await bench.until_containers(1)


async def test_it_does_not_start(bench: Bench) -> None:
    """When a further replica ends at its start, everything is as before, and nothing is left of it."""
    programs = [echo]

    async def app(box: Box) -> int:
        return await programs.pop()(box) if programs else 1

    bench.engine.add_image("once:1", Recipe({"/app": app}, cmd=("/app",), env={"PORT": "8000", "VERSION": "1"}))
    assert (await bench.push("shop", web("once:1", more=RANGE))).accepted, bench.text()
    for container in await bench.world.replicas.of_place("shop", "production"):
        used(bench.folder / "cgroup", container.id, 0)

    await looks(bench, 1000)

    assert await replicas(bench) == 1
    await bench.until_containers(1)
    assert await bench.get("shop-web.localhost") == "200 1"


async def test_by_hand(bench: Bench) -> None:
    """What is scaled by hand is not scaled by its load."""
    assert (await bench.push("shop", web(more=RANGE))).accepted, bench.text()
    deployment = await bench.world.deployments.scale("shop", "production", {"web": 2}, "tester")
    await bench.world.deployments.ended(deployment)

    await looks(bench, 0)

    assert await replicas(bench) == 2


async def test_it_cannot_be_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that was started and could not be written down is routed nothing, and the reconciler removes it."""
    assert (await bench.push("shop", web(more=RANGE))).accepted, bench.text()

    async def full(_: SqliteJournal, *__: object) -> bool:
        raise Problem("journal-unavailable", "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteJournal, "resize", full)
        await looks(bench, 1000)
    await bench.until_containers(2)
    assert len(bench.router.routes["shop-web.localhost"]) == 1

    await bench.world.reconciler.tick()

    assert await replicas(bench) == 1
    await bench.until_containers(1)


async def test_where_nothing_is_scaled_the_engine_is_asked_seldom(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host without a range of replicas costs one question to the engine, however often it is looked at within a minute."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    asked, everywhere = [], bench.world.replicas.everywhere

    async def counted() -> object:
        asked.append(1)
        return await everywhere()

    monkeypatch.setattr(bench.world.replicas, "everywhere", counted)
    for _ in range(5):
        await bench.world.autoscaler.look()

    assert len(asked) == 1
    assert bench.world.autoscaler.decided("shop", "production", "web") is None


@pytest.mark.parametrize(("hours", "cores", "there"), [(-9, 1, 4), (9, 0, 2)], ids=["back, busy", "ahead, idle"])
async def test_a_clock_that_is_set(bench: Bench, hours: int, cores: int, there: int) -> None:
    """A busy service is not left waiting until the clock is where it was, and one that is idle for a moment is none for hours."""
    assert (await bench.push("shop", web(more="    replicas: {min: 2, max: 4}\n"))).accepted, bench.text()
    clock = FakeClock(flowing=False)
    watch = UsageWatch(bench.journal, bench.world.replicas, CgroupFiles(bench.folder / "cgroup"), clock)
    key, seconds = ("shop", "production", "web"), 0

    async def look(using: int) -> None:
        nonlocal seconds
        seconds += 5 * using
        for container in await bench.world.replicas.of_place("shop", "production"):
            used(bench.folder / "cgroup", container.id, seconds)
        clock.advance(5)
        await watch.look()

    for _ in range(3):
        await look(1)
    clock.advance(hours * 3600)
    for _ in range(6):
        await look(cores)

    assert wanted(watch.history(key), 2, Replicas(1, 4), Room(), Pace()).replicas == there


async def test_nothing_falls_asleep_because_the_clock_is_set(bench: Bench) -> None:
    """Since when nobody has asked is not known any more, and begins anew."""
    assert (await bench.push("shop", web(more="    replicas: {min: 0, max: 2}\n"))).accepted, bench.text()
    clock = FakeClock(flowing=False)
    await bench.world.usage.look()
    demand, key = Demand(bench.router, clock), ("shop", "production", "web")
    await demand.look(bench.world.usage.observed)
    clock.advance(30)
    await demand.look(bench.world.usage.observed)
    rest = demand.rest(key)
    assert rest is not None
    assert rest.since == clock.now() - timedelta(seconds=30)

    clock.advance(9 * 3600)
    await demand.look(bench.world.usage.observed)

    rest = demand.rest(key)
    assert rest is not None
    assert rest.since == clock.now()
