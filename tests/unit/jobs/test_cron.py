"""When schedules fire."""

from datetime import UTC, datetime

import pytest

from hostess.domain.cron import missed, next_fire


def at(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("daily", "2026-01-01T02:00", "2026-01-02T02:00"),
        ("weekly", "2026-01-01T00:00", "2026-01-04T02:00"),
        ("monthly", "2026-01-01T02:00", "2026-02-01T02:00"),
        ("0 3 * * 0", "2026-01-01T00:00", "2026-01-04T03:00"),
        ("0 3 * * 7", "2026-01-01T00:00", "2026-01-04T03:00"),
        ("0 0 13 * 5", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("*/15 * * * *", "2026-01-01T00:01", "2026-01-01T00:15"),
    ],
)
def test_next_fire(schedule: str, after: str, expected: str) -> None:
    """Sunday is Sunday, and day of month or day of week is enough, as cron has it."""
    assert next_fire(schedule, at(after)) == at(expected)


def test_a_missed_time_is_known() -> None:
    """A time that passed since the last run was missed; one that is still to come was not."""
    assert missed("daily", at("2026-01-01T03:00"), at("2026-01-02T02:00"))
    assert not missed("daily", at("2026-01-01T03:00"), at("2026-01-02T01:59"))
