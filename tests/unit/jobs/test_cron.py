"""When schedules fire."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hostess.adapters.timer_apscheduler import CronTrigger
from hostess.domain.jobs.cron import missed, next_fire


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


@pytest.mark.parametrize("around", ["2026-03-27T12:00", "2026-10-23T12:00"])
def test_clock_changes_skip_and_repeat_nothing(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the host's own clock changes by an hour, a daily job fires once on each of these days, 24 hours apart (scenario 44)."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        fires = [at(around)]
        for _ in range(5):
            fire = next_fire("30 2 * * *", fires[-1])
            assert fire is not None
            fires.append(fire)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert {later - earlier for earlier, later in pairwise(fires[1:])} == {timedelta(days=1)}


def test_a_clock_that_is_set_back_fires_nothing_twice() -> None:
    """After a time has fired, the next one is later than it, also when the clock says that it is still to come."""
    trigger = CronTrigger("0 2 * * *")

    after = trigger.get_next_fire_time(at("2026-01-02T02:00"), at("2026-01-02T01:30"))

    assert after == at("2026-01-03T02:00")


def test_a_missed_time_is_known() -> None:
    """A time that passed since the last run was missed; one that is still to come was not."""
    assert missed("daily", at("2026-01-01T03:00"), at("2026-01-02T02:00"))
    assert not missed("daily", at("2026-01-01T03:00"), at("2026-01-02T01:59"))
