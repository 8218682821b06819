"""Services that are not well become alerts by what their checkups know."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from hostess.services.keeping.alert_watch import AlertWatch, Watched
from tests.fakes.clock import FakeClock
from tests.integration.release.test_checkups import HOST, ask
from tests.world import Bench, web


@pytest.fixture
async def bench(bench: Bench) -> AsyncIterator[Bench]:
    """Give the installation with checkups that end with the test."""
    yield bench
    await bench.world.checkups.stop()


async def until_unwell(bench: Bench, count: int) -> None:
    """Wait until so many replicas are unhealthy."""
    async with asyncio.timeout(25):
        while len(bench.world.checkups.unwell) != count:
            await asyncio.sleep(0.02)


async def test_a_service_that_stays_unhealthy_is_told_until_it_is_well(bench: Bench) -> None:
    """It is an alert from a minute on, told once, and over when its check answers."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    world, live = bench.world, await bench.live("shop")
    assert live is not None
    clock = FakeClock(live.created_at, flowing=False)
    watched = Watched(
        world.replicas, world.checkups, world.storage, world.orders, world.certificates, world.host_watch, world.loops
    )
    watch = AlertWatch(bench.journal, watched, clock)
    await world.checkups.look()

    async with world.turns.turn("shop", "production"):  # nothing is restarted meanwhile
        await ask(bench.router.routes[HOST][0], "/unhealthy")
        await until_unwell(bench, 1)
        await watch.look()
        assert await watch.now() == []
        clock.advance(timedelta(minutes=1).total_seconds())
        await watch.look()
        [alert] = await watch.now()
        await watch.look()
    await until_unwell(bench, 0)
    await watch.look()

    events = await bench.journal.events(limit=1000)
    told = [each for each in events if each.data.get("subject") == "service shop/production/web"]
    assert [each.kind for each in told] == ["service.unwell", "service.recovered"]
    assert (alert.level, alert.what) == ("error", "web (production) is unhealthy: its check fails")
    assert await watch.now() == []
