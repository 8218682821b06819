"""A service under a trace of demand, scaled by our policy or by Kubernetes' Horizontal Pod Autoscaler, second by second."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil

from hostess.domain.hostess_yml.stack import Replicas
from hostess.domain.scaling import Pace, Reading, Room, wanted

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = 5
"""Seconds between readings."""
READY_AFTER = 10
"""Seconds that a new replica takes to pass its gate."""

BOUNDS = Replicas(1, 10, 70)

Trace = Callable[[int], float]
"""Second -> demand, in percent of what one replica can do."""
Policy = Callable[[Sequence[Reading], int], int]


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it: replicas that serve, second by second."""

    replicas: tuple[int, ...]

    @property
    def changes(self) -> tuple[tuple[int, int], ...]:
        """(second, replicas from then on)."""
        return tuple((at, n) for at, (old, n) in enumerate(pairwise(self.replicas), 1) if n != old)

    @property
    def turns(self) -> int:
        """How often the direction changed."""
        steps = [n - old for old, n in pairwise(self.replicas) if n != old]
        return sum((a > 0) != (b > 0) for a, b in pairwise(steps))

    def short(self, trace: Trace) -> float:
        """Return how much of the demand there were too few replicas for, as a share of it."""
        asked = [trace(second) for second in range(len(self.replicas))]
        return sum(max(0.0, d - 100 * n) for d, n in zip(asked, self.replicas, strict=True)) / (sum(asked) or 1)


def simulate(trace: Trace, seconds: int, policy: Policy, first: int = 1) -> Run:
    """Run a policy against a trace. A replica does at most 100 percent; new ones serve when they are ready."""
    there, coming, ready = first, first, 0
    history: list[Reading] = []
    found = []
    for second in range(seconds):
        if coming > there and second >= ready:
            there = coming
        if second % EVERY == 0:
            history.append(Reading(START + timedelta(seconds=second), there, min(100.0, trace(second) / there)))
            if coming == there:
                coming = policy(history, there)
                ready = second + READY_AFTER
                there = min(there, coming)
        found.append(there)
    return Run(tuple(found))


def ours(history: Sequence[Reading], there: int) -> int:
    """Decide as the daemon does."""
    return wanted(history, there, BOUNDS, Room(), Pace()).replicas


def kubernetes(history: Sequence[Reading], there: int) -> int:
    """Decide as Kubernetes does by default.

    Its documentation, "Horizontal Pod Autoscaling": desired = ceil(current x value / target), nothing within a tolerance of 0.1;
    looked at every 15 s; up by at most the greater of 4 and 100 % each 15 s, without a window; down to the highest recommendation
    of 300 s. Its metrics are averages of some 15 s.
    """
    if (history[-1].at - START).total_seconds() % 15:
        return there
    wishes = [
        _wish(history[: end + 1])
        for end in range(len(history))
        if history[-1].at - history[end].at <= timedelta(minutes=5)
    ]
    now = wishes[-1]
    if now > there:
        return min(now, max(there + 4, there * 2))
    return min(there, max(wishes))


def _wish(history: Sequence[Reading]) -> int:
    recent = history[-3:]
    load, there = sum(each.load for each in recent) / len(recent), recent[-1].replicas
    ratio = load / BOUNDS.target_cpu
    wish = there if abs(ratio - 1) <= 0.1 else ceil(there * ratio)
    return max(BOUNDS.low, min(BOUNDS.high, wish))


def step(second: int) -> float:
    """Quiet, then five times as much, then quiet."""
    return 300.0 if 300 <= second < 1500 else 50.0


def ramp(second: int) -> float:
    """More and more for half an hour, up to what nine replicas can do at the target."""
    return 30.0 + min(second, 1800) / 3


def spike(second: int) -> float:
    """Everything at once, for five seconds of each four minutes."""
    return 400.0 if second % 240 < 5 and second > 100 else 40.0


def sawtooth(second: int) -> float:
    """Up for two minutes, and down in an instant."""
    return 60.0 + second % 120 * 3


def idle(second: int) -> float:
    """Next to nothing."""
    return 2.0 if second % 60 == 0 else 0.5


def noisy(second: int) -> float:
    """Ask for what three replicas carry, with chance around it that is the same each time."""
    return 180.0 + random.Random(second).uniform(-40, 40)
