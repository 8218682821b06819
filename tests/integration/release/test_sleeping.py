"""Services that sleep: what puts them to sleep, what wakes them, and what leaves them alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from hostess.domain.ports import Called, TargetLoad
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload
from hostess.domain.scaling import Pace
from hostess.services.keeping import autoscaler, sleeping
from tests.fakes.building import Recipe
from tests.fakes.programs import Box, Program, echo
from tests.world import Bench, web

MAY_SLEEP = "    replicas: {min: 0, max: 3}\n"
HOST = "shop-web.localhost"
CALLED = Called("shop", "web", HOST, "/")
SOON = 25.0
MOMENT = timedelta(microseconds=1)


async def workload(bench: Bench) -> Workload:
    """Return the service as it is live."""
    live = await bench.live("shop")
    assert live is not None
    return live.workloads["web"]


async def rested(bench: Bench) -> None:
    """Let it look at a service that needs no rest to fall asleep, and end what it began."""
    live = await bench.live("shop")
    assert live is not None
    at_once = {
        name: replace(each, scaling=each.scaling and replace(each.scaling, sleep_after=timedelta(0)))
        for name, each in live.workloads.items()
    }
    await bench.journal.amend(replace(live, workloads=at_once))
    bench.world.autoscaler.look_around()
    await bench.world.autoscaler.look()
    await bench.world.autoscaler.settled()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale by the last reading alone."""
    monkeypatch.setattr(autoscaler, "PACE", Pace(MOMENT, MOMENT, MOMENT))


@asynccontextmanager
async def hearing(bench: Bench) -> AsyncIterator[None]:
    """Let the daemon hear who waits."""
    listening = asyncio.create_task(bench.world.sleeping.run())
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SOON):
        while not true():
            await asyncio.sleep(0.01)


async def until_told(bench: Bench, kind: str) -> None:
    """Wait until this has happened."""
    async with asyncio.timeout(SOON):
        while kind not in await told(bench):
            await asyncio.sleep(0.01)


async def told(bench: Bench) -> list[str]:
    """Return what has happened to services, in order."""
    return [event.kind for event in await bench.journal.events(limit=100) if event.kind.startswith("service.")]


def waits(bench: Bench) -> bool:
    """Whether requests wait at the route, by the newest table."""
    return any(route.host == HOST and route.wake is not None for route in bench.router.tables[-1])


async def asleep(bench: Bench, image: str = "hostess-test/echo:1") -> None:
    """Deploy a service and let it fall asleep."""
    assert (await bench.push("shop", web(image, more=MAY_SLEEP))).accepted, bench.text()
    await rested(bench)
    await bench.until_containers(0)
    assert waits(bench)


async def test_sleep_lasts(bench: Bench) -> None:
    """What sleeps stays asleep, whatever looks after releases, after a restart of the daemon too; one call wakes it once."""
    await asleep(bench)
    await bench.world.reconciler.tick()
    await bench.restart()
    await bench.world.checkups.look()
    await bench.until_containers(0)
    assert (await workload(bench)).asleep
    assert waits(bench)

    async with hearing(bench):
        for _ in range(20):
            bench.router.called.put_nowait(CALLED)
        await until(lambda: bench.router.routes[HOST])
        await until_told(bench, "service.woken")

    assert not waits(bench)
    assert await bench.get(HOST) == "200 1"
    await bench.world.reconciler.tick()
    await bench.until_containers(1)
    assert (await workload(bench)).replicas == 1
    assert await told(bench) == ["service.asleep", "service.woken"]


@pytest.mark.parametrize("why", ["a connection", "the proxy is away", "the proxy does not count"])
async def test_who_asks_keeps_it_awake(bench: Bench, why: str) -> None:
    """A service with an open connection does not fall asleep, nor one of which the proxy tells nothing."""
    assert (await bench.push("shop", web(more=MAY_SLEEP))).accepted, bench.text()
    [target] = bench.router.routes[HOST]
    bench.router.load = {target: TargetLoad(1 if why == "a connection" else 0, 5, 1.0)}
    bench.router.unreachable = why == "the proxy is away"
    bench.router.outdated = why == "the proxy does not count"

    await rested(bench)
    await rested(bench)
    assert (await workload(bench)).replicas == 1

    bench.router.unreachable = bench.router.outdated = False
    bench.router.load = {target: TargetLoad(0, 5, 1.0)}
    await rested(bench)
    await rested(bench)
    assert (await workload(bench)).asleep


async def test_who_comes_at_the_last_moment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that came right before requests had to wait is not cut off: the service stays awake."""
    assert (await bench.push("shop", web(more=MAY_SLEEP))).accepted, bench.text()
    [target] = bench.router.routes[HOST]

    async def loads() -> Mapping[str, TargetLoad]:
        return {target: TargetLoad(1, 1, 0.0)} if waits(bench) else {}

    monkeypatch.setattr(bench.router, "loads", loads)
    await rested(bench)

    assert (await workload(bench)).replicas == 1
    assert bench.router.routes[HOST] == (target,)
    assert await told(bench) == []


async def test_a_table_that_did_not_arrive(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is awake, of which the proxy has not heard, is told to it when somebody waits; and what should have slept stays awake."""
    assert (await bench.push("shop", web(more=MAY_SLEEP))).accepted, bench.text()
    [target] = bench.router.routes[HOST]
    publish, load = bench.router.publish, bench.router.loads

    async def loads() -> Mapping[str, TargetLoad]:
        if not waits(bench):
            return await load()
        monkeypatch.setattr(bench.router, "publish", gone)
        raise Problem("proxy-unreachable", "the proxy did not answer")

    async def gone(*_: object) -> int:
        raise Problem("proxy-unreachable", "the proxy did not answer")

    monkeypatch.setattr(bench.router, "loads", loads)
    await rested(bench)
    assert (await workload(bench)).replicas == 1
    assert waits(bench)

    monkeypatch.setattr(bench.router, "publish", publish)
    async with hearing(bench):
        bench.router.called.put_nowait(CALLED)
        await until(lambda: not waits(bench))

    assert bench.router.routes[HOST] == (target,)
    await bench.until_containers(1)
    assert await told(bench) == []


async def test_deployments(bench: Bench) -> None:
    """A deployment, a restart and a rollback start what sleeps; one that fails leaves it asleep."""
    await asleep(bench)
    assert (await bench.push("shop", web(mark="b", more=MAY_SLEEP))).accepted, bench.text()
    assert (await workload(bench)).replicas == 1
    await rested(bench)
    await bench.until_containers(0)

    assert not (await bench.push("shop", web("hostess-test/echo:broken", more=MAY_SLEEP))).accepted
    assert (await workload(bench)).asleep
    await bench.until_containers(0)
    assert waits(bench)

    deployments = bench.world.deployments
    await deployments.ended(await deployments.rollback("shop", "production", 1, "tester"))
    assert await bench.get(HOST) == "200 1"
    await rested(bench)
    await bench.until_containers(0)
    await deployments.ended(await deployments.restart("shop", "production", (), "tester"))
    assert await bench.get(HOST) == "200 1"


async def test_it_does_not_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends at its start is told and left alone for a while, and asleep it stays; then it is tried again."""
    monkeypatch.setattr(sleeping, "REST", timedelta(seconds=0.5))
    programs: list[Program] = [echo]

    async def app(box: Box) -> int:
        return await programs[-1](box)

    bench.engine.add_image("moody:1", Recipe({"/app": app}, cmd=("/app",), env={"PORT": "8000", "VERSION": "1"}))
    await asleep(bench, "moody:1")

    async def broken(_: Box) -> int:
        return 1

    programs.append(broken)
    async with hearing(bench):
        bench.router.called.put_nowait(CALLED)
        await until_told(bench, "service.not-woken")
        await bench.until_containers(0)
        assert (await workload(bench)).asleep

        programs.pop()
        async with asyncio.timeout(SOON):
            while not bench.router.routes[HOST]:
                bench.router.called.put_nowait(CALLED)
                await asyncio.sleep(0.05)


async def test_beside_a_deployment(bench: Bench) -> None:
    """Who waits does not wait for a deployment: what is live is woken beside it, and is replaced when that is done."""
    await asleep(bench)
    may_start = asyncio.Event()

    async def late(box: Box) -> int:
        await may_start.wait()
        return await echo(box)

    bench.engine.add_image("late:1", Recipe({"/app": late}, cmd=("/app",), env={"PORT": "8000", "VERSION": "2"}))
    pushing = asyncio.create_task(bench.push("shop", web("late:1", more=MAY_SLEEP)))
    await bench.until_containers(1)

    async with hearing(bench):
        bench.router.called.put_nowait(CALLED)
        await until(lambda: bench.router.routes[HOST])
        assert await bench.get(HOST) == "200 1"
        may_start.set()
        assert (await pushing).accepted, bench.text()

    assert await bench.get(HOST) == "200 2"
    await bench.until_containers(1)


async def test_beside_a_canary(bench: Bench) -> None:
    """What sleeps while a canary is tried out beside it is woken by who waits, and then nothing falls asleep until the canary ends."""
    await asleep(bench)
    assert (await bench.push("shop", web("hostess-test/echo:2", more=MAY_SLEEP), "canary=50")).accepted, bench.text()
    assert (await workload(bench)).asleep
    async with hearing(bench):
        bench.router.called.put_nowait(CALLED)
        await until_told(bench, "service.woken")
    assert await bench.get(HOST) == "200 1"
    await bench.until_containers(2)

    await rested(bench)
    assert (await workload(bench)).replicas == 1

    await bench.world.canaries.stop("shop", "production", "tester")
    await rested(bench)
    assert (await workload(bench)).asleep
    await bench.until_containers(0)


async def test_where_nothing_could_wake_it(bench: Bench) -> None:
    """A private service sleeps where callers inside are led to the proxy, and stays awake where they are not."""
    files = web(more=MAY_SLEEP)
    files["hostess.yml"] = files["hostess.yml"].replace("visibility: public", "visibility: private")
    assert (await bench.push("shop", files)).accepted, bench.text()
    [address] = bench.router.inside
    bench.firewall.able = False
    await rested(bench)
    assert (await workload(bench)).replicas == 1

    bench.firewall.able = True
    await rested(bench)
    assert bench.router.inside[address].wake is not None
    await bench.until_containers(0)
    async with hearing(bench):
        bench.router.called.put_nowait(Called("shop", "web", address, "/"))
        await until(lambda: bench.router.inside[address].replicas)
    assert bench.router.inside[address].wake is None


class Killed:
    """A daemon that gets as far as a call of *method* and no further, as if it was killed there: before it, or *after* it."""

    def __init__(self, bench: Bench, method: str, *, after: bool) -> None:
        self._bench = bench
        self._owner = next(o for o in (bench.journal, bench.engine, bench.router) if hasattr(o, method))
        self._method = method
        self._after = after
        self._there = asyncio.Event()

    @asynccontextmanager
    async def at(self, monkeypatch: pytest.MonkeyPatch, work: Coroutine[object, object, object]) -> AsyncIterator[None]:
        """Let the daemon do its *work* up to there, and give another daemon in its place."""
        original = getattr(self._owner, self._method)

        async def dying(*args: object, **more: object) -> None:
            if self._after:
                await original(*args, **more)
            self._there.set()
            await asyncio.Event().wait()

        with monkeypatch.context() as patched:
            patched.setattr(self._owner, self._method, dying)
            working = asyncio.create_task(work)
            async with asyncio.timeout(SOON):
                await self._there.wait()
        try:
            await self._bench.restart()
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def is_one_or_the_other(bench: Bench) -> None:
    """See that the service sleeps or is awake, wholly; and that it is answered for as it should be."""
    if (await workload(bench)).asleep:
        await bench.until_containers(0)
        assert waits(bench)
        async with hearing(bench):
            bench.router.called.put_nowait(CALLED)
            await until(lambda: bench.router.routes[HOST])
    await bench.until_containers(1)
    assert not waits(bench)
    assert await bench.get(HOST) == "200 1"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["add_task", "create", "start", "resize", "finish_task", "publish", "keep_running"])
async def test_killed_while_waking(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    after: bool,
) -> None:
    """Wherever a daemon dies that wakes a service, the next one finds it asleep or awake."""
    await asleep(bench)
    bench.router.called.put_nowait(CALLED)
    async with Killed(bench, method, after=after).at(monkeypatch, bench.world.sleeping.run()):
        await is_one_or_the_other(bench)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["resize", "publish", "add_task", "drained", "stop", "remove"])
async def test_killed_while_it_falls_asleep(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    after: bool,
) -> None:
    """Wherever a daemon dies that puts a service to sleep, the next one finds it asleep or awake."""
    assert (await bench.push("shop", web(more=MAY_SLEEP))).accepted, bench.text()
    async with Killed(bench, method, after=after).at(monkeypatch, rested(bench)):
        await is_one_or_the_other(bench)


async def test_by_requests(bench: Bench) -> None:
    """Awake it has as many replicas as its requests in flight need."""
    more = "    replicas: {min: 0, max: 3, target_requests: 2}\n"
    assert (await bench.push("shop", web(more=more))).accepted, bench.text()
    [target] = bench.router.routes[HOST]
    for number in range(4):
        bench.router.load = {target: TargetLoad(5, number * 5, number * 1000.0)}
        await bench.world.autoscaler.look()
        await bench.world.autoscaler.settled()

    assert (await workload(bench)).replicas == 3
    assert await told(bench) == ["service.scaled"]
