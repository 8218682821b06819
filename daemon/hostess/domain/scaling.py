"""How many replicas a service needs, from what its replicas have to do: fast up, slow down, never back and forth. Pure.

That is what they use of their CPU or, where a service may sleep, how many requests they have in flight.

The rule is that of Kubernetes' Horizontal Pod Autoscaler (load / target, a tolerance, the highest wish of a window on the way
down). Beside it: the way up needs a whole short window at the present count, so that a spike and the start of the last replica
count for nothing; replicas that are at their limit are doubled, as nobody knows how much more there is to do; and on the way down
at most half of them go at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, inf

from hostess.domain.hostess_yml.stack import Replicas

TOLERANCE = 0.1
SATURATED = 95.0
"""The percentage of the CPU from which replicas are at their limit. Requests have none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What *replicas* had to do at a time: the average of their CPU in percent of the limit, or of their requests in flight."""

    at: datetime
    replicas: int
    load: float


@dataclass(frozen=True, slots=True)
class Goal:
    """What the load of each replica is held against, and how it is told; *full* is what shows a replica at its limit."""

    target: int
    unit: str
    digits: int
    sign: str = ""
    full: float = inf

    def told(self, load: float) -> str:
        """Return a load in words."""
        return f"{load:.{self.digits}f} {self.unit} on average, and {self.target}{self.sign} is the target"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a load must last before replicas are added (*up*) or removed (*down*), and how long after a change none is removed."""

    up: timedelta = timedelta(seconds=15)
    down: timedelta = timedelta(minutes=5)
    rest: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Room:
    """How many replicas the host has room for, and what it is that allows no more."""

    replicas: float = inf
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas there should be, and why, for people."""

    replicas: int
    why: str


def wanted(history: Sequence[Reading], now_there: int, bounds: Replicas, room: Room, pace: Pace) -> Decision:
    """Return how many replicas a service should have that has *now_there*; *history* is in order, and ends now.

    *room* bounds what is added, never what is there.
    """
    low, goal = max(bounds.low, 1), goal_of(bounds)
    if now_there < low:
        return Decision(low, f"hostess.yml asks for at least {low}")
    if now_there > bounds.high:
        return Decision(bounds.high, f"hostess.yml allows at most {bounds.high}")
    if not history:
        return Decision(now_there, "nothing is measured yet")
    same = _since_change(history, now_there)
    load = _average(_last(same, pace.up))
    said = goal.told(load)
    if _covers(same, pace.up) and load > goal.target * (1 + TOLERANCE):
        return _more(load, now_there, bounds, room, goal)
    if _covers(history, pace.down) and _covers(same, pace.rest):
        needed = max(_needed(each, goal.target) for each in _last(history, pace.down))
        return Decision(_fewer(needed, now_there, low), said)
    return Decision(now_there, said)


def goal_of(bounds: Replicas) -> Goal:
    """Return what the load of a service within these bounds is held against."""
    if bounds.may_sleep:
        return Goal(bounds.target_requests, "requests in flight", 1)
    return Goal(bounds.target_cpu, "% CPU", 0, " %", SATURATED)


def room_of_cores(cores: int, limit: float, target: int) -> Room:
    """Return how many replicas with this limit (in cores) the host can keep busy at the target; more would only share its cores."""
    return Room(ceil(cores / (limit * target / 100)), f"they keep all {cores} cores of the host busy")


def _fewer(needed: float, now_there: int, low: int) -> int:
    """Return how many stay: they must carry it with the tolerance to spare, or some would soon be added again."""
    fewer = max(ceil(needed), low, now_there // 2)
    enough = fewer if needed <= fewer * (1 - TOLERANCE) else fewer + 1
    return min(enough, now_there)


def _more(load: float, now_there: int, bounds: Replicas, room: Room, goal: Goal) -> Decision:
    said = goal.told(load)
    needed = now_there * 2 if load >= goal.full else ceil(now_there * load / goal.target)
    possible = max(now_there, min(needed, bounds.high, room.replicas))
    if room.replicas < min(needed, bounds.high):
        return Decision(int(possible), f"{said}; no more than {int(possible)}: {room.why}")
    if bounds.high < needed:
        return Decision(int(possible), f"{said}; no more than {bounds.high}: so says hostess.yml")
    return Decision(int(possible), said)


def _needed(reading: Reading, target: int) -> float:
    return reading.replicas * reading.load / target


def _since_change(history: Sequence[Reading], now_there: int) -> Sequence[Reading]:
    """Return the readings since there are so many replicas."""
    first = len(history)
    while first and history[first - 1].replicas == now_there:
        first -= 1
    return history[first:]


def _last(history: Sequence[Reading], window: timedelta) -> Sequence[Reading]:
    return [each for each in history if each.at > history[-1].at - window] if history else ()


def _covers(history: Sequence[Reading], window: timedelta) -> bool:
    """Whether the readings reach back so far."""
    return len(history) > 1 and history[-1].at - history[0].at >= window


def _average(readings: Sequence[Reading]) -> float:
    return sum(each.load for each in readings) / len(readings) if readings else 0.0
