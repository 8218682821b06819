"""`init` before every new replica and `shutdown` before every SIGTERM, by a command or by a job, whatever the reason."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hostess.domain import labels
from hostess.domain.problem import Problem
from tests.fakes.programs import Box, Program, echo, listening, task
from tests.integration.release.test_switch import before
from tests.world import Bench, web

HOST = "shop-web.localhost"
HOOKS = "    command: [/watched]\n    lifecycle: {{init: {{{init}}}, shutdown: {{{shutdown}, timeout: 5s}}}}\n"
JOBS = """jobs:
  prepare: {image: plain:1, command: [prepare], run: lifecycle, env: {WHO: "${service.name}"}, retries: 1}
  flush: {image: plain:1, command: [flush], run: lifecycle, timeout: 2s, retries: 0}
"""
STORE = """  store:
    type: custom
    image: plain:1
    command: [/store]
    ports: [9000]
    persistence: {{mount: /data}}
    lifecycle: {{shutdown: {{command: [bye], timeout: 7s}}}}
    env: {{MARK: "{mark}"}}
"""
Act = Callable[[Bench], Awaitable[object]]


def noting(order: list[str], name: str, code: int = 0) -> Program:
    """Return a program that notes that it ran."""

    async def program(box: Box) -> int:
        order.append(name)
        box.out(f"{name} of {box.env.get('WHO', 'somebody')}")
        return code

    return program


def watched(order: list[str]) -> Program:
    """Return the test server, which notes that it started, and that it was told to end."""

    async def program(box: Box) -> int:
        order.append("web")
        code = await echo(box)
        order.append("SIGTERM")
        return code

    return program


def hooked(kind: str, mark: str = "a", more: str = "") -> dict[str, str]:
    """Return a stack whose web has both hooks, by "command" or by "job"."""
    init, shutdown = ("job: prepare", "job: flush") if kind == "job" else ("command: [prepare]", "command: [flush]")
    return web("plain:1", mark, HOOKS.format(init=init, shutdown=shutdown) + more + (JOBS if kind == "job" else ""))


async def ended(bench: Bench, begun: str) -> None:
    """Wait for a deployment that has to go live."""
    deployment = await bench.world.deployments.ended(begun)
    assert deployment.state == "live", deployment.problem


async def pushes(bench: Bench, files: dict[str, str]) -> None:
    """Push what has to be accepted."""
    verdict = await bench.push("shop", files)
    assert verdict.accepted, bench.text()


async def scales(bench: Bench, count: int) -> None:
    """Scale web."""
    await ended(bench, await bench.world.deployments.scale("shop", "production", {"web": count}, "tester"))


async def restarts(bench: Bench, service: str = "web") -> None:
    """Restart a service."""
    await ended(bench, await bench.world.deployments.restart("shop", "production", (service,), "tester"))


async def loses_one(bench: Bench) -> None:
    """Lose a container of web, and let it be repaired."""
    for container in await bench.world.replicas.of_place("shop", "production"):
        await bench.engine.remove(container.id)
    await bench.world.reconciler.tick()


async def rolls_back(bench: Bench) -> None:
    """Go back to the first release."""
    await ended(bench, await bench.world.deployments.rollback("shop", "production", 1, "tester"))


async def settled(bench: Bench) -> None:
    """Wait until nothing is being retired any more."""
    async with asyncio.timeout(10):
        while await bench.journal.tasks():
            await asyncio.sleep(0.01)


# ---- init ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["command", "job"])
@pytest.mark.parametrize(
    ("act", "times"), [(lambda b: scales(b, 3), 2), (restarts, 1), (loses_one, 1)], ids=["scale", "restart", "repair"]
)
async def test_init_runs_before_each_new_replica(bench: Bench, kind: str, act: Act, times: int) -> None:
    """A replica that a scale, a restart or a repair starts is preceded by `init`, as one that a push starts is."""
    order: list[str] = []
    bench.engine.commands |= {"prepare": noting(order, "init"), "flush": task(0), "/watched": watched(order)}
    await pushes(bench, hooked(kind))
    assert order == ["init", "web"]
    order.clear()

    await act(bench)
    await settled(bench)

    assert sorted(each for each in order if each != "SIGTERM") == ["init"] * times + ["web"] * times
    assert order[0] == "init"


@pytest.mark.parametrize("kind", ["command", "job"])
async def test_a_rollback_runs_no_init(bench: Bench, kind: str) -> None:
    """A rollback starts replicas of the old release, and runs no `init` for them."""
    order: list[str] = []
    bench.engine.commands |= {"prepare": noting(order, "init"), "flush": task(0), "/watched": watched(order)}
    await pushes(bench, hooked(kind))
    await pushes(bench, hooked(kind, "b"))
    order.clear()

    await rolls_back(bench)

    assert "web" in order
    assert "init" not in order


async def test_a_job_as_init_sees_the_volumes_of_the_service(bench: Bench) -> None:
    """The job runs from its own image with its own environment, sees the service's volumes, and leaves a run behind."""
    bench.engine.commands |= {"prepare": noting([], "init"), "flush": task(0), "/watched": echo}
    await pushes(bench, hooked("job", more="    persistence: {mount: /data}\n"))

    [made] = [spec for spec in bench.engine.created if spec.command == ("prepare",)]
    [run] = await bench.journal.runs("shop", "production", "prepare")
    [volume] = made.volumes

    assert made.volumes[volume] == "/data"
    assert made.env["WHO"] == "prepare"
    assert "MARK" not in made.env
    assert (run.trigger, run.outcome) == ("init", "done")
    assert await bench.engine.volumes({labels.SERVICE: "web"}) == [volume]
    assert "init of web.1: job prepare: prepare" in bench.text()
    assert "init of prepare" in bench.text()


async def test_a_job_as_init_that_fails_fails_the_release(bench: Bench) -> None:
    """It is tried again as often as the job says; then the deployment fails, and no replica was started."""
    order: list[str] = []
    bench.engine.commands |= {"prepare": noting(order, "init", 4), "/watched": watched(order)}

    verdict = await bench.push("shop", hooked("job"))

    assert verdict.reason == "init of web failed: the job prepare failed: exit 4"
    assert order == ["init", "init"]
    assert await bench.world.replicas.of_place("shop", "production") == []


async def test_what_a_job_as_init_depends_on_is_there_before(bench: Bench) -> None:
    """A service that the job depends on is up before the job runs, though the service with the hook does not name it."""
    order: list[str] = []

    async def cache(box: Box) -> int:
        order.append("cache")
        return await listening(9000)(box)

    bench.engine.commands |= {"prepare": noting(order, "init"), "flush": task(0), "/watched": echo, "/cache": cache}
    files = hooked("job", more="  cache: {type: custom, image: plain:1, command: [/cache], ports: [9000]}\n")
    text = files["hostess.yml"].replace("retries: 1}", "depends_on: [cache]}")

    await pushes(bench, {"hostess.yml": text})

    assert order == ["cache", "init"]


# ---- shutdown ------------------------------------------------------------------------------------------------------------


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
    async with asyncio.timeout(10):
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
