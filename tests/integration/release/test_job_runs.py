"""Runs of jobs by schedule and by hand: when they may overlap, what they survive, what is kept of them (scenario 44)."""

import asyncio
from datetime import timedelta

import pytest

from hostess.domain.problem import Problem
from hostess.domain.records import JobRun
from hostess.services.jobs.jobs import Ask
from tests.fakes.programs import Box
from tests.world import Bench, web

JOB = """jobs:
  report: {{image: plain:1, command: [report], run: {run}, concurrency: {concurrency}, timeout: {timeout}, retries: 0{more}}}
"""


class Held:
    """A program that runs until it is let go, and notes how many of it ran side by side."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.alive = 0
        self.most = 0

    async def __call__(self, box: Box) -> int:
        """Be the program."""
        self.alive += 1
        self.most = max(self.most, self.alive)
        self.begun.put_nowait(self.alive)
        box.out("begun")
        try:
            await self.let_go.wait()
        finally:
            self.alive -= 1
        return 0


async def live(bench: Bench, concurrency: str, run: str = "manual", timeout: str = "60s", more: str = "") -> Held:
    """Make a release live that has the job; return its program."""
    program = Held()
    bench.engine.commands["report"] = program
    text = JOB.format(run=run, concurrency=concurrency, timeout=timeout, more=more)
    verdict = await bench.push("shop", web(more=text))
    assert verdict.accepted, bench.text()
    return program


async def begun(bench: Bench, trigger: str = "manual") -> JobRun:
    """Begin a run."""
    release = await bench.live("shop")
    assert release is not None
    [place] = await bench.journal.places("shop")
    return await bench.world.jobs.begin(Ask(place, release, release.jobs["report"], trigger))


async def outcomes(bench: Bench) -> list[str]:
    """Return how the runs ended, the newest first."""
    return [run.outcome for run in await bench.journal.runs("shop", "production", "report")]


async def fired(bench: Bench) -> None:
    """Let the schedule's time have passed while nobody looked."""
    release = await bench.live("shop")
    assert release is not None
    await bench.backdate(release)
    await bench.world.schedules.sync()


async def test_forbid(bench: Bench) -> None:
    """With `concurrency: forbid`, the default, a run by hand is refused and one by schedule is skipped and told, while one runs."""
    program = await live(bench, "forbid", "cron", more=', schedule: "* * * * *"')
    run = await begun(bench)
    await program.begun.get()

    with pytest.raises(Problem, match="never overlaps itself"):
        await begun(bench)
    await fired(bench)
    program.let_go.set()
    await bench.world.jobs.ended(run)

    assert program.most == 1
    assert await outcomes(bench) == ["done"]
    [skipped] = [event for event in await bench.journal.events(project="shop") if event.kind == "job.skipped"]
    assert "report" in skipped.message


async def test_allow(bench: Bench) -> None:
    """With `concurrency: allow` runs by hand and by schedule go side by side, each with a container and a record of its own."""
    program = await live(bench, "allow", "cron", more=', schedule: "* * * * *"')

    runs = [await begun(bench), await begun(bench)]
    await fired(bench)
    for _ in range(3):
        await program.begun.get()
    program.let_go.set()
    for run in runs + await bench.journal.runs("shop", "production", "report", 1):
        await bench.world.jobs.ended(run)

    assert program.most == 3
    assert await outcomes(bench) == ["done"] * 3


async def test_replace(bench: Bench) -> None:
    """With `concurrency: replace` a new run ends the one under way: its container is gone before the new one starts."""
    program = await live(bench, "replace")
    first = await begun(bench)
    await program.begun.get()

    second = await begun(bench)
    await program.begun.get()
    assert (await bench.world.jobs.ended(first)).outcome == "cancelled"
    program.let_go.set()
    await bench.world.jobs.ended(second)

    assert program.most == 1
    assert await outcomes(bench) == ["done", "cancelled"]
    assert any("another run takes its place" in line for line in bench.world.job_transcripts.read(first.id))
    await bench.until_containers(1)


async def test_of_many_replacements_at_once_one_is_left(bench: Bench) -> None:
    """Whoever asks in the same moment, no two runs are ever alive, and every record has an end."""
    program = await live(bench, "replace")

    runs = await asyncio.gather(*(begun(bench) for _ in range(5)))
    program.let_go.set()
    for run in runs:
        await bench.world.jobs.ended(run)

    assert program.most <= 1
    assert sorted(set(await outcomes(bench))) in (["cancelled", "done"], ["done"])
    assert "" not in await outcomes(bench)


@pytest.mark.parametrize(
    ("concurrency", "most", "left"), [("forbid", 1, "done"), ("allow", 2, "done"), ("replace", 1, "cancelled")]
)
async def test_a_deployment_and_a_run_by_hand(bench: Bench, concurrency: str, most: int, left: str) -> None:
    """A deployment that has to run the job waits for the run by hand, goes beside it, or ends it, as the job says."""
    program = await live(bench, concurrency, "manual")
    by_hand = await begun(bench)
    await program.begun.get()

    text = JOB.format(run="on_deploy", concurrency=concurrency, timeout="60s", more="")
    pushing = asyncio.create_task(bench.push("shop", web(mark="b", more=text)))
    if concurrency == "forbid":
        async with asyncio.timeout(25):
            while "waiting for the run that is under way" not in bench.text():
                await asyncio.sleep(0.01)
    else:
        await program.begun.get()
    program.let_go.set()

    assert (await pushing).accepted, bench.text()
    assert program.most == most
    assert (await bench.world.jobs.ended(by_hand)).outcome == left


async def test_a_run_within_a_deployment_is_not_cut_short(bench: Bench) -> None:
    """While a deployment runs the job, a run by hand is refused, with `replace` too."""
    program = Held()
    bench.engine.commands["report"] = program
    first = JOB.format(run="manual", concurrency="replace", timeout="60s", more="")
    assert (await bench.push("shop", web(more=first))).accepted, bench.text()
    text = JOB.format(run="on_deploy", concurrency="replace", timeout="60s", more="")
    pushing = asyncio.create_task(bench.push("shop", web(mark="b", more=text)))
    await program.begun.get()

    with pytest.raises(Problem, match="part of a deployment"):
        await begun(bench)
    program.let_go.set()

    assert (await pushing).accepted


async def test_a_run_survives_the_daemon(bench: Bench) -> None:
    """A run goes on while the daemon is away; the next one waits for its end, and the history has it with what came before."""
    program = await live(bench, "forbid")
    program.let_go.set()
    before = await begun(bench)
    await bench.world.jobs.ended(before)
    program.let_go.clear()
    run = await begun(bench)
    await program.begun.get()
    await program.begun.get()

    await bench.restart()
    with pytest.raises(Problem, match="under way"):
        await begun(bench)
    program.let_go.set()
    ended = await bench.world.jobs.ended(run)

    assert (ended.outcome, ended.exit_code) == ("done", 0)
    assert [each.id for each in await bench.journal.runs("shop", "production", "report")] == [run.id, before.id]
    assert any(line.endswith(" begun") for line in bench.world.job_transcripts.read(before.id))
    await bench.until_containers(1)


async def test_a_run_that_ended_while_the_daemon_was_away_has_its_exit_code(bench: Bench) -> None:
    """What ended unseen is told as it ended, not as interrupted: the container is kept until then."""
    program = await live(bench, "forbid")
    run = await begun(bench)
    await program.begun.get()
    await bench.stop()
    program.let_go.set()
    async with asyncio.timeout(25):
        while program.alive:
            await asyncio.sleep(0.01)

    await bench.restart()

    assert (await bench.world.jobs.ended(run)).outcome == "done"


async def test_the_time_of_a_run_goes_on_while_the_daemon_is_away(bench: Bench) -> None:
    """A run that the next daemon takes over is killed when its own timeout is over, counted from its start."""
    program = await live(bench, "forbid", timeout="1s")
    run = await begun(bench)
    await program.begun.get()

    await bench.restart()
    async with asyncio.timeout(25):
        ended = await bench.world.jobs.ended(run)

    assert ended.outcome == "timeout"
    assert ended.ended_at is not None
    assert ended.ended_at - ended.started_at < timedelta(seconds=25)
    await bench.until_containers(1)


async def test_garbage_collection_leaves_the_images_of_jobs(bench: Bench) -> None:
    """The image that a job of the live release was built into stays, though nothing of it runs."""
    files = web(more="jobs:\n  report: {build: {source: ./job}, command: [print, hello], run: manual}\n")
    verdict = await bench.push("shop", {**files, "job/Dockerfile": "FROM hostess-test/echo:1\nLABEL of=report\n"})
    assert verdict.accepted, bench.text()

    await bench.world.collector.collect()

    run = await bench.world.jobs.ended(await begun(bench))
    assert run.outcome == "done"
