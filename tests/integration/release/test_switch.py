"""Around the switch: what was switched is never told otherwise, whoever cancels and whatever fails at that moment."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hostess.domain import labels
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Deployment, State
from tests.fakes.programs import Box, task
from tests.world import Bench, web

HOST = "shop-web.localhost"
FULL = Problem("journal-failed", "the journal could not be read or written: disk is full")


def before(journal: object, method: str, work: Callable[..., Awaitable[object]]) -> None:
    """Do *work* (with the call's arguments) before each call of a journal's method."""
    real = getattr(journal, method)

    async def call(*args: Any, **fields: Any) -> object:
        await work(*args, **fields)
        return await real(*args, **fields)

    setattr(journal, method, call)


def after(journal: object, method: str, work: Callable[..., Awaitable[object]]) -> None:
    """Do *work* (with the call's arguments) after each call of a journal's method."""
    real = getattr(journal, method)

    async def call(*args: Any, **fields: Any) -> object:
        result = await real(*args, **fields)
        await work(*args, **fields)
        return result

    setattr(journal, method, call)


def once(problem: Exception, applies: Callable[..., bool] = lambda *_, **__: True) -> Callable[..., Awaitable[object]]:
    """Return what fails once, at the first call that it applies to."""
    left = [problem]

    async def fail(*args: object, **fields: object) -> None:
        if left and applies(*args, **fields):
            raise left.pop()

    return fail


async def newest(bench: Bench) -> Deployment:
    """Return the newest deployment."""
    return (await bench.journal.deployments("shop"))[0]


async def consistent(bench: Bench, version: str) -> None:
    """Check that this version is live and serves, that no deployment is open, and that the reconciler finds nothing to change."""
    live = await bench.live("shop")
    assert live is not None
    containers = {c.id for c in await bench.world.replicas.of_place("shop", "production") if c.state == "running"}
    await bench.world.reconciler.tick()
    after_tick = {c.id for c in await bench.world.replicas.of_place("shop", "production") if c.state == "running"}
    assert await bench.get(HOST) == f"200 {version}"
    assert after_tick <= containers
    assert after_tick
    assert (await newest(bench)).finished_at is not None


@pytest.mark.parametrize("moment", ["begin_step", "switch", "end_step"])
@pytest.mark.parametrize("place", ["before", "after"])
async def test_cancelled_at_the_switch_it_is_old_or_new(bench: Bench, place: str, moment: str) -> None:
    """Cancelled right before or after any write around the switch, a deployment is cancelled or live, as its record says."""
    await bench.push("shop", web())
    cancelling: list[asyncio.Task[Deployment]] = []

    async def cancel(*args: object, **_: object) -> None:
        if not cancelling and (moment != "begin_step" or args[1] == "switch"):
            found = await newest(bench)
            cancelling.append(asyncio.create_task(bench.world.deployments.cancel(found.id)))
            await asyncio.sleep(0.05)

    {"before": before, "after": after}[place](bench.journal, moment, cancel)
    verdict = await bench.push("shop", web("hostess-test/echo:2"))
    with suppress(Problem):
        await cancelling[0]

    state = (await newest(bench)).state
    assert state in {State.CANCELLED, State.LIVE}
    assert verdict.accepted == (state is State.LIVE)
    await consistent(bench, "2" if state is State.LIVE else "1")


async def test_cancelled_while_it_proves_it_is_too_late(bench: Bench) -> None:
    """Once the switch is written down, cancelling says that it is too late, and the deployment settles."""
    await bench.push("shop", web())
    codes = []

    async def cancel(_: object, name: str, *__: object) -> None:
        if name == "prove":
            try:
                await bench.world.deployments.cancel((await newest(bench)).id)
            except Problem as problem:
                codes.append(problem.code)

    before(bench.journal, "begin_step", cancel)
    assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted

    assert codes == ["not-cancellable"]
    await consistent(bench, "2")


async def test_cancelled_upon_an_old_look_at_the_record(bench: Bench) -> None:
    """A cancellation that looked at the record before the switch and acts after it changes nothing any more."""
    await bench.push("shop", web())
    proving, cancelling = asyncio.Event(), []

    async def begins(_: object, name: str, *__: object) -> None:
        if name == "switch":
            cancelling.append(asyncio.create_task(bench.world.deployments.cancel((await newest(bench)).id)))
            await asyncio.sleep(0.05)
        if name == "prove":
            proving.set()
            await asyncio.sleep(0.05)

    async def waits(*_: object) -> None:
        if cancelling:
            await proving.wait()

    before(bench.journal, "begin_step", begins)
    after(bench.journal, "deployment", waits)
    assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted

    with pytest.raises(Problem, match="cannot be cancelled any more"):
        await cancelling[0]
    await consistent(bench, "2")


async def test_what_follows_the_proof_cannot_fail_the_release(bench: Bench) -> None:
    """A release that is live and proved stays so when its predecessor cannot be retired; the reconciler does that later."""
    await bench.push("shop", web())
    before(bench.journal, "begin_step", once(FULL, lambda _, name, *__: name == "retire"))

    verdict = await bench.push("shop", web("hostess-test/echo:2"))

    assert verdict.accepted, bench.text()
    await consistent(bench, "2")
    await bench.until_containers(1)


async def test_end_of_a_step_that_is_not_written_is_no_failure(bench: Bench) -> None:
    """When the disk is full right after the switch was committed, nothing of the new release is removed."""
    await bench.push("shop", web())
    full = once(FULL)

    async def then(*_: object) -> None:
        before(bench.journal, "end_step", full)

    after(bench.journal, "switch", then)
    verdict = await bench.push("shop", web("hostess-test/echo:2"))

    assert verdict.accepted, bench.text()
    await consistent(bench, "2")


@pytest.mark.parametrize("method", ["move", "tell"])
async def test_an_end_that_cannot_be_written_waits_for_the_disk(bench: Bench, method: str) -> None:
    """A live release whose end cannot be written down at first is neither told otherwise nor taken apart."""
    await bench.push("shop", web())
    before(
        bench.journal,
        method,
        once(FULL, lambda *args, **_: method == "tell" or args[1] is State.LIVE),
    )

    verdict = await bench.push("shop", web("hostess-test/echo:2"))

    assert verdict.accepted, bench.text()
    assert (await newest(bench)).state is State.LIVE
    await consistent(bench, "2")


async def test_words_that_fail_do_not_fail_the_release(bench: Bench) -> None:
    """When the proxy's address is not known at the end, for the URLs, the release is live all the same."""
    await bench.push("shop", web())

    async def dies(_: object, to: State, *__: object, **___: object) -> None:
        bench.router.unreachable = to is State.LIVE

    after(bench.journal, "move", dies)
    verdict = await bench.push("shop", web("hostess-test/echo:2"))
    bench.router.unreachable = False

    assert verdict.accepted, bench.text()
    await consistent(bench, "2")


async def test_a_bug_in_the_proof_takes_the_switch_back(bench: Bench) -> None:
    """Whatever is raised after the switch, known or not, the previous release is live again and nothing of the new one is left."""
    await bench.push("shop", web())

    bench.router.proof = RuntimeError("never seen before")

    verdict = await bench.push("shop", web("hostess-test/echo:2"))

    assert not verdict.accepted
    await consistent(bench, "1")
    await bench.until_containers(1)


async def test_taken_back_without_a_proxy_the_worker_is_back(bench: Bench) -> None:
    """When the proxy dies at the switch, the old release is live again and its handed-over worker runs, once."""
    alive: list[str] = []

    async def worker(box: Box) -> int:
        alive.append(box.env["MARK"])
        try:
            await box.stopping.wait()
        finally:
            alive.remove(box.env["MARK"])
        return 0

    bench.engine.commands |= {"/worker": worker, "fine": task(0)}
    beat = '  beat: {{type: custom, image: "plain:1", command: [/worker], env: {{MARK: {0}}}, health: {{command: [fine]}}}}\n'
    assert (await bench.push("shop", web(more=beat.format("one")))).accepted, bench.text()

    async def dies(*_: object) -> None:
        bench.router.unreachable = True

    after(bench.journal, "switch", dies)
    verdict = await bench.push("shop", web("hostess-test/echo:2", more=beat.format("two")))

    assert not verdict.accepted
    assert alive == ["one"]
    bench.router.unreachable = False
    await consistent(bench, "1")


async def test_a_failed_undo_does_not_hide_the_cause(bench: Bench) -> None:
    """When what failed cannot be removed at once, the pusher reads why it failed, and the reconciler removes it."""
    await bench.push("shop", web())
    bench.engine.fail["remove"] = Problem("engine-refused", "the container engine could not remove a container: busy")

    verdict = await bench.push("shop", web("hostess-test/echo:broken"))

    assert "stopped right after its start" in verdict.reason
    assert "not all of it could be taken back yet" in bench.text()
    await consistent(bench, "1")
    await bench.until_containers(1)


async def test_what_passed_no_gate_is_not_carried_over(bench: Bench) -> None:
    """A sick replica that a failed deployment could not remove is not taken for a healthy one by the next push of the same."""
    await bench.push("shop", web())
    pushing = asyncio.create_task(bench.push("shop", web("hostess-test/echo:sick")))
    await bench.until_containers(2)
    bench.engine.fail["remove"] = Problem("engine-refused", "the container engine could not remove a container: busy")
    await bench.world.deployments.cancel((await newest(bench)).id)
    await pushing
    assert len(await bench.world.replicas.of_place("shop", "production")) == 2

    again = asyncio.create_task(bench.push("shop", web("hostess-test/echo:sick")))
    done, _ = await asyncio.wait({again}, timeout=1)

    assert not done
    await bench.world.deployments.cancel((await newest(bench)).id)
    assert not (await again).accepted
    await consistent(bench, "1")


async def test_a_new_migration_runs_although_its_container_is_unchanged(bench: Bench) -> None:
    """A migrate command that is added or changed runs, also when nothing else of its service changed."""
    runs: list[str] = []

    async def migrate(box: Box) -> int:
        runs.append(box.argv[1])
        return 0

    bench.engine.commands["migrate"] = migrate
    hook = "    lifecycle: {{migrate: {{command: [migrate, {0}]}}}}\n"
    assert (await bench.push("shop", web("plain:1"))).accepted, bench.text()
    for word in ("first", "first", "second"):
        assert (await bench.push("shop", web("plain:1", more=hook.format(word)))).accepted, bench.text()

    assert runs == ["first", "second"]


async def test_deployment_records_hold_no_secret(bench: Bench, tmp_path: Path) -> None:
    """What a failed container said is kept without the secrets in it: in the record, the transcript and the verdict."""
    await bench.commit("shop", {})
    await bench.world.secrets.add("shop", "production", "TOKEN", "tr0ub4dor-and-3")
    bench.engine.fail["start"] = Problem("container-start-failed", "it said tr0ub4dor-and-3", tail=("tr0ub4dor-and-3",))
    files = web()
    files["hostess.yml"] = files["hostess.yml"].replace('"a"', '"${secret:TOKEN}"')

    verdict = await bench.push("shop", files)

    raw = b"".join(each.read_bytes() for each in (tmp_path / "data").rglob("*") if each.is_file())
    assert "it said [hidden]" in verdict.reason
    assert b"tr0ub4dor-and-3" not in raw
    assert "tr0ub4dor-and-3" not in bench.text()


async def test_a_branch_that_cannot_move_is_told(bench: Bench) -> None:
    """When git refuses to move the branch of a live release, the release stays live and the pusher is told."""
    await bench.push("shop", web())
    lock = bench.world.repositories.path("shop") / "refs" / "heads" / "main.lock"
    lock.write_text("")

    verdict = await bench.push("shop", web("hostess-test/echo:2"))
    lock.unlink()

    assert not verdict.accepted
    assert "could not be moved" in bench.text()
    assert (await newest(bench)).state is State.LIVE
    await consistent(bench, "2")
    assert {c.labels[labels.RELEASE] for c in await bench.world.replicas.of_place("shop", "production")} >= {"2"}
