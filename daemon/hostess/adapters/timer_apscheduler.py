"""Periodic work: intervals by the loop's clock, times of day on APScheduler. Never two at once, a missed run is caught up once.

Clocks of hosts jump: one without a battery boots in another year and is set right later. Intervals are none of the wall clock's
business. Times of day are planned anew when it went back, and looked at again and again in case it went ahead.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from hostess.domain.jobs.cron import next_fire

LOOK_EVERY = timedelta(seconds=15)
"""How late a time of day can be after the wall clock was put ahead."""
JUMP = timedelta(minutes=1)
"""What the wall clock goes back at once to count as set, not as corrected: what was just done is not done again."""

log = logging.getLogger(__name__)


def wall_clock() -> datetime:
    """Return the time that schedules are about, in UTC."""
    return datetime.now(UTC)


class SchedulerTimer:
    """The daemon's timer. What must survive a restart is in the journal. *wall* is the clock that APScheduler reads, too."""

    def __init__(self, wall: Callable[[], datetime] = wall_clock, look_every: timedelta = LOOK_EVERY) -> None:
        # The default grace of one second would drop a run after any stall of the loop.
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._wall = wall
        self._look_every = look_every
        self._series: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to fire; needs a running event loop."""
        self._scheduler.start()
        self._series.append(asyncio.create_task(self._watch_wall()))

    def every(self, interval: timedelta, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call *work* each *interval*, in a running event loop; an error in it is logged and does not end the series."""
        self._series.append(asyncio.create_task(_repeated(interval.total_seconds(), _logged(name, work))))

    def at(self, key: str, schedule: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call *work* each time that a preset or five cron fields name (UTC), in place of what *key* stood for."""
        self._scheduler.add_job(_logged(key, work), CronTrigger(schedule), id=key, replace_existing=True)

    def forget(self, key: str) -> None:
        """Call no more."""
        if self._scheduler.get_job(key) is not None:
            self._scheduler.remove_job(key)

    def stop(self) -> None:
        """Fire no more."""
        for series in self._series:
            series.cancel()
        self._series.clear()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _watch_wall(self) -> None:
        """Follow the wall clock: the scheduler itself sleeps until what it took for the next time."""
        before = self._wall()
        while True:
            await asyncio.sleep(self._look_every.total_seconds())
            now = self._wall()
            if now < before - JUMP:
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))
            self._scheduler.wakeup()
            before = now


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Cron's own rules: the library's crontab trigger takes Sunday for Monday and means AND where cron means OR."""

    def __init__(self, schedule: str) -> None:
        self._schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the next time; the library calls this with its own clock.

        Times that were missed are not counted one by one: after a jump of years the daemon would do nothing else.
        """
        return next_fire(self._schedule, max(previous_fire_time or now, now))


async def _repeated(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Call *work* every so many seconds; times that pass while it works, or while the process is stopped, are one."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + seconds, loop.time())
        await asyncio.sleep(due - loop.time())
        await work()


def _logged(name: str, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        try:
            await work()
        except Exception:
            log.exception("%s failed", name)

    return run
