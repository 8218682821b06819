"""Jobs in a deployment: their place in the order, what blocks on them, what runs once."""

from tests.fakes.programs import Box, Program, echo
from tests.world import Bench, web

JOB = """jobs:
  seed:
    image: plain:1
    command: [seed]
    run: {run}
    retries: {retries}
    timeout: 2s
    env: {{WHO: "${{service.name}}", AT: "${{web.url}}"}}
"""
WAITS = "    depends_on: {seed: completed}\n"


def recording(order: list[str], name: str, code: int = 0) -> Program:
    """Return a program that notes that it ran."""

    async def program(box: Box) -> int:
        order.append(name)
        box.out(f"{name} says {box.env.get('WHO', '')} {box.env.get('AT', '')}")
        return code

    return program


def watched(order: list[str]) -> Program:
    """Return the test server, which notes that it started."""

    async def program(box: Box) -> int:
        order.append("web")
        return await echo(box)

    return program


async def test_a_service_waits_for_its_job(bench: Bench) -> None:
    """A job that a service depends on runs to its end before the service starts, with its own environment."""
    order: list[str] = []
    bench.engine.commands |= {"seed": recording(order, "seed"), "/watched": watched(order)}
    more = WAITS + "    command: [/watched]\n" + JOB.format(run="on_deploy", retries=0)

    verdict = await bench.push("shop", web("plain:1", more=more))

    assert verdict.accepted, bench.text()
    assert order == ["seed", "web"]
    assert "seed says seed http://web:8000" in bench.text()
    [run] = await bench.journal.runs("shop", "production")
    assert (run.job, run.trigger, run.outcome, run.exit_code) == ("seed", "deploy", "done", 0)
    [line] = bench.world.job_transcripts.read(run.id)
    assert line.endswith(" seed says seed http://web:8000")


async def test_a_failing_job_starts_nothing_that_waits_for_it(bench: Bench) -> None:
    """A job is tried again as often as it may be; when it fails for good, the deployment fails and nothing has started."""
    order: list[str] = []
    bench.engine.commands |= {"seed": recording(order, "seed", code=4)}

    verdict = await bench.push("shop", web("plain:1", more=WAITS + JOB.format(run="on_deploy", retries=2)))

    assert verdict.reason == "the job seed failed: exit 4"
    assert order == ["seed"] * 3
    assert await bench.world.replicas.of_place("shop", "production") == []
    [run] = await bench.journal.runs("shop", "production")
    assert (run.outcome, run.attempt) == ("failed", 3)


async def test_once_runs_again_only_when_it_changed(bench: Bench) -> None:
    """A `once` job runs at the first deployment, not at the next, and again when its command changed or it was reset."""
    order: list[str] = []
    bench.engine.commands |= {"seed": recording(order, "seed"), "other": recording(order, "other")}
    text = JOB.format(run="once", retries=0)
    assert (await bench.push("shop", web(more=text))).accepted, bench.text()
    assert (await bench.push("shop", web(mark="b", more=text))).accepted
    assert order == ["seed"]
    assert "seed: ran before and has not changed" in bench.text()

    assert (await bench.push("shop", web(more=text.replace("[seed]", "[other]")))).accepted
    await bench.journal.forget_once("shop", "production", "seed")
    assert (await bench.push("shop", web(more=text.replace("[seed]", "[other]")))).accepted

    assert order == ["seed", "other", "other"]


async def test_on_deploy_runs_each_time_and_never_at_a_rollback(bench: Bench) -> None:
    """An `on_deploy` job runs with every push; a rollback runs none."""
    order: list[str] = []
    bench.engine.commands |= {"seed": recording(order, "seed")}
    text = JOB.format(run="on_deploy", retries=0)
    for mark in ("a", "b"):
        assert (await bench.push("shop", web(mark=mark, more=text))).accepted, bench.text()

    began = await bench.world.deployments.rollback("shop", "production", None, "tester")
    ended = await bench.world.deployments.ended(began)

    assert ended.state == "live"
    assert order == ["seed", "seed"]


async def test_a_job_is_killed_at_its_timeout(bench: Bench) -> None:
    """A run that outlives its timeout is killed, and the record says so."""

    async def hang(box: Box) -> int:
        await box.stopping.wait()
        return 0

    bench.engine.commands |= {"seed": hang}

    verdict = await bench.push("shop", web(more=JOB.format(run="on_deploy", retries=0)))

    assert verdict.reason == "the job seed was killed after its timeout"
    [run] = await bench.journal.runs("shop", "production")
    assert run.outcome == "timeout"


async def test_a_hook_can_name_a_job(bench: Bench) -> None:
    """`lifecycle.migrate.job` runs that job in the place of a command, so that several services can share it."""
    order: list[str] = []
    bench.engine.commands |= {"seed": recording(order, "seed"), "/watched": watched(order)}
    hook = "    lifecycle: {migrate: {job: seed}}\n    command: [/watched]\n"

    verdict = await bench.push("shop", web("plain:1", more=hook + JOB.format(run="lifecycle", retries=0)))

    assert verdict.accepted, bench.text()
    assert order == ["seed", "web"]


async def test_init_runs_before_each_replica(bench: Bench) -> None:
    """`lifecycle.init` runs before the main process of every replica; its failure fails the release."""
    order: list[str] = []
    bench.engine.commands |= {"prepare": recording(order, "prepare"), "/watched": watched(order)}
    hook = "    replicas: 2\n    lifecycle: {init: {command: [prepare]}}\n    command: [/watched]\n"

    verdict = await bench.push("shop", web("plain:1", more=hook))

    assert verdict.accepted, bench.text()
    assert sorted(order) == ["prepare", "prepare", "web", "web"]
    assert order[0] == "prepare"


async def test_a_cron_job_that_was_missed_is_caught_up_once(bench: Bench) -> None:
    """A schedule whose time passed while nobody looked runs once, not once for each time that was missed (44)."""
    order: list[str] = []
    bench.engine.commands |= {"seed": recording(order, "seed")}
    text = JOB.format(run="cron", retries=0).replace("    run:", '    schedule: "* * * * *"\n    run:')
    assert (await bench.push("shop", web(more=text))).accepted, bench.text()
    live = await bench.live("shop")
    assert live is not None
    await bench.backdate(live)

    await bench.world.schedules.sync()
    await bench.world.schedules.sync()
    [run] = await bench.journal.runs("shop", "production")
    ended = await bench.world.jobs.ended(run)

    assert (ended.trigger, ended.outcome) == ("schedule", "done")
    assert order == ["seed"]
