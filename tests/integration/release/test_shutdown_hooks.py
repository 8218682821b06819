"""The hook shutdown: what runs between the last request and SIGTERM, by a command or by a job, whatever the reason."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hostess.domain import labels
from hostess.domain.problem import Problem
from tests.fakes.programs import Box, echo, listening, task
from tests.integration.release.hooks import HOST, STORE, hooked, noting, pushes, restarts, scales, settled, watched
from tests.integration.release.test_switch import before
from tests.world import Bench, web

Act = Callable[[Bench], Awaitable[object]]


@pytest.mark.parametrize("kind", ["command", "job"])
async def test_shutdown_runs_between_the_last_request_and_sigterm(bench: Bench, kind: str) -> None:
    """The hook runs once the replica has left the table and was drained, to its end; only then comes SIGTERM (scenario 19)."""
    order: list[str] = []

    async def flush(_: Box) -> int:
        [old] = set(bench.router.drains[-1])
        assert old not in bench.router.routes[HOST]
        order.append("shutdown")
        return 0

    bench.engine.commands |= {"prepare": task(0), "flush": flush, "/watched": watched(order)}
    await pushes(bench, hooked(kind))
    await pushes(bench, hooked(kind, "b"))
    await settled(bench)

    assert order == ["web", "web", "shutdown", "SIGTERM"]


ENDS: dict[str, tuple[dict[str, str], Act]] = {
    "handed over": (
        web("plain:1", more=STORE.format(mark="a")),
        lambda b: pushes(b, web("plain:1", more=STORE.format(mark="b"))),
    ),
    "restarted": (web("plain:1", more=STORE.format(mark="a")), lambda b: restarts(b, "store")),
    "removed from the file": (web("plain:1", more=STORE.format(mark="a")), lambda b: pushes(b, web("plain:1"))),
    "its environment removed": (
        web("plain:1", more=STORE.format(mark="a")),
        lambda b: b.world.removal.remove_environment("shop", "production", lambda _: False),
    ),
    "its project removed": (web("plain:1", more=STORE.format(mark="a")), lambda b: b.world.removal.remove("shop")),
}


@pytest.mark.parametrize("end", list(ENDS))
async def test_every_end_knows_command_and_time(bench: Bench, end: str) -> None:
    """However a service ends, its shutdown command runs once inside, and it gets its own time between SIGTERM and SIGKILL."""
    graces: dict[str, timedelta] = {}

    async def note(container: str, grace: timedelta) -> None:
        found = await bench.engine.container(container)
        if found is not None and found.labels[labels.SERVICE] == "store":
            graces.setdefault(container, grace)

    bench.engine.commands |= {"/store": listening(9000), "bye": task(0)}
    files, act = ENDS[end]
    await pushes(bench, files)
    before(bench.engine, "stop", note)

    await act(bench)
    await settled(bench)

    assert [call for call in bench.engine.calls if call[0] == "execute"] == [("execute", "bye")]
    assert list(graces.values()) == [timedelta(seconds=7)]


async def test_scaling_down_runs_shutdown_for_each_that_goes(bench: Bench) -> None:
    """Of three replicas of which one stays two are told, each once."""
    order: list[str] = []
    bench.engine.commands |= {"prepare": task(0), "flush": noting(order, "shutdown"), "/watched": echo}
    await pushes(bench, hooked("job"))
    await scales(bench, 3)

    await scales(bench, 1)
    await settled(bench)

    assert order == ["shutdown"] * 2
    await bench.until_containers(1)


async def test_what_depends_on_others_ends_before_them(bench: Bench) -> None:
    """When an environment is removed, a job as shutdown still finds what its service depends on."""
    order: list[str] = []

    async def store(box: Box) -> int:
        code = await listening(9000)(box)
        order.append("store ends")
        return code

    bench.engine.commands |= {"prepare": task(0), "flush": noting(order, "flush"), "/watched": echo, "/store": store}
    await pushes(
        bench,
        hooked(
            "job",
            more="    depends_on: [store]\n  store: {type: custom, image: plain:1, command: [/store], ports: [9000]}\n",
        ),
    )

    await bench.world.removal.remove_environment("shop", "production", lambda _: False)

    assert order == ["flush", "store ends"]
    assert await bench.world.replicas.of_place("shop", "production") == []


@pytest.mark.parametrize("kind", ["command", "job"])
async def test_a_failing_shutdown_is_told_and_stops_nothing(bench: Bench, kind: str) -> None:
    """A hook that fails is an event with its exit code; the replica is stopped and removed all the same."""
    bench.engine.commands |= {"prepare": task(0), "flush": task(6), "/watched": echo}
    await pushes(bench, hooked(kind))
    await pushes(bench, hooked(kind, "b"))
    await settled(bench)

    await bench.until_containers(1)
    [told] = [event for event in await bench.journal.events(project="shop") if event.kind == "service.shutdown-failed"]
    assert "shutdown of web failed" in told.message
    assert "exit 6" in told.message


async def test_a_job_as_shutdown_ends_at_its_timeout(bench: Bench) -> None:
    """A job that does not end is killed at its own timeout, and the replica is stopped then."""

    async def hang(box: Box) -> int:
        await box.stopping.wait()
        return 0

    bench.engine.commands |= {"prepare": task(0), "flush": hang, "/watched": echo}
    await pushes(bench, hooked("job"))
    await pushes(bench, hooked("job", "b"))
    await settled(bench)

    [run] = await bench.journal.runs("shop", "production", "flush")
    assert (run.trigger, run.outcome) == ("shutdown", "timeout")
    await bench.until_containers(1)


async def test_a_job_as_shutdown_survives_the_daemon(bench: Bench) -> None:
    """A daemon that dies while the job runs leaves it running; the next one waits for it, runs no second one, and goes on."""
    order: list[str] = []
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def flush(_: Box) -> int:
        order.append("shutdown")
        begun.set()
        await let_go.wait()
        return 0

    bench.engine.commands |= {"prepare": task(0), "flush": flush, "/watched": watched(order)}
    await pushes(bench, hooked("job"))
    await pushes(bench, hooked("job", "b"))
    await begun.wait()

    await bench.restart()
    await bench.world.reconciler.tick()
    let_go.set()
    await settled(bench)

    assert order == ["web", "web", "shutdown", "SIGTERM"]
    [run] = await bench.journal.runs("shop", "production", "flush")
    assert (run.outcome, run.exit_code) == ("done", 0)
    await bench.until_containers(1)


async def test_a_job_as_shutdown_of_what_vanished_is_not_left_open(bench: Bench) -> None:
    """Where somebody removed the replica while the daemon was away, the job ends as it would have, and its record is closed."""
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def flush(_: Box) -> int:
        begun.set()
        await let_go.wait()
        return 0

    bench.engine.commands |= {"prepare": task(0), "flush": flush, "/watched": echo}
    await pushes(bench, hooked("job"))
    await pushes(bench, hooked("job", "b"))
    await begun.wait()
    [left] = await bench.journal.tasks()
    await bench.stop()
    await bench.engine.remove(str(left.payload["container"]))

    await bench.restart()
    let_go.set()
    await settled(bench)

    [run] = await bench.journal.runs("shop", "production", "flush")
    assert run.outcome == "done"
    await bench.until_containers(1)


@pytest.mark.parametrize("kind", ["command", "job"])
async def test_shutdown_never_runs_twice_for_one_replica(bench: Bench, kind: str) -> None:
    """When stopping the replica fails, or the daemon dies then, the hook that has run is not run once more."""
    order: list[str] = []
    bench.engine.commands |= {"prepare": task(0), "flush": noting(order, "shutdown"), "/watched": echo}
    bench.engine.fail["stop"] = Problem("engine-unreachable", "away for a moment")
    await pushes(bench, hooked(kind))
    await pushes(bench, hooked(kind, "b"))
    async with asyncio.timeout(25):
        while not [one for one in await bench.journal.tasks() if one.attempts]:
            await asyncio.sleep(0.01)

    await bench.restart()
    [left] = await bench.journal.tasks()
    replica = await bench.engine.container(str(left.payload["container"]))
    assert replica is not None
    await bench.world.retirement.gone([replica])

    assert order == ["shutdown"]
    await bench.until_containers(1)


async def test_a_job_that_was_not_begun_runs_after_a_restart(bench: Bench) -> None:
    """A daemon that dies between writing the run down and starting its container leaves it to the next one."""
    order: list[str] = []
    bench.engine.commands |= {"prepare": task(0), "flush": noting(order, "shutdown"), "/watched": echo}
    await pushes(bench, hooked("job"))
    died = asyncio.Event()

    async def die(*_: object) -> None:
        if await bench.journal.runs("shop", "production", "flush") and not died.is_set():
            died.set()
            await asyncio.Event().wait()

    before(bench.engine, "create", die)
    await pushes(bench, hooked("job", "b"))
    await died.wait()

    await bench.restart()
    await settled(bench)

    assert order == ["shutdown"]
    [run] = await bench.journal.runs("shop", "production", "flush")
    assert run.outcome == "done"


async def test_what_is_written_down_for_a_retirement_holds_no_secret(bench: Bench) -> None:
    """The task in the journal names release and job; values of the job's environment are looked up only when it runs."""
    bench.engine.commands |= {"prepare": task(0), "flush": task(0), "/watched": echo}
    text = hooked("job")["hostess.yml"].replace("timeout: 2s", 'timeout: 2s, env: {KEY: "${secret:KEY}"}')
    await bench.push("shop", {"hostess.yml": text})
    await bench.world.secrets.add("shop", "production", "KEY", "sentinel-of-mine")
    await pushes(bench, {"hostess.yml": text})
    bench.router.holding = asyncio.Event()

    await pushes(bench, {"hostess.yml": text.replace('MARK: "a"', 'MARK: "b"')})
    [left] = await bench.journal.tasks()
    bench.router.holding.set()
    await settled(bench)

    assert "sentinel-of-mine" not in str(left.payload)
    [made] = [spec for spec in bench.engine.created if spec.command == ("flush",)]
    assert made.env["KEY"] == "sentinel-of-mine"
