"""Which transcripts go."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hostess.adapters.transcripts_files import FileTranscripts
from hostess.domain.transcripts import Kept, Limits, expendable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def gone(limits: Limits, *sizes: int) -> list[str]:
    """Return what goes of one transcript a day, the newest first."""
    kept = [Kept(str(number), size, NOON - number * DAY) for number, size in enumerate(sizes)]
    return [each.name for each in expendable(reversed(kept), limits, NOON)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(10, 10 * DAY, 1000), []),
        (Limits(2, 10 * DAY, 1000), ["2", "3"]),
        (Limits(10, 2 * DAY, 1000), ["3"]),
        (Limits(10, 10 * DAY, 300), ["3"]),
        (Limits(10, 10 * DAY, 299), ["2", "3"]),
        (Limits(10, timedelta(0), 1), ["1", "2", "3"]),
    ],
)
def test_what_goes(limits: Limits, expected: list[str]) -> None:
    """The oldest go: those that are too many, too old, or with which it is too much; the newest one stays."""
    assert gone(limits, 100, 100, 100, 100) == expected


def test_what_is_open_stays(tmp_path: Path) -> None:
    """What is still written is not among what may go, and is not deleted either; what is deleted reads as nothing."""
    transcripts = FileTranscripts(tmp_path)
    for name in ("closed", "open"):
        transcripts.write(name, "line")
    transcripts.close("closed")
    os.utime(tmp_path / "closed.log", (NOON.timestamp(), NOON.timestamp()))

    assert transcripts.kept() == [Kept("closed", 5, NOON)]
    for name in ("closed", "open", "absent"):
        transcripts.remove(name)
    assert (transcripts.read("closed"), transcripts.read("open")) == ([], ["line"])
    transcripts.close("open")
    assert [each.name for each in transcripts.kept()] == ["open"]
