"""The hook init: what runs before every new replica, by a command or by a job, whatever the reason."""

from collections.abc import Awaitable, Callable

import pytest

from hostess.domain import labels
from tests.fakes.programs import Box, echo, listening, task
from tests.integration.release.hooks import (
    hooked,
    loses_one,
    noting,
    pushes,
    restarts,
    rolls_back,
    scales,
    settled,
    watched,
)
from tests.world import Bench

Act = Callable[[Bench], Awaitable[object]]


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
