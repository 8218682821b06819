"""How long a new replica may take to become healthy, how often it is asked meanwhile, and when a live one is unhealthy. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from hostess.domain.hostess_yml.stack import Health

AT_LEAST = timedelta(seconds=30)
STABLE = timedelta(seconds=5)
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
COMMAND_PAUSE = 1.0


FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Condition:
    """How a live replica is: *failures* are checks in a row that went wrong; *well* turns with the last of the allowed ones."""

    well: bool = True
    failures: int = 0

    def after(self, health: Health, *, answered: bool) -> "Condition":
        """Return how it is after one more check."""
        if answered:
            return Condition()
        failures = self.failures + 1
        return Condition(self.well and failures < health.retries, failures)


def rest_after(restarts: int) -> timedelta:
    """Return how long a service that was restarted so many times in a row is left alone; not at all after none."""
    if restarts < 1:
        return timedelta(0)
    doubled: int = 2 ** min(restarts - 1, 10)
    return min(FIRST_REST * doubled, LONGEST_REST)


def gate_limit(health: Health | None) -> timedelta:
    """Return how long a new replica may take: what its own check allows (interval x retries), and never below 30 s."""
    if health is None:
        return AT_LEAST
    return max(AT_LEAST, health.interval * health.retries + health.timeout)


def pauses(health: Health | None, longest: float = LONGEST_PAUSE) -> Iterator[float]:
    """Yield the seconds between probes of a starting replica: fast at first, backing off; commands at least 1 s apart."""
    if health is not None and health.command:
        while True:
            yield COMMAND_PAUSE
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.3, longest)
