"""Crash loops: when a replica that ends again and again is stopped, how long it rests, and when that is over. Pure.

Between two ends the engine waits longer each time, up to a minute. So ten ends in a row are some two minutes of trying.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hostess.domain.waits import is_over


class Health(StrEnum):
    """How a replica is."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    CRASH_LOOPING = "crash-looping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Limits:
    """After so many *deaths*, none of them after a life of *steady* or longer, a replica rests: at first *first*, at most *longest*."""

    deaths: int = 10
    steady: timedelta = timedelta(minutes=1)
    first: timedelta = timedelta(minutes=10)
    longest: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Loop:
    """What is remembered of a replica: *deaths* in a row, how often it was stopped for them, and *until* when it rests."""

    deaths: int = 0
    stops: int = 0
    until: datetime | None = None

    def after(self, lived: timedelta | None, now: datetime, limits: Limits) -> "Loop":
        """Return what is remembered after one more death; *lived* is how long it ran, None when that is not known.

        Once it was stopped, each further try has one chance.
        """
        if lived is not None and lived >= limits.steady:
            return Loop(deaths=1)
        grown = replace(self, deaths=self.deaths + 1)
        if not self.stops and grown.deaths < limits.deaths:
            return grown
        rest: timedelta = min(limits.first * 2 ** min(self.stops, 10), limits.longest)
        return Loop(grown.deaths, self.stops + 1, now + rest)

    def rests(self, now: datetime, limits: Limits) -> bool:
        """Whether it must not be started yet."""
        return self.until is not None and not is_over(self.until, now, limits.longest)

    def lasts(self, started_at: datetime | None, now: datetime, limits: Limits, *, running: bool) -> bool:
        """Whether it still is a loop: it was stopped for its deaths, and has not run for long enough since."""
        if not self.stops:
            return False
        return not (running and started_at is not None and now - started_at >= limits.steady)


def health_of(state: str, *, well: bool, proved: bool, looping: bool) -> Health:
    """Return how a replica is.

    *state* is the engine's word, *well* whether its check goes well, *proved* whether it has gone well since it was started.
    """
    if looping:
        return Health.CRASH_LOOPING
    if state == "restarting":
        return Health.RESTARTING
    if state not in {"running", "paused"}:
        return Health.STOPPED
    if not well:
        return Health.UNHEALTHY
    return Health.HEALTHY if proved else Health.STARTING
