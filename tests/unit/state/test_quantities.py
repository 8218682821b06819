"""Durations and amounts of memory as people write them."""

from datetime import timedelta

import pytest

from hostess.domain.quantities import parse_duration, parse_memory


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("1.5s", timedelta(seconds=1.5)),
        ("1h30m", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta(0)),
    ],
)
def test_durations_are_read(text: str, duration: timedelta) -> None:
    """A duration is the sum of its parts."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "-5m", "5M", "1y", "5m ", "٣s", "999999999999w", "36525d1ms", "9999999d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Text that is no duration, or one longer than time itself, is refused."""
    with pytest.raises(ValueError, match=r"is not a duration|too long"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 2**29),
        ("1.5Gi", 3 * 2**29),
        ("2Ti", 2**41),
        ("500M", 500_000_000),
        ("64k", 64_000),
        ("1048576", 2**20),
    ],
)
def test_amounts_of_memory_are_read(text: str, size: int) -> None:
    """An amount of memory is a number of bytes; units with an i are powers of 1024."""
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "512 Mi", "-1Gi", "1ki", "1gi", "1Pi", "1e3"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    """Text that is no amount of memory is refused."""
    with pytest.raises(ValueError, match="is not an amount of memory"):
        parse_memory(text)
