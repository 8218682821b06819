"""Periodic work on APScheduler: never two at once, a missed run is caught up once."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

log = logging.getLogger(__name__)


class SchedulerTimer:
    """Timer on AsyncIOScheduler with its memory store; what must survive a restart is in the journal."""

    def __init__(self) -> None:
        # The default grace of one second would drop a run after any stall of the loop.
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    def start(self) -> None:
        """Begin to fire; needs a running event loop."""
        self._scheduler.start()

    def every(self, interval: timedelta, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call *work* each *interval*; an error in it is logged and does not end the series."""

        async def run() -> None:
            try:
                await work()
            except Exception:
                log.exception("%s failed", name)

        self._scheduler.add_job(run, "interval", seconds=interval.total_seconds(), id=name)

    def stop(self) -> None:
        """Fire no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
