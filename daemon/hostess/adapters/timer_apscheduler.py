"""Periodic work on APScheduler: never two at once, a missed run is caught up once."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from hostess.domain.jobs.cron import next_fire

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
        self._scheduler.add_job(_logged(name, work), "interval", seconds=interval.total_seconds(), id=name)

    def at(self, key: str, schedule: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call *work* each time that a preset or five cron fields name (UTC), in place of what *key* stood for."""
        self._scheduler.add_job(_logged(key, work), CronTrigger(schedule), id=key, replace_existing=True)

    def forget(self, key: str) -> None:
        """Call no more."""
        if self._scheduler.get_job(key) is not None:
            self._scheduler.remove_job(key)

    def stop(self) -> None:
        """Fire no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Cron's own rules: the library's crontab trigger takes Sunday for Monday and means AND where cron means OR."""

    def __init__(self, schedule: str) -> None:
        self._schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the next time; the library calls this with its own clock."""
        return next_fire(self._schedule, previous_fire_time or now)


def _logged(name: str, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        try:
            await work()
        except Exception:
            log.exception("%s failed", name)

    return run
