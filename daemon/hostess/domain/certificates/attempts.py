"""When, and of whom, a certificate is asked for again after failures."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain.certificates.order import Trouble

PAUSES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100), timedelta(days=1))
"""After the first failure, the second, the third, and each further one."""

NEEDS_SOMEBODY = frozenset({Trouble.FORBIDDEN, Trouble.PAUSED})
"""Nothing comes of another attempt until somebody changes something."""

ELSEWHERE = frozenset({Trouble.AUTHORITY, Trouble.RATE_LIMITED})
"""Another authority may do what this one did not."""

LONGEST_REFUSAL = timedelta(days=7)
"""No limit of an authority is longer; one that says so is asked again nevertheless."""

_SOON = timedelta(minutes=10)
_JITTER = 10


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed; *authority* is the directory's URL. *retry_after* is what it said of its next time, None: nothing."""

    at: datetime
    trouble: Trouble
    authority: str
    retry_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """When to ask which authority (the directory's URL)."""

    at: datetime
    authority: str


def next_attempt(
    failures: Sequence[Failure],
    authorities: Sequence[str],
    key: str,
    now: datetime,
    ends: datetime | None = None,
) -> Attempt | None:
    """Return the next attempt for a certificate; None while somebody has to change something, or to ask for a retry.

    *failures* are those since the last success, change of the records that were wrong, or retry that a person asked for, in their
    order; *authorities* are tried in theirs. *key* (the names, say) spreads attempts that failed together. *ends* is when the
    certificate ends that is served meanwhile: the less is left of it, the shorter are the pauses.
    """
    if not failures:
        return Attempt(now, authorities[0])
    last = failures[-1]
    if last.trouble in NEEDS_SOMEBODY:
        return None
    again = last.trouble is Trouble.REPLACED and (len(failures) == 1 or failures[-2].trouble is not Trouble.REPLACED)
    refused = {each: _refused_until(failures, each) for each in authorities}
    authority = _next_authority(last, authorities, refused, now)
    # A time that is yet to come was noted before the clock was set back; the next failure is noted with the right one.
    at = now if last.at > now or again else last.at + _pause(failures, key, ends)
    until = refused[authority]
    return Attempt(at if until is None else max(at, until), authority)


def _next_authority(
    last: Failure, authorities: Sequence[str], refused: dict[str, datetime | None], now: datetime
) -> str:
    if last.authority not in authorities:
        return authorities[0]
    if last.trouble not in ELSEWHERE:
        return last.authority
    place = authorities.index(last.authority) + 1
    # In turn, but nobody waits for one that refuses while another does not.
    return min((*authorities[place:], *authorities[:place]), key=lambda each: refused[each] or now)


def _refused_until(failures: Sequence[Failure], authority: str) -> datetime | None:
    """Return when an authority may be asked again by its own word; None where it said nothing."""
    times = [
        min(each.retry_after, each.at + LONGEST_REFUSAL)
        for each in failures
        if each.authority == authority and each.retry_after is not None
    ]
    return max(times, default=None)


def _pause(failures: Sequence[Failure], key: str, ends: datetime | None) -> timedelta:
    count, last = len(failures), failures[-1]
    pause = PAUSES[min(count, len(PAUSES)) - 1]
    if ends is not None:
        pause = min(pause, max((ends - last.at) / 10, _SOON))
    digest = hashlib.sha256(f"{key}/{count}".encode()).digest()
    return pause + pause / _JITTER * (int.from_bytes(digest[:6]) / 2**48)
