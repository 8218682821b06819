"""What is wrong with the backups of the whole host. Pure."""

from collections.abc import Sequence
from datetime import datetime

from hostess.domain.alert import Alert
from hostess.domain.alerts import LATE
from hostess.domain.backups.backup import FAILED, GOOD, RUNNING
from hostess.domain.host_bundle import SUBJECT, HostBackup
from hostess.domain.jobs.cron import next_fire

_MAKING = "`hostess host backup` takes one now; `hostess host backups` shows them"


def of_host(backups: Sequence[HostBackup], schedule: str, now: datetime) -> list[Alert]:
    """Return what is wrong with *backups*, newest first, that are to be taken by *schedule* ("": nobody said so)."""
    good = [each for each in backups if each.state in GOOD]
    ended = [each for each in backups if each.state in {*GOOD, FAILED}]
    last = f"the newest good one is of {good[0].started_at:%Y-%m-%d %H:%M} UTC" if good else "there is no good one"
    found = []
    if ended and ended[0].state == FAILED:
        what = f"the last backup of the host failed: {ended[0].problem}; {last}"
        since = ended[0].ended_at or ended[0].started_at
        found.append(Alert("host-backup.failed", SUBJECT, what, since, f"mend what it says; {_MAKING}"))
    due = _overdue(good, schedule, now)
    if due is not None and not any(each.state == RUNNING for each in backups):
        what = f"a backup of the host is overdue since {due:%Y-%m-%d %H:%M} UTC; {last}"
        found.append(Alert("host-backup.overdue", SUBJECT, what, due, _MAKING))
    return found


def _overdue(good: Sequence[HostBackup], schedule: str, now: datetime) -> datetime | None:
    """Return since when there should be a newer one: two of its times went by. None where there never was one."""
    first = next_fire(schedule, good[0].started_at) if schedule and good else None
    due = next_fire(schedule, first) if first else None
    return due if due and now >= due + LATE else None
