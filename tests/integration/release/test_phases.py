"""Each failure is told with the phase that it happened in: to the pusher, in the record, in what `deployments inspect` asks for."""

from collections.abc import Callable

import pytest

from hostess.domain.releases.release import State
from tests.fakes.programs import Box, task
from tests.integration.release.test_switch import before
from tests.world import Bench, web

JOB = """jobs:
  seed: {image: plain:1, run: on_deploy, retries: 0, command: [fails]}
"""
WORKER = """  beat: {{type: custom, image: hostess-test/echo:{}, command: [/worker], health: {{command: [fine], interval: 1s, retries: 1}}}}
"""
BUILT = web()["hostess.yml"].replace("image: hostess-test/echo:1", "build: {source: .}")
LIFECYCLE = "    lifecycle: {{{}: {{command: [fails], on_failure: {}}}}}\n"


async def lives(box: Box) -> int:
    """Be a worker."""
    await box.stopping.wait()
    return 0


def no_memory(bench: Bench) -> None:
    """Let the host have no room for a new replica."""
    bench.meter.available = 1024**2


def no_answer(bench: Bench) -> None:
    """Let the proxy answer the proof badly."""
    bench.router.proof = (502, "unreachable")


def nothing(_: Bench) -> None:
    """Change nothing."""


@pytest.mark.parametrize(
    ("files", "happens", "phase"),
    [
        (web(mark="${secret:MISSING}"), nothing, "prepare"),
        ({"hostess.yml": BUILT, "Dockerfile": "FROM hostess-test/echo:1\nRUN false\n"}, nothing, "build"),
        (web("hostess-test/echo:none"), nothing, "build"),
        (web("plain:1", more=LIFECYCLE.format("migrate", "abort")), nothing, "migrate"),
        (web(mark="b", more=JOB), nothing, "jobs"),
        (web("hostess-test/echo:broken"), nothing, "start"),
        (web(mark="b"), no_memory, "start"),
        (web(mark="b", more=WORKER.format("broken")), nothing, "hand over"),
        (web(mark="b"), no_answer, "prove"),
        (web("plain:1", more=LIFECYCLE.format("post_deploy", "rollback")), nothing, "post_deploy"),
    ],
)
async def test_a_failure_names_its_phase(
    bench: Bench, files: dict[str, str], happens: Callable[[Bench], None], phase: str
) -> None:
    """Failure line and record have the name of the phase that failed."""
    bench.engine.commands |= {"fails": task(1, "no"), "/worker": lives, "fine": task(0)}
    before_it = web(more=WORKER.format("1")) if phase == "hand over" else web()
    assert (await bench.push("shop", before_it)).accepted, bench.text()
    bench.engine.commands["/worker"] = task(1)
    happens(bench)

    verdict = await bench.push("shop", files)

    [deployment, *_] = await bench.journal.deployments("shop")
    assert not verdict.accepted
    assert deployment.state is State.FAILED
    assert (deployment.phase, (deployment.problem or {})["phase"]) == (phase, phase), bench.text()
    assert f"\n !     {phase}: " in bench.text()


async def test_a_running_deployment_tells_where_it_is(bench: Bench) -> None:
    """While a deployment runs its record has the phase that it is in."""
    seen: dict[str, str] = {}

    async def look(*args: object, **_: object) -> None:
        [deployment] = await bench.journal.deployments("shop")
        seen[str(args[0])] = deployment.phase

    async def build(*_: object) -> None:
        await look("build")

    async def start(*_: object) -> None:
        await look("start")

    before(bench.engine, "build", build)
    before(bench.engine, "start", start)
    before(bench.router, "prove", lambda *_: look("prove"))
    await bench.push("shop", {"hostess.yml": BUILT, "Dockerfile": "FROM hostess-test/echo:1\n"})

    assert seen == {"build": "build", "start": "start", "prove": "prove"}
    [deployment] = await bench.journal.deployments("shop")
    assert {"prepare", "build", "start", "switch", "prove"} <= set(deployment.seconds)
    assert deployment.phase == ""
