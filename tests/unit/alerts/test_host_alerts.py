"""When the backups of the whole host are something to be told."""

from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.host_alerts import of_host
from hostess.domain.host_bundle import HostBackup

NIGHT = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)
DAY = timedelta(days=1)
DAILY = "30 3 * * *"


def backup(at: datetime, state: str = "ok") -> HostBackup:
    """Return one of that time."""
    return HostBackup(
        f"{at:%Y%m%d}", "scheduled", at, state, at, problem="the disk is full" if state == "failed" else ""
    )


@pytest.mark.parametrize(
    ("backups", "schedule", "now", "kinds"),
    [
        ([], DAILY, NIGHT + 9 * DAY, []),
        ([backup(NIGHT)], DAILY, NIGHT + DAY * 2 + timedelta(minutes=30), []),
        ([backup(NIGHT)], DAILY, NIGHT + DAY * 2 + timedelta(hours=1), ["host-backup.overdue"]),
        ([backup(NIGHT, "partial")], DAILY, NIGHT + DAY * 3, ["host-backup.overdue"]),
        ([backup(NIGHT + DAY * 3, "running"), backup(NIGHT)], DAILY, NIGHT + DAY * 3, []),
        ([backup(NIGHT)], "", NIGHT + DAY * 30, []),
        ([backup(NIGHT + DAY, "failed"), backup(NIGHT)], DAILY, NIGHT + DAY, ["host-backup.failed"]),
        ([backup(NIGHT, "failed")], "", NIGHT, ["host-backup.failed"]),
        ([backup(NIGHT + DAY), backup(NIGHT, "failed")], DAILY, NIGHT + DAY, []),
    ],
)
def test_what_is_told(backups: list[HostBackup], schedule: str, now: datetime, kinds: list[str]) -> None:
    """A failure at once until one is good again; a missing one after two of its times and an hour, unless one runs."""
    found = of_host(backups, schedule, now)

    assert [each.kind for each in found] == kinds
    assert all("hostess host backup" in each.remedy for each in found)
