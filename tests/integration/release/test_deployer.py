"""What a deployment does and takes back, step by step."""

import asyncio

import pytest

from hostess.domain import labels
from hostess.domain.hostess_yml.stack import Health
from hostess.domain.problem import Problem
from hostess.domain.releases.release import State
from tests.build import a_release, a_workload
from tests.fakes.programs import Box, echo, task
from tests.world import Bench, web

HOST = "shop-web.localhost"
WORKER = """  beat:
    type: custom
    image: plain:1
    health: {{command: [fine], interval: 1s}}
    env: {{MARK: "{mark}"}}
"""


async def test_second_version_replaces_the_first(bench: Bench) -> None:
    """The table names only new replicas after a push, and the old ones are drained and removed."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    old = bench.router.routes[HOST]

    assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted, bench.text()

    assert await bench.get(HOST) == "200 2"
    assert not set(old) & set(bench.router.routes[HOST])
    await bench.until_containers(1)
    assert (old[0],) in bench.router.drains


async def test_an_unhealthy_replica_changes_nothing(bench: Bench) -> None:
    """A release that crashes at its start leaves the old one serving and nothing behind (12)."""
    await bench.push("shop", web())
    before = await bench.world.replicas.of_place("shop", "production")

    verdict = await bench.push("shop", web("hostess-test/echo:broken"))

    assert not verdict.accepted
    assert "stopped right after its start (exit code 3)" in verdict.reason
    assert await bench.get(HOST) == "200 1"
    assert [c.id for c in await bench.world.replicas.of_place("shop", "production")] == [c.id for c in before]


async def test_failed_proof_takes_the_switch_back(bench: Bench) -> None:
    """When the proxy's own listener does not serve the new release, the previous table is back and the ref stays."""
    await bench.push("shop", web())
    first = await bench.live("shop")
    bench.router.proof = (502, "upstream")

    verdict = await bench.push("shop", web("hostess-test/echo:2"))

    assert "own listener answered" in verdict.reason
    assert "`hostess doctor` looks at the proxy" in bench.text()
    assert await bench.live("shop") == first
    assert await bench.get(HOST) == "200 1"


async def test_a_proof_that_the_service_itself_failed_says_so(bench: Bench) -> None:
    """Where it was the service that answered badly, once its check had passed, nobody is sent to look at the proxy."""
    await bench.push("shop", web())
    bench.router.proof = (503, "")

    verdict = await bench.push("shop", web("hostess-test/echo:2"))

    assert "with 503" in verdict.reason
    assert "web itself answered so" in bench.text()
    assert "hostess doctor" not in bench.text()
    assert await bench.get(HOST) == "200 1"


async def test_the_proof_asks_each_port_for_what_it_has(bench: Bench) -> None:
    """The health path is asked for at the port that the check is about, and there only; another public port needs to answer at all."""
    hosts = {number: (f"port-{number}.localhost",) for number in (8001, 8002)}
    first = a_workload("first", ports=(8000, 8001, 8002), hosts=hosts, health=Health(http="/health"))
    second = a_workload("second", ports=(8000, 8001, 8002), hosts=hosts, health=Health(http="/health", port=8002))
    release = a_release(first, second)
    bench.router.proof = (404, "")

    await bench.world.routing.prove(release, ["first"], bench.said.append)
    with pytest.raises(Problem, match=r"GET /health of port-8002\.localhost with 404"):
        await bench.world.routing.prove(release, ["second"], bench.said.append)

    asked = [("port-8001.localhost", "/"), ("port-8002.localhost", "/")]
    assert bench.router.proved == [*asked, ("port-8001.localhost", "/"), ("port-8002.localhost", "/health")]


async def test_singleton_is_stopped_before_its_successor_starts(bench: Bench) -> None:
    """A worker with one replica never runs twice, and when its successor fails it is started again."""
    alive: list[str] = []
    most = 0

    async def watched(box: Box) -> int:
        nonlocal most
        if box.env["MARK"] == "three":
            return 3
        alive.append(box.env["MARK"])
        most = max(most, len(alive))
        try:
            await box.stopping.wait()
        finally:
            alive.remove(box.env["MARK"])
        return 0

    bench.engine.commands |= {"/echo-worker": watched, "fine": task(0)}
    more = WORKER + "    command: [/echo-worker]\n"
    assert (await bench.push("shop", web(more=more.format(mark="one")))).accepted, bench.text()
    assert (await bench.push("shop", web(more=more.format(mark="two")))).accepted, bench.text()
    assert alive == ["two"]

    verdict = await bench.push("shop", web(more=more.format(mark="three")))

    assert not verdict.accepted
    assert "serves; started again after a pause: beat" in bench.text()
    assert alive == ["two"]
    assert most == 1


async def test_a_failed_push_ends_when_what_it_stopped_serves_again(bench: Bench) -> None:
    """What was stopped to be handed over and is started again is well when the pusher reads that it serves."""
    starting = asyncio.Event()

    async def slow(box: Box) -> int:
        if box.env["MARK"] == "b":
            return 3
        if starting.is_set():
            await asyncio.sleep(1)
        starting.set()
        return await echo(box)

    bench.engine.commands["/slow"] = slow
    alone = "    command: [/slow]\n    persistence: {mount: /data}\n"
    assert (await bench.push("shop", web("plain:1", more=alone))).accepted, bench.text()

    assert not (await bench.push("shop", web("plain:1", mark="b", more=alone))).accepted

    assert await bench.get(HOST) == "200 1"


async def test_post_deploy_failure_marks_the_release_degraded(bench: Bench) -> None:
    """A failed post_deploy is never a silent success: the release is live and degraded (22)."""
    bench.engine.commands["tell"] = task(3, "no such webhook")
    hook = "    lifecycle: {post_deploy: {command: [tell]}}\n"

    verdict = await bench.push("shop", web("plain:1", more=hook))

    [deployment] = await bench.journal.deployments("shop")
    assert verdict.accepted
    assert deployment.state is State.DEGRADED
    assert "post_deploy of web failed: exit 3" in bench.text()


async def test_post_deploy_failure_rolls_back_when_asked(bench: Bench) -> None:
    """With on_failure: rollback a failed post_deploy brings the previous release back."""
    await bench.push("shop", web())
    bench.engine.commands["tell"] = task(3)
    hook = "    lifecycle: {post_deploy: {command: [tell], on_failure: rollback}}\n"

    verdict = await bench.push("shop", web("plain:1", mark="b", more=hook))

    live = await bench.live("shop")
    assert not verdict.accepted
    assert live is not None
    assert live.number == 1
    assert await bench.get(HOST) == "200 1"


async def test_migration_runs_before_anything_starts(bench: Bench) -> None:
    """Migrate runs once, to its end, before a new replica exists; a failing one starts nothing (20)."""
    seen: list[int] = []

    async def migrate(box: Box) -> int:
        replicas = [c for c in await bench.world.replicas.of_place("shop", "production") if labels.is_replica(c.labels)]
        seen.append(len(replicas))
        box.out("migrating")
        return 1

    bench.engine.commands["migrate"] = migrate
    hook = "    lifecycle: {migrate: {command: [migrate]}}\n"

    verdict = await bench.push("shop", web("plain:1", more=hook))

    assert verdict.reason == "migrate of web failed: exit 1"
    assert seen == [0]
    assert await bench.world.replicas.of_place("shop", "production") == []
    assert "migrating" in bench.text()


async def test_too_little_memory_is_refused_with_numbers(bench: Bench) -> None:
    """Where old and new do not fit in memory together, the push is refused with the numbers."""
    bench.meter.available = 100 * 1024**2

    verdict = await bench.push("shop", web())

    assert "MB are available" in verdict.reason


async def test_cancelled_deployment_leaves_nothing(bench: Bench) -> None:
    """Cancel means dead: when it returns, the containers of the deployment are gone and the record is final (28)."""
    await bench.push("shop", web())
    pushing = asyncio.create_task(bench.push("shop", web("hostess-test/echo:sick")))
    await bench.until_containers(2)
    [running] = await bench.journal.deployments("shop", states=[State.RUNNING])

    ended = await bench.world.deployments.cancel(running.id)

    assert ended.state is State.CANCELLED
    assert len(await bench.world.replicas.of_place("shop", "production")) == 1
    assert not (await pushing).accepted
    assert await bench.get(HOST) == "200 1"


async def test_finished_deployment_cannot_be_cancelled(bench: Bench) -> None:
    """Cancelling what is final says so (28)."""
    await bench.push("shop", web())
    [deployment] = await bench.journal.deployments("shop")

    try:
        await bench.world.deployments.cancel(deployment.id)
        code = ""
    except Problem as problem:
        code = problem.code

    assert code == "not-cancellable"


async def test_removed_service_goes_and_its_volume_stays(bench: Bench) -> None:
    """A service that left the file is removed after the switch; what it stored stays (23)."""
    store = "  store:\n    type: postgres\n"
    assert (await bench.push("shop", web(more=store))).accepted, bench.text()

    assert (await bench.push("shop", web())).accepted

    instance = labels.of_instance(await bench.journal.instance())
    assert len(await bench.engine.volumes(instance)) == 1
    assert "store: no longer in hostess.yml, it stops after the switch, what it stored stays" in bench.text()
    await bench.until_containers(1)


async def test_an_engine_that_is_down_is_told(bench: Bench) -> None:
    """A push while the engine does not answer fails with one sentence and changes nothing (47)."""
    await bench.push("shop", web())
    bench.engine.unreachable = True

    verdict = await bench.push("shop", web(mark="b"))

    assert not verdict.accepted
    assert "still serves" in bench.text()
