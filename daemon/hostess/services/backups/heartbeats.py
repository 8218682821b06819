"""Heartbeats: after each good backup the URL of its service's `backups.heartbeat` is fetched; what goes wrong with it is told."""

import logging
from typing import Final

from hostess.domain.backups.backup import FOR_RESTORES, OK, Backup
from hostess.domain.ports import Clock, Heart, Journal
from hostess.domain.problem import Problem
from hostess.services.under_way import UnderWay

TRIES: Final = 3
PAUSE: Final = 30.0
"""Seconds until one that was not taken is sent again."""

log = logging.getLogger(__name__)


class Heartbeats:
    """Sends them beside the backup, which waits for none and fails by none. A daemon that ends sends no more: who waits then asks."""

    def __init__(self, journal: Journal, heart: Heart, clock: Clock) -> None:
        self._journal = journal
        self._heart = heart
        self._clock = clock
        self._sending: UnderWay[None] = UnderWay("a heartbeat")

    async def after(self, backup: Backup) -> None:
        """Begin to tell that a backup went well; those that are made for a restore say nothing of the schedule."""
        live = await self._journal.live(backup.project, backup.environment)
        workload = live.workloads.get(backup.service) if live else None
        url = workload.backups.heartbeat if workload and workload.backups else ""
        if not url or backup.state != OK or backup.trigger in FOR_RESTORES:
            return
        self._sending.begin(backup.id, self._sent(backup, url))

    async def settled(self) -> None:
        """Wait until nothing that was begun is under way."""
        await self._sending.settled()

    async def stop(self) -> None:
        """Send no more."""
        await self._sending.stop()

    async def _sent(self, backup: Backup, url: str) -> None:
        for left in reversed(range(TRIES)):
            try:
                await self._heart.beat(url)
            except Problem as problem:
                if left:
                    await self._clock.sleep(PAUSE)
                else:
                    await self._failed(backup, problem)
            else:
                return

    async def _failed(self, backup: Backup, problem: Problem) -> None:
        message = f"{backup.file} is there, but its heartbeat was not taken: {problem}"
        log.warning("%s", message)
        try:
            await self._journal.tell(
                "backup.heartbeat-failed",
                message,
                self._clock.now(),
                project=backup.project,
                environment=backup.environment,
                data={"service": backup.service, "backup": backup.id, "remedy": problem.remedy},
            )
        except Problem as gone:  # its project is
            log.warning("%s: %s", backup.file, gone)
