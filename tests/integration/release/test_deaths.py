"""What ends by itself: told with its evidence, stopped when it goes on, and tried again later."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from hostess.domain.crash_loops import Limits
from hostess.domain.records import Event
from hostess.services.keeping import crash_loops
from tests.fakes.building import Recipe
from tests.fakes.programs import Box, echo
from tests.world import Bench, web

HOST = "shop-web.localhost"
WITHIN = 25


@pytest.fixture
async def bench(bench: Bench) -> AsyncIterator[Bench]:
    """Give the installation with somebody who listens for deaths."""
    async with listening(bench):
        yield bench
    await bench.world.checkups.stop()


@asynccontextmanager
async def listening(bench: Bench) -> AsyncIterator[None]:
    """Listen for deaths meanwhile, as a daemon does."""
    task = asyncio.create_task(bench.world.deaths.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class App:
    """A server that ends when it is told to, with that exit code; *broken*: at once at each start."""

    def __init__(self) -> None:
        self.broken = False
        self.starts = 0
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __call__(self, box: Box) -> int:
        """Serve until then."""
        self.starts += 1
        if self.broken:
            box.err("Traceback: no such table")
            return 3
        serving = asyncio.ensure_future(echo(box))
        self._end = asyncio.get_running_loop().create_future()
        await asyncio.wait({serving, self._end}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        if not self._end.done():
            return 0
        box.err("bye")
        return self._end.result()

    def end(self, code: int) -> None:
        """End it."""
        self._end.set_result(code)


async def deployed(bench: Bench, more: str = "") -> App:
    """Deploy an app."""
    app = App()
    bench.engine.add_image("app:1", Recipe({"/app": app}, cmd=("/app",), env={"PORT": "8000", "VERSION": "1"}))
    assert (await bench.push("shop", web("app:1", more=more))).accepted, bench.text()
    await bench.world.checkups.look()
    return app


async def told(bench: Bench, kind: str) -> list[Event]:
    """Return the events of a kind."""
    return [event for event in await bench.journal.events(limit=1000) if event.kind == kind]


async def until_told(bench: Bench, kind: str, times: int = 1) -> list[Event]:
    """Wait until so many events of a kind were told, and return them."""
    async with asyncio.timeout(WITHIN):
        while len(found := await told(bench, kind)) < times:
            await asyncio.sleep(0.02)
    return found


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(WITHIN):
        while not holds():
            await asyncio.sleep(0.02)


async def test_a_death_is_told_with_its_evidence(bench: Bench) -> None:
    """Exit code and last lines are in the event; that it began again, and is well again, follows."""
    app = await deployed(bench)

    app.end(7)
    [death] = await until_told(bench, "service.died")
    [start] = await until_told(bench, "service.started")
    [well] = await until_told(bench, "service.healthy")

    assert death.message.startswith("a replica of web ended by itself after")
    assert death.message.endswith(": exit code 7")
    assert (death.data["exit_code"], death.data["out_of_memory"], death.data["service"]) == (7, False, "web")
    assert "bye" in str(death.data["tail"])
    assert [each.data["state"] for each in (death, start, well)] == ["restarting", "starting", "healthy"]


async def test_want_of_memory_is_told(bench: Bench) -> None:
    """That the kernel killed it for want of memory is told, also when the engine says so a moment later."""
    app = await deployed(bench)
    [container] = await bench.world.replicas.of_place("shop", "production")

    app.end(137)
    await until(lambda: app.starts > 1)
    bench.engine.happens("oom", container.id)
    [death] = await until_told(bench, "service.died")

    assert death.data["out_of_memory"] is True
    assert "it needed more memory than its" in death.message


async def test_a_process_inside_that_was_killed_is_told(bench: Bench) -> None:
    """Where the replica lives on, an event says that something inside of it was killed."""
    await deployed(bench)
    [container] = await bench.world.replicas.of_place("shop", "production")

    bench.engine.happens("oom", container.id)
    [event] = await until_told(bench, "service.out-of-memory")

    assert event.message.startswith("the kernel killed a process inside a replica of web")
    assert await told(bench, "service.died") == []


async def test_what_was_asked_for_is_no_death(bench: Bench) -> None:
    """A stop, a deployment and a restart by a check tell of no death."""
    await deployed(bench)
    [container] = await bench.world.replicas.of_place("shop", "production")
    await bench.engine.stop(container.id, timedelta(seconds=5))
    await bench.world.reconciler.tick()
    assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted, bench.text()
    await bench.until_containers(1)
    [other] = await bench.world.replicas.of_place("shop", "production")
    bench.engine.happens("oom", other.id)
    await until_told(bench, "service.out-of-memory")  # all that was before has been heeded

    assert await told(bench, "service.died") == []


@pytest.mark.parametrize("stops", [["kill", "die", "start"], ["kill", "die", "start", "kill", "die"]])
async def test_stops_that_are_heard_of_together(bench: Bench, stops: list[str]) -> None:
    """Stops and starts that are heard of all at once are no deaths, and end nothing: what ends by itself afterwards is told."""
    app = await deployed(bench)
    [container] = await bench.world.replicas.of_place("shop", "production")
    for what in stops:
        bench.engine.happens(what, container.id, 0 if what == "die" else None)
    bench.engine.happens("oom", container.id)
    await until_told(bench, "service.out-of-memory")  # all that was before has been heeded

    app.end(7)
    [death] = await until_told(bench, "service.died")

    assert death.data["exit_code"] == 7


async def test_a_life_ends_when_it_ended(bench: Bench) -> None:
    """A replica that died and was started again before anybody could look lived until its death, and not until that start."""
    await deployed(bench)
    [container] = await bench.world.replicas.of_place("shop", "production")
    bench.engine.happens("die", container.id, 3)
    bench.engine.happens("start", container.id)

    [death] = await until_told(bench, "service.died")

    assert death.message.startswith("a replica of web ended by itself after ")
    assert "after -" not in death.message


async def looping(bench: Bench, monkeypatch: pytest.MonkeyPatch, rest: timedelta) -> App:
    """Deploy an app that ends three times in a row, and is stopped for it."""
    limits = Limits(deaths=3, steady=timedelta(minutes=1), first=rest, longest=rest)
    monkeypatch.setattr(crash_loops, "LIMITS", limits)
    app = await deployed(bench)
    app.broken = True
    app.end(1)
    await until_told(bench, "service.crash-looping")
    return app


async def test_a_crash_loop_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither started by the engine, nor by a repair, nor by another daemon; one event says so. A push mends it."""
    app = await looping(bench, monkeypatch, timedelta(hours=1))
    starts = app.starts
    for _ in range(3):
        await bench.world.reconciler.tick()
    await bench.restart()
    await bench.world.reconciler.tick()

    [event] = await told(bench, "service.crash-looping")
    [container] = await bench.world.replicas.of_place("shop", "production")
    assert event.message.startswith("a replica of web ended 3 times in a row and is stopped; it is tried again at")
    assert (event.data["state"], event.data["deaths"]) == ("crash-looping", 3)
    assert container.state == "exited"
    assert app.starts == starts
    assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted, bench.text()
    assert await bench.get(HOST) == "200 2"


async def test_a_crash_loop_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its rest a repair starts it; one that ends again rests again after a single try, and one that lives serves."""
    app = await looping(bench, monkeypatch, timedelta(seconds=1))
    async with asyncio.timeout(WITHIN):
        while len(await told(bench, "service.crash-looping")) == 1:
            await bench.world.reconciler.tick()
            await asyncio.sleep(0.05)
    app.broken = False
    async with asyncio.timeout(WITHIN):
        while await bench.get(HOST) != "200 1":
            await bench.world.reconciler.tick()
            await asyncio.sleep(0.05)

    [container] = await bench.world.replicas.of_place("shop", "production")
    assert container.state == "running"
    assert bench.world.loops.lasts(container)


async def test_who_waits_for_others_is_not_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While what it depends on does not run a service may end as often as it likes."""
    monkeypatch.setattr(crash_loops, "LIMITS", Limits(deaths=2))
    files = web("app:1", more="    depends_on: [inner]\n")
    files["hostess.yml"] += (
        "  inner: {type: custom, image: inner:1, ports: [8000], health: {http: /health, interval: 1h}}\n"
    )
    app = App()
    bench.engine.add_image("inner:1", Recipe({"/echo": echo}, cmd=("/echo",), env={"PORT": "8000", "VERSION": "1"}))
    bench.engine.add_image("app:1", Recipe({"/app": app}, cmd=("/app",), env={"PORT": "8000", "VERSION": "1"}))
    assert (await bench.push("shop", files)).accepted, bench.text()
    inner = next(c for c in await bench.world.replicas.of_place("shop", "production") if "inner" in c.name)
    await bench.engine.stop(inner.id, timedelta(seconds=5))
    app.broken = True
    app.end(1)
    await until_told(bench, "service.died", 4)
    assert await told(bench, "service.crash-looping") == []

    await bench.engine.start(inner.id)
    await until_told(bench, "service.crash-looping")
