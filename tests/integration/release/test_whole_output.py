"""What commands that end write: all of it is told and kept, and want of memory is named as what ended them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from hostess.domain.ports import LogLine
from hostess.services.jobs.jobs import Ask, parted
from hostess.services.whole_output import CUT, WholeOutput
from tests.fakes.engine import FakeEngine
from tests.fakes.programs import Box, Program, task
from tests.world import Bench, web

MIGRATE = "    lifecycle: {migrate: {command: [work]}}\n"
JOB = """jobs:
  report: {image: plain:1, command: [work], run: manual, retries: 0}
"""
ROWS = [f"row {number}" for number in range(1000)]


async def starving(box: Box) -> int:
    """Be a program that wants more memory than there is, which the engine knows."""
    box.out("reading all of it")
    raise MemoryError


async def killed(box: Box) -> int:
    """Be one of which the engine only knows how it ended."""
    box.out("reading all of it")
    return 137


async def test_a_quick_migration_is_told_from_its_first_line(bench: Bench) -> None:
    """A migration that has written much before anybody could listen is told as a whole."""
    bench.engine.commands["work"] = task(0, *ROWS)

    verdict = await bench.push("shop", web("plain:1", more=MIGRATE))

    assert verdict.accepted, bench.text()
    assert [line.strip() for line in bench.said if "row " in line] == ROWS


async def test_a_quick_job_keeps_all_that_it_wrote(bench: Bench) -> None:
    """The log of a run has every line of a job that ended at once."""
    bench.engine.commands["work"] = task(0, *ROWS)
    await bench.push("shop", web("plain:1", more=JOB))
    release = await bench.live("shop")
    assert release is not None
    [place] = await bench.journal.places("shop")

    run = await bench.world.jobs.ended(
        await bench.world.jobs.begin(Ask(place, release, release.jobs["report"], "manual"))
    )

    assert run.outcome == "done"
    assert [parted(line)[1] for line in bench.world.job_transcripts.read(run.id)] == ROWS


@pytest.mark.parametrize(
    ("program", "said"),
    [(starving, "it needed more memory than its"), (killed, "it was killed (exit code 137), as is")],
)
@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        (MIGRATE, "raise resources.memory of web"),
        (JOB.replace("manual", "on_deploy"), "resources.memory of the job"),
        ("    command: [work]\n", "raise resources.memory of web"),
    ],
    ids=["migrate", "job", "start"],
)
async def test_want_of_memory_is_named(bench: Bench, program: Program, said: str, more: str, remedy: str) -> None:
    """A migration, job or replica that was killed for want of memory says so, also where the engine tells no more than its exit code."""
    bench.engine.commands["work"] = program

    verdict = await bench.push("shop", web("plain:1", more=more))

    assert not verdict.accepted
    assert said in bench.text()
    assert remedy in bench.text()
    assert "reading all of it" in bench.text()


async def test_a_migration_that_wrote_nothing_points_at_no_lines(bench: Bench) -> None:
    """Where there are no last lines, nobody is sent to read them."""
    bench.engine.commands["work"] = task(3)

    await bench.push("shop", web("plain:1", more=MIGRATE))

    assert "migrate of web failed: exit 3" in bench.text()
    assert "it wrote nothing that would tell why" in bench.text()
    assert "last lines above" not in bench.text()


class Halting(FakeEngine):
    """An engine that stops to tell what a container wrote, though that has ended."""

    async def follow(self, container: str, tail: int, since: datetime | None = None) -> AsyncIterator[LogLine]:
        """Yield one line and then nothing more."""
        yield LogLine(datetime.now(UTC), "stdout", f"of {container}, {tail}, {since}")
        await asyncio.Event().wait()


async def test_output_that_is_cut_says_so() -> None:
    """Where the engine tells no more, the last line is that lines are missing."""
    told: list[str] = []
    output = WholeOutput(Halting(), "c1", told.append, lines=5, silence=0.01)

    await output.finish()
    await output.close()

    assert told == ["of c1, 5, None", CUT]
