"""When the whole host is backed up: by the schedule of the settings, in UTC; one that fails is tried again."""

from datetime import datetime

from hostess.domain.backups.backup import GOOD, SCHEDULED
from hostess.domain.ports import Clock
from hostess.domain.problem import Problem
from hostess.services.backups.host_backups import HostBackups
from hostess.services.jobs.schedules import Due
from hostess.services.under_way import UnderWay

TRIES = 3
PAUSE = 300.0


class HostBackupTimes:
    """The scheduled backups of the host; none where nobody is named who may read them."""

    def __init__(self, backups: HostBackups, schedule: str, clock: Clock) -> None:
        self._backups = backups
        self._schedule = schedule
        self._clock = clock
        self._trying: UnderWay[None] = UnderWay("a scheduled backup of the host")

    async def due(self) -> list[Due]:
        """Return it."""
        if self._schedule == "off" or not self._backups.possible:
            return []
        return [Due("host-backup", self._schedule, 0, self._since, self._fire)]

    async def stop(self) -> None:
        """Try no more."""
        await self._trying.stop()

    async def _since(self) -> datetime:
        """Return when the last good one began; where there is none the schedule begins now."""
        known = await self._backups.known()
        return next((each.started_at for each in known if each.state in GOOD), self._clock.now())

    async def _fire(self) -> None:
        self._trying.begin("host", self._tried())

    async def _tried(self) -> None:
        for left in reversed(range(TRIES)):
            try:
                if (await self._backups.ended(await self._backups.begin(SCHEDULED))).state in GOOD:
                    return
            except Problem as problem:
                if problem.code == "host-backup-runs-already":
                    return
            if left:
                await self._clock.sleep(PAUSE)
