"""What the limits of authorities leave for us, by our own books: we stop before they stop us.

The limits are those that Let's Encrypt publishes. They are kept for each authority by itself; a count over the time before, as here, is
never more than what a bucket of the same size gives that is refilled evenly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
_COUNTRY = 2


class Grounds(StrEnum):
    """Why a certificate is ordered: it decides which limits count."""

    NEW = "new"
    RENEWAL = "renewal"
    """For exactly the names of one that is there."""
    REPLACEMENT = "replacement"
    """With the id of the one that it replaces (RFC 9773 §5): exempt from all limits."""


class Outcome(StrEnum):
    """What became of an order."""

    OPEN = "open"
    """Not known yet: it counts as what is worse."""
    ISSUED = "issued"
    DENIED = "denied"
    """A name could not be proven."""
    DROPPED = "dropped"
    """It ended otherwise, without a certificate."""


@dataclass(frozen=True, slots=True)
class PastOrder:
    """An order that was begun; *authority* is the directory's URL. *denied* are the names that were not proven, as far as known."""

    at: datetime
    authority: str
    names: tuple[str, ...]
    outcome: Outcome
    grounds: Grounds = Grounds.NEW
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """No order before *until*; *why* is a sentence for people."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in so long a time."""

    most: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """What an authority allows an account: orders, certificates per registered domain, for the same names, and denials per name."""

    orders: Limit = Limit(300, timedelta(hours=3))
    domain: Limit = Limit(50, timedelta(days=7))
    same_names: Limit = Limit(5, timedelta(days=7))
    denials: Limit = Limit(5, timedelta(hours=1))


LETS_ENCRYPT = Limits()

KEPT = timedelta(days=8)
"""How long a past order has to be remembered."""


def may_order(
    past: Iterable[PastOrder],
    names: Sequence[str],
    authority: str,
    now: datetime,
    grounds: Grounds = Grounds.NEW,
    limits: Limits = LETS_ENCRYPT,
) -> Wait | None:
    """Return None where a certificate for *names* may be ordered of *authority* now, else when it may be, and why not before."""
    if grounds is Grounds.REPLACEMENT:
        return None
    counted = [each for each in past if each.authority == authority and each.grounds is not Grounds.REPLACEMENT]
    issued = [each for each in counted if each.outcome in {Outcome.OPEN, Outcome.ISSUED}]
    waits = [
        _wait(counted, limits.orders, now, "{} orders were begun"),
        _wait(
            [each for each in issued if set(each.names) == set(names)],
            limits.same_names,
            now,
            f"{{}} certificates for exactly {', '.join(sorted(names))} were issued",
        ),
    ]
    for name in names:
        denied = [each for each in counted if _denied(each, name)]
        waits.append(_wait(denied, limits.denials, now, f"{name} could not be proven {{}} times"))
    if grounds is Grounds.NEW:
        for domain in {registered_domain(name) for name in names}:
            below = [
                each for each in issued if each.grounds is Grounds.NEW and domain in map(registered_domain, each.names)
            ]
            waits.append(
                _wait(below, limits.domain, now, f"{{}} certificates for {domain} and names below it were issued")
            )
    return max(filter(None, waits), key=lambda each: (each.until, each.why), default=None)


def registered_domain(name: str) -> str:
    """Return the domain by which authorities count *name*, nearly: they use the public suffix list, which changes daily.

    It is the last two labels, or three where the last is a country's and the one before says the kind of owner ("co.uk"). So
    names below a suffix that many share count as those of one owner: we stop earlier than need be, never later.
    """
    labels = name.removeprefix("*.").split(".")
    shared = len(labels) > _COUNTRY and len(labels[-1]) == _COUNTRY and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if shared else -2 :])


def _denied(order: PastOrder, name: str) -> bool:
    match order.outcome:
        case Outcome.OPEN:
            return name in order.names
        case Outcome.DENIED:
            return name in (order.denied or order.names)
    return False


def _wait(orders: Iterable[PastOrder], limit: Limit, now: datetime, what: str) -> Wait | None:
    """Return until when a limit is used up by these *orders*; *what* has a place for their number."""
    # What lies in the future was noted before the clock was set back, and would stop us until then.
    recent = sorted(each.at for each in orders if now - limit.within < each.at <= now)
    if len(recent) < limit.most:
        return None
    until = recent[-limit.most] + limit.within
    return Wait(
        until,
        f"{what.format(len(recent))} in the last {_span(limit.within)}, and the authority allows {limit.most}: "
        f"the next order is made on {until:%Y-%m-%d at %H:%M} UTC",
    )


def _span(length: timedelta) -> str:
    hours = round(length / timedelta(hours=1))
    if hours == 1:
        return "hour"
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"
