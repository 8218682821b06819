"""Which backups of a service have had their time: those beyond its retention that nobody is restoring."""

from datetime import datetime

from hostess.domain.backups.backup import RUNNING, Backup, superfluous
from hostess.domain.ports import Journal


async def outlived(journal: Journal, project: str, environment: str, service: str, now: datetime) -> list[Backup]:
    """Return the oldest backups beyond the retention of a live service; not the newest good one, and none that is being restored."""
    live = await journal.live(project, environment)
    workload = live.workloads.get(service) if live else None
    keep = workload.backups.retention if workload and workload.backups else None
    if keep is None:  # nobody has said how many
        return []
    used = await being_restored(journal)
    known = await journal.backups(project, environment, service)
    return [old for old in superfluous(known, keep, now) if old.id not in used]


async def being_restored(journal: Journal) -> set[str]:
    """Return the ids of backups that are being restored: the one that is taken before a restore must not push them out."""
    return {each.backup for each in await journal.restores() if each.state == RUNNING}
