"""Maintenance and pauses: they hold through restarts of the daemon, deployments and rollbacks, and a pause ends by itself."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.domain.ports import Maintenance, Pause, Upstreams
from hostess.domain.problem import Problem
from hostess.domain.routing.closures import Closing, Closure
from hostess.services.routing.closures import Target
from tests.world import Bench, web

HOST = "shop-web.localhost"
SHOP = Target("shop", "production")
UNCHECKED = """  hub:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    visibility: public
"""


def maintenance(service: str = "", **said: object) -> Closure:
    """Return maintenance that begins now."""
    made = Closure("shop", "production", Closing.MAINTENANCE, service, SystemClock().now(), "ann")
    return replace(made, **said)  # type: ignore[arg-type]  # fields by name


def pause(seconds: float, service: str = "") -> Closure:
    """Return a pause that begins now."""
    now = SystemClock().now()
    return replace(maintenance(service), kind=Closing.PAUSE, since=now, until=now + timedelta(seconds=seconds))


def route(bench: Bench, host: str = HOST) -> Upstreams:
    """Return the route of the newest table."""
    return next(each for each in bench.router.tables[-1] if each.host == host)


async def kinds(bench: Bench) -> list[str]:
    """Return the kinds of events there were of maintenance and pauses."""
    found = [event.kind for event in await bench.journal.events()]
    return [kind for kind in found if kind.startswith(("maintenance", "pause"))]


async def test_maintenance_holds_whatever_happens(bench: Bench) -> None:
    """It stays on through a push, which is proved by it, a dead daemon and a rollback, until it is ended."""
    assert (await bench.push("shop", web())).accepted
    await bench.world.closures.close(maintenance(message="back at 9", allow=("10.0.0.0/8",)))
    said = Maintenance("back at 9", 60, ("10.0.0.0/8",), "/health")

    assert route(bench).maintenance == said
    assert (await bench.push("shop", web(mark="b"))).accepted, bench.text()
    assert route(bench).maintenance == said
    await bench.restart()
    assert route(bench).maintenance == said
    await bench.world.deployments.ended(await bench.world.deployments.rollback("shop", "production", None, "ann"))
    assert route(bench).maintenance == said
    await bench.world.closures.open(Closing.MAINTENANCE, SHOP)
    assert route(bench).maintenance is None
    assert await kinds(bench) == ["maintenance.on", "maintenance.off"]


async def test_a_service_without_a_check_goes_live_behind_maintenance(bench: Bench) -> None:
    """What has no health check is proved by the page that it is hidden behind."""
    files = {"hostess.yml": web()["hostess.yml"] + UNCHECKED}
    assert (await bench.push("shop", files)).accepted
    await bench.world.closures.close(maintenance())

    changed = files["hostess.yml"] + "    env: {A: b}\n"
    assert (await bench.push("shop", {"hostess.yml": changed})).accepted, bench.text()


async def test_one_service_or_all(bench: Bench) -> None:
    """A service can be closed alone; it is opened alone or with all, but not out of what was closed as a whole."""
    assert (await bench.push("shop", {"hostess.yml": web()["hostess.yml"] + UNCHECKED})).accepted
    closures = bench.world.closures
    await closures.close(maintenance("hub", message="hub"))

    assert route(bench).maintenance is None
    assert route(bench, "shop-hub.localhost").maintenance == Maintenance("hub", 60)
    await closures.close(maintenance(message="all"))
    assert route(bench, "shop-hub.localhost").maintenance == Maintenance("hub", 60)
    await closures.open(Closing.MAINTENANCE, replace(SHOP, service="hub"))
    assert route(bench, "shop-hub.localhost").maintenance == Maintenance("all", 60)
    with pytest.raises(Problem, match="not for hub alone"):
        await closures.open(Closing.MAINTENANCE, replace(SHOP, service="hub"))
    await closures.close(maintenance("hub"))
    await closures.open(Closing.MAINTENANCE, SHOP)
    assert await closures.of("shop", "production") == []
    with pytest.raises(Problem, match="no service database"):
        await closures.close(maintenance("database"))


async def test_a_pause_ends_by_itself(bench: Bench) -> None:
    """It is in the table until its time is over, also where another daemon began it; then a table without it comes, and an event."""
    assert (await bench.push("shop", web())).accepted
    await bench.world.closures.close(pause(600, "web"))
    assert route(bench).pause == Pause(1000, 600)
    await bench.restart()
    assert route(bench).pause == Pause(1000, 600)
    await bench.world.closures.open(Closing.PAUSE, replace(SHOP, service="web"))
    assert route(bench).pause is None

    ending = asyncio.create_task(bench.world.closures.run())
    await bench.world.closures.close(pause(0.2))
    async with asyncio.timeout(25):
        while "pause.over" not in await kinds(bench):
            await asyncio.sleep(0.01)
    ending.cancel()

    assert route(bench).pause is None
    assert await bench.journal.closures() == []
    assert await kinds(bench) == ["pause.on", "pause.off", "pause.on", "pause.over"]


async def test_a_deployment_of_a_paused_service(bench: Bench) -> None:
    """A push goes live behind a pause, and says that it was not proved."""
    assert (await bench.push("shop", web())).accepted
    await bench.world.closures.close(pause(600))

    assert (await bench.push("shop", web(mark="b"))).accepted, bench.text()

    assert "web is paused, so it was not proved through the proxy" in bench.text()
    assert route(bench).pause is not None


async def test_an_environment_that_goes_takes_them_along(bench: Bench) -> None:
    """What was closed in an environment is forgotten with it."""
    assert (await bench.push("shop", web())).accepted
    await bench.world.closures.close(maintenance())

    await bench.world.removal.remove("shop")

    assert await bench.journal.closures() == []


async def test_what_somebody_paused_stays_so(bench: Bench) -> None:
    """Who lets requests wait for a moment does not end the pause that a person has set, and ends its own."""
    assert (await bench.push("shop", web())).accepted
    closures = bench.world.closures
    async with closures.paused("shop", "production", ["web", "nobody"]):
        assert route(bench).pause is not None
    assert route(bench).pause is None

    await closures.close(pause(60))
    async with closures.paused("shop", "production", ["web"]):
        pass

    assert route(bench).pause is not None
    assert [each.actor for each in await closures.of("shop", "production")] == ["ann"]


async def test_a_pause_that_cannot_be_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """That a pause could not be ended does not undo what was done meanwhile: it ends by itself."""
    assert (await bench.push("shop", web())).accepted
    closures = bench.world.closures

    async def away(*_: object) -> list[Closure]:
        raise Problem("proxy-unreachable", "the proxy does not answer")

    async with closures.paused("shop", "production", ["web"]):
        monkeypatch.setattr(closures, "open", away)

    assert [each.kind for each in await closures.of("shop", "production")] == [Closing.PAUSE]
