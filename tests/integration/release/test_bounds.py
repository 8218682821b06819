"""What the daemon keeps in memory and on disk has a bound, however long it runs and whatever an app says."""

import asyncio
from pathlib import Path

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.railpack_process import RailpackProcess
from hostess.adapters.transcripts_files import FileTranscripts
from hostess.domain.hostess_yml.file import parse
from hostess.domain.settings import BuildSettings
from hostess.services.building.builder import Builder, Source
from tests.world import Bench

BUILT = b"services: {web: {type: custom, build: {source: .}}}\n"


async def test_a_build_leaves_no_lock_behind(bench: Bench) -> None:
    """What keeps two builds of the same content apart is gone when they have ended."""
    builder = Builder(
        bench.engine,
        bench.world.repositories,
        bench.journal,
        bench.meter,
        SystemClock(),
        settings=BuildSettings(),
        railpack=RailpackProcess(bench.folder, {}),
        registries=bench.world.registries,
    )
    for version in ("1", "2"):
        commit = await bench.commit("shop", {"Dockerfile": f"FROM hostess-test/echo:1\nENV VERSION={version}\n"})
        await builder.images(Source("shop", commit), parse(BUILT).services, bench.said.append)

    assert len(bench.engine.orders) == 2
    assert not builder._building


async def test_a_transcript_keeps_beginning_and_end(tmp_path: Path) -> None:
    """Of an endless output 20,000 lines are kept, in memory as on disk, and a line says how many are missing."""
    transcripts = FileTranscripts(tmp_path)
    for number in range(1, 50_001):
        transcripts.write("d1", f"line {number}")
    on_disk = len((tmp_path / "d1.log").read_text().splitlines())
    before = transcripts.read("d1")
    transcripts.close("d1")

    assert on_disk <= 10_000
    assert len(before) == 20_001
    assert before[9_999:10_002] == ["line 10000", "... 30000 lines left out here", "line 40001"]
    assert before[-1] == "line 50000"
    assert transcripts.read("d1") == (tmp_path / "d1.log").read_text().splitlines() == before


async def test_long_lines_are_bounded_by_bytes(tmp_path: Path) -> None:
    """Of lines that are long as many are kept as 8 MB hold."""
    transcripts = FileTranscripts(tmp_path)
    for number in range(5_000):
        transcripts.write("d1", f"{number} {'x' * 8_000}")
    transcripts.close("d1")

    assert 7 * 1024**2 < (tmp_path / "d1.log").stat().st_size <= 8 * 1024**2 + 100


async def test_a_follower_misses_nothing(tmp_path: Path) -> None:
    """Who follows live gets every line of an endless output under its number; who comes late gets what is kept, numbered alike."""
    transcripts = FileTranscripts(tmp_path)
    got: list[tuple[int, str]] = []

    async def follow() -> None:
        got.extend([each async for each in transcripts.follow("d1")])

    transcripts.write("d1", "line 1")
    following = asyncio.create_task(follow())
    for number in range(2, 30_001):
        transcripts.write("d1", f"line {number}")
        if number % 1_000 == 0:
            await asyncio.sleep(0)
    transcripts.close("d1")
    await following
    late = [each async for each in transcripts.follow("d1", 9_999)]

    assert got == [(number, f"line {number}") for number in range(1, 30_001)]
    assert late[:3] == [(10_000, "line 10000"), (20_000, "... 10000 lines left out here"), (20_001, "line 20001")]
    assert late[-1] == (30_000, "line 30000")
    assert transcripts.count("d1") == 30_000


async def test_a_transcript_that_is_opened_again_stays_bounded(tmp_path: Path) -> None:
    """A run that goes on after a restart of the daemon adds to the same beginning, and the count of what is left out goes on."""
    for begin in (1, 30_001):
        transcripts = FileTranscripts(tmp_path)
        for number in range(begin, begin + 30_000):
            transcripts.write("d1", f"line {number}")
        transcripts.close_all()

    kept = FileTranscripts(tmp_path).read("d1")
    assert (kept[0], kept[10_000], kept[-1]) == ("line 1", "... 40000 lines left out here", "line 60000")
    assert len(kept) == 20_001
