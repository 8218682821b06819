"""When a schedule fires. Cron as Debian's cron understands it: day of month OR day of week, clock changes once, Sunday is 0 and 7."""

from collections.abc import Mapping
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

PRESETS: Mapping[str, str] = {
    "daily": "0 2 * * *",
    "weekly": "0 2 * * 0",
    "biweekly": "0 2 * * 0",
    "monthly": "0 2 1 * *",
}
"""What the presets mean, in UTC (spec section 6.2)."""


def next_fire(schedule: str, after: datetime) -> datetime | None:
    """Return the first time later than *after* that a preset or five cron fields name; None when there is none for decades."""
    return next(CronSim(PRESETS.get(schedule, schedule), after), None)


def missed(schedule: str, since: datetime, now: datetime) -> bool:
    """Whether it should have fired after *since* and not later than *now*."""
    fire = next_fire(schedule, since)
    return fire is not None and fire <= now


def is_schedule(text: str) -> bool:
    """Whether it is a preset, or five cron fields that fire some day."""
    try:
        return next_fire(text, datetime(2026, 1, 1, tzinfo=UTC)) is not None
    except CronSimError:
        return False
