"""What people read: tables, times, sizes."""

from datetime import UTC, datetime, timedelta

import pytest

from hostess.cli.output import ago, show_fields, show_table
from hostess.domain.quantities import size_text

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (59, "59s ago"),
        (60, "1m ago"),
        (7200, "2h ago"),
        (86400, "1d ago"),
        (86400 * 15, "2w ago"),
        (86400 * 125, "4mo ago"),
        (86400 * 800, "2y ago"),
        (-5, "just now"),
    ],
)
def test_times_are_told_as_people_do(seconds: int, text: str) -> None:
    """A time is told by its largest whole unit."""
    assert ago((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == text


def test_no_time_is_nothing() -> None:
    """What has no time shows none."""
    assert ago(None) == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**2, "5.0 MiB"), (3 * 1024**3, "3.0 GiB")],
)
def test_sizes(size: int, text: str) -> None:
    """Bytes are told in the largest unit that leaves at least one."""
    assert size_text(size) == text


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their widest cell, and no line ends in blanks."""
    show_table(("NAME", "STATE"), [("a", "live"), ("longer", "")])

    assert capsys.readouterr().out == "NAME    STATE\na       live\nlonger\n"


def test_an_empty_table_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Without rows nothing goes to standard output, and a hint to standard error."""
    show_table(("NAME",), [], empty="none yet")

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "none yet\n")


def test_cells_move_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape codes and line breaks in data cannot play tricks on a terminal."""
    show_table(("NAME",), [("\x1b[2Jgone\n",)])
    show_fields([("Name", "a\rb"), ("Empty", "")])

    assert capsys.readouterr().out == "NAME\n?[2Jgone?\nName: a?b\n"
