"""Which services sleep, and when one falls asleep. Pure.

A service that sleeps is one of the live release that wants no replica: so it stays asleep whatever is restarted, and what looks after
releases leaves it alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain.ports.proxy import TargetLoad, Wake
from hostess.domain.releases.release import Workload

WAKE = Wake(requests=1000, seconds=60)
"""How many requests wait for a service, by each worker of the proxy, and for how long."""
FIRST_REST, LONGEST_REST = timedelta(seconds=10), timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Rest:
    """Since when nobody has asked for a service, whose replicas had been sent *begun* requests until then."""

    since: datetime
    begun: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A release's service did not start *at* that time, the last of so many *times* in a row."""

    at: datetime
    release: int
    times: int = 1

    def rests(self, release: int, now: datetime, first: timedelta = FIRST_REST) -> bool:
        """Whether it is left alone, however many wait for it: longer each time, for strangers must not have it started for ever."""
        rest: timedelta = min(first * 2 ** min(self.times - 1, 10), LONGEST_REST)
        return release == self.release and timedelta(0) <= now - self.at < rest

    def again(self, release: int, now: datetime) -> "Failure":
        """Return what is remembered after one more."""
        return Failure(now, release, self.times + 1 if release == self.release else 1)


def wake_of(workload: Workload) -> Wake | None:
    """Return how requests wait for a service; None for one that is awake."""
    return WAKE if workload.asleep else None


def rested(before: Rest | None, load: TargetLoad, now: datetime) -> Rest:
    """Return since when a service rests, which has had this *load* in all. A connection that is open is somebody who asks."""
    if before is None or load.in_flight or load.begun != before.begun or now < before.since:
        return Rest(now, load.begun)
    return before


def falls_asleep(rest: Rest, sleep_after: timedelta, now: datetime) -> bool:
    """Whether it has rested for long enough."""
    return now - rest.since >= sleep_after
