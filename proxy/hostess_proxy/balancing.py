"""Which target is next, and what speaks against one. Pure: time and turn are arguments.

The target with the fewest requests in flight is next, in turn where equal; of more than FEW targets two are looked at. Where all
are well that is all (`quickest`). `choose` is for the rest of the time. It puts last, and therefore uses only where no other is
left:

1. targets that are *out*: FAILURES failures in a row within WINDOW_SECONDS. After a pause one request is sent as a trial; when
   that fails, too, the pause is twice as long. Where more than half of a route's targets would be out, none is: the fault may be
   on our side, and the others could not carry the load;
2. targets that lately let us not connect;
3. targets that are new beside older ones, but for a share of the requests that grows while they warm up.

In none of these cases a request is refused: whoever comes last is still better than nobody.
"""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

FAILURES: Final = 3
WINDOW_SECONDS: Final = 5.0
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 60.0
AVOID_SECONDS: Final = 2.0
FEW: Final = 8
_GOLDEN = 0.6180339887498949  # its multiples, without their whole part, are spread evenly and follow no other rhythm
_MIXER = 0x9E3779B1


@dataclass(frozen=True, slots=True)
class Health:
    """What speaks against a target; None stands where nothing does.

    *at* is when that came up: only a request that began later can show that it is over. *failures* are the times of those in a
    row. It comes last until *avoid_until*, and is out until *out_until*, *pause* seconds long; 0 where it is not out. *on_trial*: a
    request was sent to see whether it is well.
    """

    at: float = 0.0
    failures: tuple[float, ...] = ()
    avoid_until: float = 0.0
    out_until: float = 0.0
    pause: float = 0.0
    on_trial: bool = False


class Candidate(Protocol):
    """What has to be known of a target to choose it. *since* is when it came into the table."""

    @property
    def health(self) -> Health | None:
        """What speaks against it."""

    @property
    def exchanges(self) -> Sized:
        """What it is busy with."""

    @property
    def since(self) -> float:
        """When it came into the table."""


T = TypeVar("T", bound=Candidate)


# ---- health


def failed(health: Health | None, now: float, *, connecting: bool, others: bool) -> Health:
    """Return what speaks against a target that failed now, *connecting* or later; it is put out only where there are *others*."""
    before = health or Health()
    avoid_until = now + AVOID_SECONDS if connecting else before.avoid_until
    if before.on_trial:
        pause = min(before.pause * 2, LONGEST_PAUSE)
        return Health(now, (), avoid_until, now + pause, pause)
    if before.pause:
        return replace(before, avoid_until=avoid_until)
    recent = (*(at for at in before.failures if now - at <= WINDOW_SECONDS), now)[-FAILURES:]
    if len(recent) == FAILURES and others:
        return Health(now, (), avoid_until, now + FIRST_PAUSE, FIRST_PAUSE)
    return Health(now, recent, avoid_until)


def answered(health: Health, began: float) -> Health | None:
    """Return what still speaks against a target that has answered a request which *began* then."""
    if began > health.at:
        return None
    return health if health.pause else replace(health, failures=())


def tried(health: Health, now: float) -> Health:
    """Return the health of a target that is sent a request: where its pause is over, that one is its trial, and it stays out."""
    if not health.pause or health.out_until > now:
        return health
    return replace(health, out_until=now + health.pause, on_trial=True)


def usable(health: Health | None, now: float) -> bool:
    """Whether a target need not come last."""
    return health is None or max(health.out_until, health.avoid_until) <= now


def are_out(targets: Sequence[T], now: float) -> list[T]:
    """Return the targets that are out, however many: the caller knows what is too many."""
    return [target for target in targets if target.health is not None and target.health.out_until > now]


def too_many(out: int, count: int) -> bool:
    """Whether more than half of the targets would be out, so that none is."""
    return out * 2 > count


# ---- choice


def quickest(targets: Sequence[T], turn: int) -> T | None:
    """Return the next target where nothing speaks against those that are looked at; None says that `choose` must look closer."""
    count = len(targets)
    if count > FEW:
        first, second = _two(turn, count)
        one, other = targets[first], targets[second]
        if one.health is not None or other.health is not None:
            return None
        return one if len(one.exchanges) <= len(other.exchanges) else other
    best: T | None = None
    least = 1 << 60
    for i in range(count):
        target = targets[(turn + i) % count]
        if target.health is not None:
            return None
        load = len(target.exchanges)
        if not load:
            return target
        if load < least:
            best, least = target, load
    return best


def choose(targets: Sequence[T], turn: int, now: float, passed_over: Sequence[T], warm_up: float) -> T | None:
    """Return the next target, never one of those *passed_over*; a new one warms up for *warm_up* seconds beside older ones."""
    out = are_out(targets, now)
    if too_many(len(out), len(targets)):
        out = []
    oldest = min((target.since for target in targets), default=0.0)
    ranked = []
    for target in targets:
        if target not in passed_over:
            avoided = target.health is not None and target.health.avoid_until > now
            rests = target.since > oldest and not _has_its_share(turn, now - target.since, warm_up)
            ranked.append(((target in out, avoided, rests), target))
    if not ranked:
        return None
    first = min(rank for rank, _ in ranked)
    # Turns are taken among the equal ones only: else whoever stands behind one that is out would get its turns, too.
    equals = [target for rank, target in ranked if rank == first]
    start = turn % len(equals)
    return min(equals[start:] + equals[:start], key=lambda target: len(target.exchanges))


def _has_its_share(turn: int, age: float, warm_up: float) -> bool:
    """Whether a target of this age takes part this turn: in so many turns as it has been warming up."""
    return not warm_up or age >= warm_up or (turn * _GOLDEN) % 1.0 * warm_up < age


def _two(turn: int, count: int) -> tuple[int, int]:
    """Return two different places of *count*, others each turn."""
    mixed = (turn * _MIXER) & 0xFFFFFFFF
    first = (mixed >> 16) * count >> 16
    return first, (first + 1 + (mixed & 0xFFFF) % (count - 1)) % count
