"""The order in which a launch does what a plan, the migrations and the jobs ask for, one after the other. Pure."""

from collections.abc import Collection, Iterable
from enum import StrEnum

from hostess.domain.releases.plan import Plan, migrates, migration_needs, needs, runs_now
from hostess.domain.releases.release import Release


class Act(StrEnum):
    """What is done before the switch."""

    START = "start"
    MIGRATE = "migrate"
    RUN = "run"
    REPLACE = "replace"


def sequence(live: Release | None, wanted: Release, plan: Plan, done: Collection[str]) -> tuple[tuple[Act, str], ...]:
    """Return each act with the service or job that it is about; *done* are the `once` jobs that have ended well as they are now.

    Databases come first, then each migration, then what is routed, then workers, then what is handed over; and before each of
    them the services and jobs that it depends on.
    """
    walk = _Walk(wanted, frozenset(start.service for start in plan.starts), frozenset(done))
    walk.start(each.service for each in plan.databases)
    for name in migrates(live, wanted):
        walk.need(migration_needs(wanted, name))
        walk.taken.append((Act.MIGRATE, name))
    for wave in (*plan.waves, plan.workers):
        for each in wave:
            walk.need(needs(wanted, each.service))
        walk.start(each.service for each in wave)
    for hand_over in plan.hand_overs:
        walk.need(needs(wanted, hand_over.service))
        walk.taken.append((Act.REPLACE, hand_over.service))
    walk.need(wanted.jobs)
    return tuple(walk.taken)


class _Walk:
    """What has been taken so far, each service and job once."""

    def __init__(self, wanted: Release, starts: frozenset[str], done: frozenset[str]) -> None:
        self._wanted = wanted
        self._starts = starts
        self._done = done
        self._seen: set[str] = set()
        self.taken: list[tuple[Act, str]] = []

    def start(self, names: Iterable[str]) -> None:
        """Take those that are not taken yet."""
        new = [name for name in names if name not in self._seen]
        self._seen.update(new)
        self.taken += [(Act.START, name) for name in new]

    def need(self, names: Iterable[str]) -> None:
        """Take what has to be started or run, and before it what it depends on."""
        for name in names:
            if name in self._seen:
                continue
            if name in self._wanted.jobs:
                self._job(name)
            elif name in self._starts:
                self.need(needs(self._wanted, name))
                self.start([name])

    def _job(self, name: str) -> None:
        job = self._wanted.jobs[name]
        self.need(job.depends_on)
        self._seen.add(name)
        if runs_now(job, self._done):
            self.taken.append((Act.RUN, name))
