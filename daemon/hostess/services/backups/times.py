"""When backups are taken: by the schedules of hostess.yml, in UTC; one that fails is tried again."""

from datetime import datetime
from functools import partial

from hostess.domain.alerts import backup_subject
from hostess.domain.backups.backup import GOOD, SCHEDULED
from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.services.backups.backups import Backups
from hostess.services.jobs.schedules import Due
from hostess.services.under_way import UnderWay

TRIES = 3
PAUSE = 300.0
"""Seconds until a scheduled backup that failed is tried again."""


class BackupTimes:
    """The scheduled backups of the live releases. A try that waits belongs to this object; a restart catches up instead."""

    def __init__(self, journal: Journal, backups: Backups, clock: Clock) -> None:
        self._journal = journal
        self._backups = backups
        self._clock = clock
        self._trying: UnderWay[None] = UnderWay("a scheduled backup")

    async def due(self) -> list[Due]:
        """Return them; one per project, environment and service."""
        found = []
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            if live is not None:
                wanted = [(each, each.backups) for each in live.workloads.values()]
                found += [self._of(live, workload, backups.schedule) for workload, backups in wanted if backups]
        return found

    def _of(self, live: Release, workload: Workload, schedule: str) -> Due:
        return Due(
            key=f"backup:{live.project}/{live.environment}/{workload.name}",
            schedule=schedule,
            mark=live.number,
            since=partial(self._since, live, workload),
            fire=partial(self._fire, live, workload),
        )

    async def stop(self) -> None:
        """Try no more."""
        await self._trying.stop()

    async def _since(self, release: Release, workload: Workload) -> datetime:
        """Return when the last scheduled one that went well began: one that did not is caught up."""
        found = await self._journal.backups(release.project, release.environment, workload.name)
        last = next((each.started_at for each in found if each.trigger == SCHEDULED and each.state in GOOD), None)
        return max(last, release.created_at) if last else release.created_at

    async def _fire(self, release: Release, workload: Workload) -> None:
        key = f"{release.project}/{release.environment}/{workload.name}"
        self._trying.begin(key, self._tried(release, workload.name))

    async def _tried(self, release: Release, service: str) -> None:
        for left in reversed(range(TRIES)):
            try:
                begun = await self._backups.begin(release.project, release.environment, service, SCHEDULED)
                if (await self._backups.ended(begun)).state in GOOD:
                    return
            except Problem as problem:
                kind = "backup.skipped" if problem.code == "backup-runs-already" else "backup.failed"
                message = f"the scheduled backup of {service} was not begun: {problem}"
                await self._journal.tell(
                    kind,
                    message,
                    self._clock.now(),
                    project=release.project,
                    environment=release.environment,
                    data={
                        "service": service,
                        "trigger": SCHEDULED,
                        "subject": backup_subject(release.project, release.environment, service),
                    },
                )
            if left:
                await self._clock.sleep(PAUSE)
