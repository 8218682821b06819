"""What happens at certain times: cron jobs, backups, drills. Each fires by its schedule, and a time that was missed is caught up once."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from hostess.domain.hostess_yml.stack import Run
from hostess.domain.jobs import cron
from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.release import Release, ReleaseJob
from hostess.services.jobs.jobs import Ask, Jobs

SCHEDULE = "schedule"

log = logging.getLogger(__name__)


class Cron(Protocol):
    """Calls at the times of a schedule."""

    def at(self, key: str, schedule: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call *work* each time *schedule* names (UTC), in place of what *key* stood for."""

    def forget(self, key: str) -> None:
        """Call no more."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is to happen at the times of a *schedule*.

    *key* names it, once for all; *mark* changes when it is to be looked at anew. *since* tells from when on a time counts as missed:
    its last run, or when it was first wanted. *fire* starts it and does not wait for its end.
    """

    key: str
    schedule: str
    mark: int
    since: Callable[[], Awaitable[datetime]]
    fire: Callable[[], Awaitable[None]]


class Times(Protocol):
    """Knows what is to happen when."""

    async def due(self) -> list[Due]:
        """Return everything that live releases want at certain times."""


class Schedules:
    """Keeps the timer equal to what is due by the live releases."""

    def __init__(self, times: Sequence[Times], cron: Cron, clock: Clock) -> None:
        self._times = times
        self._cron = cron
        self._clock = clock
        self._known: dict[str, tuple[int, str]] = {}

    async def sync(self) -> None:
        """Schedule what live releases want, forget what they do not; a time that was missed while nobody looked is caught up once."""
        wanted = {due.key: due for due in await self.due()}
        for key in set(self._known) - set(wanted):
            self._cron.forget(key)
            del self._known[key]
        for key, due in wanted.items():
            mark = (due.mark, due.schedule)
            if self._known.get(key) == mark:
                continue
            first_look = key not in self._known
            self._known[key] = mark
            self._cron.at(key, due.schedule, self._firing(key))
            if first_look and cron.missed(due.schedule, await due.since(), self._clock.now()):
                log.info("%s missed its time while the daemon was away; it is caught up once", key)
                await self._fire(key)

    async def due(self) -> list[Due]:
        """Return everything that has its times."""
        return [due for times in self._times for due in await times.due()]

    def _firing(self, key: str) -> Callable[[], Awaitable[object]]:
        async def fire() -> None:
            await self._fire(key)

        return fire

    async def _fire(self, key: str) -> None:
        due = next((due for due in await self.due() if due.key == key), None)
        if due is not None:
            await due.fire()


class JobTimes:
    """The cron jobs of the live releases."""

    def __init__(self, journal: Journal, jobs: Jobs, clock: Clock) -> None:
        self._journal = journal
        self._jobs = jobs
        self._clock = clock

    async def due(self) -> list[Due]:
        """Return them; one per project, environment and job."""
        found = []
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            if live is not None:
                found += [
                    self._of(place, live, job) for job in live.jobs.values() if job.run is Run.CRON and job.schedule
                ]
        return found

    def _of(self, place: Place, live: Release, job: ReleaseJob) -> Due:
        return Due(
            key=f"{place.project}/{place.environment}/{job.name}",
            schedule=job.schedule or "",
            mark=live.number,
            since=partial(self._since, live, job),
            fire=partial(self._fire, place, live, job),
        )

    async def _since(self, release: Release, job: ReleaseJob) -> datetime:
        runs = await self._journal.runs(release.project, release.environment, job.name, 50)
        last = next((run.started_at for run in runs if run.trigger == SCHEDULE), None)
        return max(last, release.created_at) if last else release.created_at

    async def _fire(self, place: Place, release: Release, job: ReleaseJob) -> None:
        try:
            await self._jobs.begin(Ask(place, release, job, SCHEDULE))
        except Problem as problem:
            await self._journal.tell(
                "job.skipped",
                f"{job.name}: {problem}",
                self._clock.now(),
                project=place.project,
                environment=place.environment,
            )
