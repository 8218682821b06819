"""What a daemon that comes back, or looks around on its timer, does and leaves alone."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from hostess.domain.hostess_yml.stack import Hook, OnFailure
from hostess.domain.ports import ContainerSpec
from hostess.domain.problem import Problem
from hostess.domain.releases.push import ZERO
from hostess.domain.releases.release import Deployment, Kind, State
from tests.fakes.engine import loopback
from tests.fakes.programs import Box, task
from tests.integration.release.test_switch import FULL, before, once
from tests.world import Bench, web

HOST = "shop-web.localhost"
API = """  api:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    visibility: public
    health: {http: /health, interval: 1s, retries: 3}
"""


async def forever(box: Box) -> int:
    """Run until stopped."""
    await box.stopping.wait()
    return 0


async def left_open(bench: Bench, project: str = "shop") -> Deployment:
    """Write down a deployment that a daemon which died had under way."""
    [newest, *_] = await bench.journal.deployments(project)
    deployment = replace(
        newest, id=f"{project}-dead", state=State.RUNNING, kind=Kind.PUSH, finished_at=None, problem=None
    )
    await bench.journal.add_deployment(deployment)
    return deployment


async def state_of(bench: Bench, deployment: str) -> State:
    """Return the state of a deployment."""
    found = await bench.journal.deployment(deployment)
    assert found is not None
    return found.state


async def test_a_hook_left_running_has_the_time_that_is_its_own(bench: Bench) -> None:
    """A migration that a dead daemon left running is awaited for as long as its own timeout says, and no longer."""
    bench.engine.commands["forever"] = forever
    assert (await bench.push("shop", web("plain:1"))).accepted, bench.text()
    live = await bench.live("shop")
    assert live is not None
    deployment = await left_open(bench)
    begun = deployment.created_at
    await bench.journal.begin_step(deployment.id, "migrate:web", {"seconds": 0.3}, begun)
    [place] = await bench.journal.places("shop")
    hook = Hook(command=("forever",))
    await bench.world.replicas.start_task(place, live, live.workloads["web"], hook, deployment.id, "migrate")

    async with asyncio.timeout(25):
        await bench.world.reconciler.at_boot(asyncio.Event())

    assert await state_of(bench, deployment.id) is State.FAILED
    found = await bench.journal.deployment(deployment.id)
    assert found is not None
    assert "killed after its time" in str((found.problem or {})["what"])
    assert len(await bench.world.replicas.of_place("shop", "production")) == 1


async def test_one_that_cannot_be_finished_does_not_hold_up_the_others(bench: Bench) -> None:
    """At boot, a deployment that cannot be finished yet keeps its own environment locked and no other."""
    for project in ("shop", "blog"):
        assert (await bench.push(project, web())).accepted, bench.text()
    stuck, fine = await left_open(bench, "shop"), await left_open(bench, "blog")
    working = False

    async def fails(deployment: str, *_: object, **__: object) -> None:
        if deployment == stuck.id and not working:
            raise FULL

    before(bench.journal, "steps", fails)
    held = asyncio.Event()
    booting = asyncio.create_task(bench.world.reconciler.at_boot(held))
    await held.wait()
    async with asyncio.timeout(25):
        verdict = await bench.push("blog", web("hostess-test/echo:2"))

    assert verdict.accepted, bench.text()
    assert await state_of(bench, fine.id) is State.FAILED
    assert await state_of(bench, stuck.id) is State.RUNNING
    working = True
    await booting
    assert await state_of(bench, stuck.id) is State.FAILED


async def test_a_bug_in_one_environment_leaves_the_others_looked_after(bench: Bench) -> None:
    """Whatever is raised while one environment is looked after, the others' lost replicas come back."""
    for project in ("blog", "shop"):
        assert (await bench.push(project, web())).accepted, bench.text()
    [lost] = await bench.world.replicas.of_place("shop", "production")
    await bench.engine.remove(lost.id)
    before(bench.journal, "live", once(RuntimeError("never seen before"), lambda project, _: project == "blog"))

    await bench.world.reconciler.tick()

    assert len(await bench.world.replicas.of_place("shop", "production")) == 1
    assert await bench.get(HOST) == "200 1"


async def test_what_was_being_taken_down_goes(bench: Bench) -> None:
    """Where the daemon died while it stopped what is no longer live, the rest is stopped when it looks around; data stays."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    await bench.journal.take_down("shop", "production")

    await bench.world.reconciler.tick()

    await bench.until_containers(0)


async def test_retirement_outlives_a_full_disk(bench: Bench) -> None:
    """When the journal fails while containers are retired, they are retired once it works again."""
    await bench.push("shop", web())
    bench.engine.fail["stop"] = Problem("engine-refused", "the container engine could not stop a container")
    before(bench.journal, "postpone", once(FULL))
    before(bench.journal, "finish_task", once(FULL))
    for version in ("2", "1", "2"):
        assert (await bench.push("shop", web(f"hostess-test/echo:{version}", mark=version))).accepted, bench.text()

    await bench.until_containers(1)
    assert not bench.retiring.done()


async def test_what_is_gone_is_not_drained(bench: Bench) -> None:
    """A retired container that is gone already is not drained: its address may be another's by now, whose requests would be cut."""
    await bench.push("shop", web())
    [target] = bench.router.routes[HOST]
    payload = {"container": "gone", "name": "gone", "targets": [target], "grace": 10.0, "command": []}
    now = (await bench.journal.deployments("shop"))[0].created_at
    await bench.journal.add_task("retire", payload, now)

    await bench.push("shop", web("hostess-test/echo:2"))  # wakes the retirement
    await bench.until_containers(1)
    async with asyncio.timeout(25):
        while await bench.journal.tasks():
            await asyncio.sleep(0.01)

    assert bench.router.drains.count((target,)) == 1


async def test_what_has_to_go_does_not_wait_for_a_clock_that_was_put_back(bench: Bench) -> None:
    """A task that is due in a day, by a clock that was a day ahead when it was written, is carried out at the next look."""
    await bench.push("shop", web())
    now = (await bench.journal.deployments("shop"))[0].created_at
    payload = {"container": "gone", "name": "gone", "targets": []}
    await bench.journal.add_task("retire", payload, now + timedelta(days=1))

    await bench.restart()

    async with asyncio.timeout(25):
        while await bench.journal.tasks():
            await asyncio.sleep(0.01)


async def test_no_address_is_given_away_while_requests_are_led_there(bench: Bench) -> None:
    """What went while no daemon was there leaves the table before anything has its address: nobody gets another app's answer (46)."""
    await bench.push("shop", web(more=API))
    for container in await bench.world.replicas.of_place("shop", "production"):
        await bench.engine.remove(container.id)
    given: list[str] = []

    async def look(spec: ContainerSpec) -> None:
        targets = [target for route in bench.router.routes.values() for target in route]
        given.extend(target for target in targets if target.startswith(f"{loopback(spec.address or '')}:"))

    before(bench.engine, "create", look)

    await bench.restart()
    await bench.until_containers(2)

    assert given == []


async def test_images_of_a_running_deployment_are_no_garbage(bench: Bench) -> None:
    """What a deployment may have built and not started yet is not collected from under it; when it is over, it is."""
    files = web()
    files["hostess.yml"] = files["hostess.yml"].replace("image: hostess-test/echo:1", "build: {source: .}")
    files["Dockerfile"] = "FROM hostess-test/echo:1\nENV EXIT_ON_START=3\n"
    assert not (await bench.push("shop", files)).accepted  # its image stays, and no release needs it
    deployment = await left_open(bench)

    meanwhile = await bench.world.collector.collect()
    await bench.journal.move(deployment.id, State.FAILED, deployment.created_at)
    afterwards = await bench.world.collector.collect()

    assert meanwhile.images == ()
    assert len(afterwards.images) == 1


async def test_a_failed_push_leaves_no_ref_behind(bench: Bench) -> None:
    """The ref that keeps a pushed commit while it is deployed goes when the deployment has failed."""
    await bench.push("shop", web("hostess-test/echo:broken"))

    [deployment] = await bench.journal.deployments("shop")
    assert await bench.world.repositories.ref("shop", f"refs/hostess/deployments/{deployment.id}") is None


async def test_a_branch_that_moved_to_something_else_is_not_overwritten(bench: Bench) -> None:
    """A branch that another push moved, after this one switched, to a commit that this one does not hold stays there."""
    await bench.push("shop", web())
    stolen = await bench.commit("shop", {"stolen": "yes"})
    repositories = bench.world.repositories

    async def steal(_: object, name: str, *__: object) -> None:
        if name == "prove":
            now = await repositories.ref("shop", "refs/heads/main") or ZERO
            await repositories.move_ref("shop", "refs/heads/main", now, stolen)

    before(bench.journal, "begin_step", steal)
    await bench.undone("shop")  # what is pushed next does not hold the stolen commit
    verdict = await bench.push("shop", web("hostess-test/echo:2"))

    assert not verdict.accepted
    assert await repositories.ref("shop", "refs/heads/main") == stolen


async def test_a_restart_keeps_what_was_scaled(bench: Bench) -> None:
    """A restart gives fresh containers and leaves their number as it was scaled."""
    await bench.push("shop", web())
    for begun in (
        await bench.world.deployments.scale("shop", "production", {"web": 2}, "tester"),
        await bench.world.deployments.restart("shop", "production", (), "tester"),
    ):
        await bench.world.deployments.ended(begun)

    live = await bench.live("shop")
    assert live is not None
    assert live.workloads["web"].replicas == 2
    assert len(bench.router.routes[HOST]) == 2


async def test_a_restart_in_the_queue_restarts_what_is_live_then(bench: Bench) -> None:
    """A restart that waited for a push restarts the pushed release, under the pushed commit."""
    await bench.push("shop", web())
    pushing = asyncio.create_task(bench.push("shop", web("hostess-test/echo:2")))
    async with asyncio.timeout(25):
        while not await bench.journal.deployments("shop", states=[State.RUNNING]):
            await asyncio.sleep(0)
    begun = await bench.world.deployments.restart("shop", "production", (), "tester")
    assert (await pushing).accepted, bench.text()
    pushed = (await bench.live("shop"), await bench.world.deployments.ended(begun))[0]

    live = await bench.live("shop")
    assert live is not None
    assert pushed is not None
    assert (live.number, live.commit) == (3, pushed.commit)


LIFECYCLE = "    lifecycle: {{post_deploy: {{command: [tell], on_failure: {}}}}}\n"


@pytest.mark.parametrize(
    ("on_failure", "begun", "ended", "number"),
    [
        ("continue", "", State.LIVE, 2),
        ("continue", "begun", State.LIVE, 2),
        ("abort", "begun", State.DEGRADED, 2),
        ("rollback", "", State.FAILED, 1),
        ("rollback", "begun", State.FAILED, 1),
    ],
)
async def test_post_deploy_after_a_crash_does_what_it_says(
    bench: Bench, on_failure: str, begun: str, ended: State, number: int
) -> None:
    """A post_deploy that fails, or never ended, in a crash leaves the release live, degraded or taken back, as on_failure says."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    assert (await bench.push("shop", web("plain:1", "b", LIFECYCLE.format("continue")))).accepted, bench.text()
    old, new = await bench.journal.release("shop", "production", 1), await bench.live("shop")
    assert old is not None
    assert new is not None
    [newest, *_] = await bench.journal.deployments("shop")
    hook = Hook(command=("tell",), on_failure=OnFailure(on_failure))
    await bench.journal.amend(replace(new, workloads={"web": replace(new.workloads["web"], post_deploy=hook)}))
    dead = replace(newest, id="dead", state=State.SWITCHED, ref="", finished_at=None)
    await bench.journal.add_deployment(dead)
    await bench.journal.begin_step("dead", "switch", {"release": 2, "before": 1}, dead.created_at)
    if begun:
        await bench.journal.begin_step("dead", "post_deploy:web", {}, dead.created_at)
    bench.engine.commands["tell"] = task(3)

    await bench.world.reconciler.at_boot(asyncio.Event())

    live = await bench.live("shop")
    assert live is not None
    assert live.number == number
    assert await state_of(bench, "dead") is ended
    assert await bench.get(HOST) == "200 1"


async def test_the_commit_of_a_deployment_that_was_taken_back_is_let_go(bench: Bench) -> None:
    """What a dead daemon kept for a deployment's sake is no ref for ever; where the repository is gone, that holds nothing up."""
    for project in ("shop", "blog"):
        assert (await bench.push(project, web())).accepted, bench.text()
    taken_back, elsewhere = await left_open(bench, "shop"), await left_open(bench, "blog")
    kept = f"refs/hostess/deployments/{taken_back.id}"
    assert await bench.world.repositories.move_ref("shop", kept, ZERO, taken_back.commit)
    await bench.world.repositories.remove("blog")

    await bench.world.reconciler.at_boot(asyncio.Event())

    assert await bench.world.repositories.ref("shop", kept) is None
    assert [await state_of(bench, each.id) for each in (taken_back, elsewhere)] == [State.FAILED] * 2
