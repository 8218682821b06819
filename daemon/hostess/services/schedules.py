"""Cron jobs of the live releases: which fire when, missed ones caught up once, never two runs of one job at a time."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from hostess.domain.cron import missed
from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.release import Release, ReleaseJob
from hostess.domain.stack import Run
from hostess.services.jobs import Ask, Jobs

SCHEDULE = "schedule"

log = logging.getLogger(__name__)


class Cron(Protocol):
    """Calls at the times of a schedule."""

    def at(self, key: str, schedule: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call *work* each time *schedule* names (UTC), in place of what *key* stood for."""

    def forget(self, key: str) -> None:
        """Call no more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cron job that is scheduled."""

    place: Place
    release: Release
    job: ReleaseJob

    @property
    def key(self) -> str:
        """What names it: one per project, environment and job."""
        return f"{self.place.project}/{self.place.environment}/{self.job.name}"


class Schedules:
    """Keeps the timer equal to the cron jobs of the live releases."""

    def __init__(self, journal: Journal, jobs: Jobs, cron: Cron, clock: Clock) -> None:
        self._journal = journal
        self._jobs = jobs
        self._cron = cron
        self._clock = clock
        self._known: dict[str, tuple[int, str]] = {}

    async def sync(self) -> None:
        """Schedule what live releases want, forget what they do not; a time that was missed while nobody looked is caught up once."""
        wanted = {entry.key: entry for entry in await self._entries()}
        for key in set(self._known) - set(wanted):
            self._cron.forget(key)
            del self._known[key]
        for key, entry in wanted.items():
            mark = (entry.release.number, entry.job.schedule or "")
            if self._known.get(key) == mark:
                continue
            first_look = key not in self._known
            self._known[key] = mark
            self._cron.at(key, entry.job.schedule or "", self._firing(key))
            if first_look and await self._missed(entry):
                log.info("%s missed its time while the daemon was away; it is caught up once", key)
                await self._fire(key)

    async def _entries(self) -> list[Entry]:
        found = []
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            if live is not None:
                found += [Entry(place, live, job) for job in live.jobs.values() if job.run is Run.CRON and job.schedule]
        return found

    async def _missed(self, entry: Entry) -> bool:
        runs = await self._journal.runs(entry.place.project, entry.place.environment, entry.job.name, 50)
        last = next((run.started_at for run in runs if run.trigger == SCHEDULE), None)
        since = max(last, entry.release.created_at) if last else entry.release.created_at
        return missed(entry.job.schedule or "", since, self._clock.now())

    def _firing(self, key: str) -> Callable[[], Awaitable[object]]:
        async def fire() -> None:
            await self._fire(key)

        return fire

    async def _fire(self, key: str) -> None:
        entry = next((entry for entry in await self._entries() if entry.key == key), None)
        if entry is None:
            return
        try:
            await self._jobs.begin(Ask(entry.place, entry.release, entry.job, SCHEDULE))
        except Problem as problem:
            await self._journal.tell(
                "job.skipped",
                f"{entry.job.name}: {problem}",
                self._clock.now(),
                project=entry.place.project,
                environment=entry.place.environment,
            )
