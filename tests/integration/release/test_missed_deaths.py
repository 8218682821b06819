"""What ended while no daemon was there: the next one tells it, once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.domain import deaths
from hostess.domain.crash_loops import Limits
from hostess.services.keeping import crash_loops
from hostess.services.keeping.heard import NOTE
from tests.integration.release.test_deaths import WITHIN, App, deployed, listening, told, until, until_told
from tests.world import Bench, web


@pytest.fixture
async def bench(bench: Bench) -> AsyncIterator[Bench]:
    """Give the installation; who listens, the tests say."""
    yield bench
    await bench.world.checkups.stop()


async def listen_once(bench: Bench) -> None:
    """Let a daemon listen until it has told all that it has missed, and die."""
    began = SystemClock().now()
    async with listening(bench), asyncio.timeout(WITHIN):
        while (heard := await bench.journal.note(NOTE)) is None or datetime.fromisoformat(heard) < began:
            await asyncio.sleep(0.02)


async def left_alone(bench: Bench) -> App:
    """Deploy an app, with a daemon that listens, and let that die."""
    app = await deployed(bench)
    await listen_once(bench)
    await bench.world.checkups.stop()
    return app


async def test_it_is_told_on_return(bench: Bench) -> None:
    """The exit code, the last lines and the time are in one event, and one says that it was started again; a third daemon adds nothing."""
    app = await left_alone(bench)
    app.end(7)
    await until(lambda: app.starts > 1)
    await bench.restart()
    await bench.world.checkups.look()

    for _ in range(2):
        await listen_once(bench)
    [death] = await told(bench, "service.died")
    assert death.message.startswith("a replica of web ended by itself while no daemon was there after")
    assert death.message.endswith(" UTC): exit code 7")
    assert (death.data["exit_code"], death.data["times"], death.data["unseen"]) == (7, 1, True)
    assert str(death.data["ended_at"]) < death.at.isoformat()
    assert "bye" in str(death.data["tail"])
    assert len(await told(bench, "service.started")) == 1


async def test_a_daemon_that_died_right_after_it_had_told(bench: Bench) -> None:
    """What stands in the journal is not told again, though that daemon had not written down that it had."""
    app = await left_alone(bench)
    before = await bench.journal.note(NOTE)
    assert before is not None
    async with listening(bench):
        app.end(7)
        await until_told(bench, "service.started")
    await bench.journal.set_note(NOTE, before)

    await bench.restart()
    await listen_once(bench)

    assert len(await told(bench, "service.died")) == 1


async def test_what_was_asked_for_is_not_told(bench: Bench) -> None:
    """A stop that somebody has asked the engine for while no daemon was there is no death."""
    await left_alone(bench)
    [container] = await bench.world.replicas.of_place("shop", "production")
    await bench.engine.stop(container.id, timedelta(seconds=5))

    await bench.restart()
    await listen_once(bench)

    assert await told(bench, "service.died") == []


async def test_an_engine_that_has_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine's events are gone, that it was started again by the engine, and when, is told of a container itself, once."""
    app = await left_alone(bench)
    monkeypatch.setattr(deaths, "SAME", timedelta())
    app.end(7)
    await until(lambda: app.starts > 1)
    bench.engine.forget_events()

    await bench.restart()
    for _ in range(2):
        await listen_once(bench)

    [death] = await told(bench, "service.died")
    assert death.message.endswith(" UTC): its exit code is not known any more")


async def test_a_clock_that_was_ahead(bench: Bench) -> None:
    """A host whose clock was set back by hours tells what ended since, as an engine tells nothing of times that are yet to come."""
    app = await left_alone(bench)
    app.end(7)
    await until(lambda: app.starts > 1)
    ahead = SystemClock().now() + timedelta(hours=9)
    await bench.journal.set_note(NOTE, ahead.isoformat())

    await bench.restart()
    async with listening(bench):
        async with asyncio.timeout(WITHIN):
            while datetime.fromisoformat(await bench.journal.note(NOTE) or "") >= ahead:
                await asyncio.sleep(0.02)
        app.end(8)
        [death] = await until_told(bench, "service.died")

    assert (death.data["exit_code"], death.data["unseen"]) == (8, False)


@pytest.mark.parametrize("crashed", [False, True], ids=["ended", "crashed"])
@pytest.mark.parametrize("listens", [True, False], ids=["daemon lives", "host was down"])
async def test_what_ends_with_the_engine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, crashed: bool, listens: bool
) -> None:
    """It is told once for each environment, whether or not a daemon was there, and is no replica's death; it is healthy again."""
    monkeypatch.setattr(deaths, "SAME", timedelta())
    assert (await bench.push("shop", web(more="    replicas: 2\n"))).accepted, bench.text()
    await listen_once(bench)
    there = sorted(each.id[:12] for each in await bench.world.replicas.of_place("shop", "production"))
    bench.engine.calls.clear()
    if listens:
        async with listening(bench):
            await until(lambda: len([call for call in bench.engine.calls if call[0] == "events"]) > 1)
            await restart_engine(bench, crashed=crashed)
            await until_told(bench, "service.interrupted")
    else:
        await bench.world.checkups.stop()
        await restart_engine(bench, crashed=crashed)
        await bench.restart()
    for _ in range(3):
        await listen_once(bench)
        await bench.world.reconciler.tick()

    [told_once] = await told(bench, "service.interrupted")
    assert told_once.message == "ended as the engine, or the whole host, was restarted: web (2 replicas)"
    assert (told_once.project, told_once.environment) == ("shop", "production")
    assert told_once.data["containers"] == there
    assert await told(bench, "service.died") == []


async def restart_engine(bench: Bench, *, crashed: bool) -> None:
    """Let the engine end and begin again."""
    await bench.engine.go_down(crashed=crashed)
    await asyncio.sleep(0.1)
    await bench.engine.come_back()


async def test_a_loop_is_stopped_on_return(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended again and again meanwhile is told once, with how often, and stopped."""
    monkeypatch.setattr(crash_loops, "LIMITS", Limits(deaths=3))
    app = await left_alone(bench)
    app.broken = True
    app.end(3)
    await until(lambda: app.starts > 3)

    await bench.restart()
    async with listening(bench):
        await until_told(bench, "service.crash-looping")

    [death] = await told(bench, "service.died")
    [container] = await bench.world.replicas.of_place("shop", "production")
    assert int(str(death.data["times"])) >= 3
    assert f"ended by itself {death.data['times']} times while no daemon was there" in death.message
    assert container.state == "exited"


async def test_what_is_steady_again_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended again and again, and has run well for long since, is told and not stopped."""
    monkeypatch.setattr(crash_loops, "LIMITS", Limits(deaths=2, steady=timedelta(seconds=1)))
    app = await left_alone(bench)
    app.broken = True
    app.end(3)
    await until(lambda: app.starts > 3)
    app.broken = False
    async with asyncio.timeout(WITHIN):
        while not await is_steady(bench):
            await asyncio.sleep(0.05)

    await bench.restart()
    await listen_once(bench)

    assert len(await told(bench, "service.died")) == 1
    assert await told(bench, "service.crash-looping") == []


async def is_steady(bench: Bench) -> bool:
    """Whether the replica has run for long enough."""
    [container] = await bench.world.replicas.of_place("shop", "production")
    return bench.world.loops.is_steady(container)


async def test_a_first_daemon_tells_nothing_of_before(bench: Bench) -> None:
    """What happened before anybody listened for the first time is nobody's news."""
    app = await deployed(bench)
    app.end(7)
    await until(lambda: app.starts > 1)

    await listen_once(bench)

    assert await told(bench, "service.died") == []


async def test_what_is_not_live_any_more_is_not_told(bench: Bench) -> None:
    """A container that was replaced meanwhile, or is gone, is nobody's replica."""
    app = await left_alone(bench)
    app.end(7)
    await until(lambda: app.starts > 1)
    assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted, bench.text()
    await bench.until_containers(1)

    await listen_once(bench)

    assert await told(bench, "service.died") == []
