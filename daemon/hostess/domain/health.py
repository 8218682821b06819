"""How long a new replica may take to become healthy, and how often it is asked meanwhile. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from hostess.domain.stack import Health

AT_LEAST = timedelta(seconds=30)
STABLE = timedelta(seconds=5)
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
COMMAND_PAUSE = 1.0


def gate_limit(health: Health | None) -> timedelta:
    """Return how long a new replica may take: what its own check allows (interval x retries), and never below 30 s."""
    if health is None:
        return AT_LEAST
    return max(AT_LEAST, health.interval * health.retries + health.timeout)


def pauses(health: Health | None) -> Iterator[float]:
    """Yield the seconds between probes of a starting replica: fast at first, backing off; commands at least 1 s apart."""
    if health is not None and health.command:
        while True:
            yield COMMAND_PAUSE
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.3, LONGEST_PAUSE)
