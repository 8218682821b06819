"""What is remembered of a certificate that is wanted, and what is done next about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hostess.domain.certificates.attempts import Failure, next_attempt
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.ledger import Grounds, PastOrder, Wait, may_order
from hostess.domain.certificates.order import Kind, RenewalWindow, Trouble
from hostess.domain.certificates.renewal import ask_at, renewal_at

FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(hours=1)
"""Between two looks at a name's DNS: the first pause, doubled each time, and the longest."""

_DOUBLED = 6
_WARN = timedelta(days=7)
_LAST_PART = 6


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that has not ended. *id* names its key's file and its line in the books; *url* is "" until the authority told it."""

    id: str
    authority: str
    begun: datetime
    grounds: Grounds = Grounds.NEW
    url: str = ""


@dataclass(frozen=True, slots=True)
class Issuance:
    """What is remembered of the certificate for *names*.

    *failures* are those since the last success, retry or change, *error* what the last one was. *pending* tells what DNS lacks, ""
    for nothing; it was looked at *looks* times, last at *looked_at*. *urged*: somebody asked for an order now, whatever DNS says.
    *window* is what the authority said of the certificate *window_of*, when it was *window_asked*. *last_order* is when the last
    one was issued, *proven_by* how.
    """

    names: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    error: str = ""
    order: OpenOrder | None = None
    last_order: datetime | None = None
    pending: str = ""
    looks: int = 0
    looked_at: datetime | None = None
    urged: bool = False
    window: RenewalWindow | None = None
    window_of: str = ""
    window_asked: datetime | None = None
    proven_by: Kind | None = None


class Act(StrEnum):
    """What is done."""

    LOOK = "look"
    """Look whether DNS leads here."""
    ORDER = "order"
    RESUME = "resume"
    """Go on with the order that is open."""
    NOTHING = "nothing"
    """Somebody has to change something, or to ask for a retry."""


@dataclass(frozen=True, slots=True)
class Move:
    """What is done next, and when at the earliest. *wait* tells why not before, where our own books say so."""

    act: Act
    at: datetime
    authority: str = ""
    grounds: Grounds = Grounds.NEW
    replaces: str = ""
    wait: Wait | None = None
    look_first: bool = False


class Status(StrEnum):
    """How a certificate is doing."""

    SERVING = "serving"
    ISSUING = "issuing"
    RENEWING = "renewing"
    PENDING = "pending dns"
    WAITING = "waiting for a limit"
    FAILED = "failed"


def current_of(names: Iterable[str], certificates: Iterable[Certificate]) -> Certificate | None:
    """Return the certificate of an ACME authority that has all *names* and lasts longest."""
    wanted = set(names)
    found = [each for each in certificates if each.source is Source.ACME and wanted <= set(each.names)]
    return max(found, key=lambda each: (each.not_after, each.not_before, each.id), default=None)


def next_move(
    known: Issuance,
    current: Certificate | None,
    authorities: Sequence[str],
    past: Iterable[PastOrder],
    now: datetime,
) -> Move:
    """Return what is done next; *authorities* (directories' URLs) are those that may be asked, the first one first."""
    if known.pending and not known.urged:
        return Move(Act.LOOK, look_at(known, now))
    ends = current.not_after if current is not None else None
    attempt = next_attempt(known.failures, authorities, ",".join(known.names), now, ends)
    if attempt is None:
        # Records that forbid it may be changed; who was told to act by the authority itself has to say so.
        forbidden = known.failures[-1].trouble is Trouble.FORBIDDEN
        return Move(Act.LOOK if forbidden else Act.NOTHING, look_at(known, now))
    if known.order is not None and known.order.authority == attempt.authority:
        return Move(Act.RESUME, attempt.at, attempt.authority, known.order.grounds)
    at = attempt.at
    if current is not None and current.authority in authorities and not known.urged:
        at = max(at, renewal_at(current, _window(known, current), now, known.last_order))
    if at > now:
        return Move(Act.ORDER, at, attempt.authority)
    return _order(known, current, (attempt.authority, *authorities), list(past), now)


def waiting(known: Iterable[Issuance]) -> frozenset[str]:
    """Return the names that must share no certificate: their DNS is wrong, or they could not be proven by themselves."""
    return frozenset(
        name for each in known if each.pending or (each.failures and len(each.names) == 1) for name in each.names
    )


def look_at(known: Issuance, now: datetime) -> datetime:
    """Return when to look at the DNS of a name again."""
    if known.looked_at is None or known.looked_at > now:
        return now
    doubled: int = 2 ** min(max(known.looks - 1, 0), _DOUBLED)
    return known.looked_at + min(FIRST_LOOK * doubled, LONGEST_LOOK)


def asks_window(known: Issuance, current: Certificate, now: datetime) -> bool:
    """Whether the authority of *current* is to be asked now when it should be renewed."""
    if not current.renewal_id:
        return False
    if known.window_of != current.id or known.window_asked is None:
        return True
    return ask_at(known.window, known.window_asked, now) <= now


def renews_at(known: Issuance, current: Certificate, now: datetime) -> datetime:
    """Return when the successor of *current* will be ordered."""
    return renewal_at(current, _window(known, current), now, known.last_order)


def status_of(known: Issuance, current: Certificate | None, move: Move, *, busy: bool) -> Status:
    """Return how it is doing; *busy*: an order for it is under way."""
    if busy and move.act is not Act.LOOK:
        return Status.ISSUING if current is None else Status.RENEWING
    if known.pending:
        return Status.PENDING
    if move.wait is not None:
        return Status.WAITING
    if known.failures:
        return Status.FAILED
    return Status.ISSUING if current is None else Status.SERVING


def ends_soon(certificate: Certificate, now: datetime) -> bool:
    """Whether so little of its life is left that its renewal must have failed for long: a sixth, but no more than a week."""
    life = certificate.not_after - certificate.not_before
    return certificate.not_after - now <= min(life / _LAST_PART, _WARN)


def _seen_just_now(known: Issuance, now: datetime) -> bool:
    return known.looked_at is not None and timedelta(0) <= now - known.looked_at < FIRST_LOOK


def _window(known: Issuance, current: Certificate) -> RenewalWindow | None:
    return known.window if known.window_of == current.id else None


def _order(
    known: Issuance, current: Certificate | None, authorities: Sequence[str], past: Sequence[PastOrder], now: datetime
) -> Move:
    """Return an order that is due, of the first of *authorities* whose limits leave room for it; with a wait where none does."""
    failed = {each.authority for each in known.failures}
    waits = []
    for place, authority in enumerate(dict.fromkeys(authorities)):
        if place and authority in failed:
            continue
        grounds, replaces = _grounds(known, current, authority)
        wait = may_order(past, known.names, authority, now, grounds)
        if wait is None:
            unsure = {Trouble.NOT_OURS_YET, Trouble.FORBIDDEN}
            led = bool(known.failures) and known.failures[-1].trouble not in unsure
            first = current is None and not known.urged and not led and not _seen_just_now(known, now)
            return Move(Act.ORDER, now, authority, grounds, replaces, look_first=first)
        waits.append((wait, authority))
    wait, authority = min(waits, key=lambda each: each[0].until)
    return Move(Act.ORDER, wait.until, authority, wait=wait)


def _grounds(known: Issuance, current: Certificate | None, authority: str) -> tuple[Grounds, str]:
    """Return why it is ordered, and the renewal id of what it replaces: only where the authority speaks of renewals at all."""
    if current is None:
        return Grounds.NEW, ""
    refused = any(each.trouble is Trouble.REPLACED for each in known.failures)
    if _window(known, current) is not None and current.authority == authority and not refused:
        return Grounds.REPLACEMENT, current.renewal_id
    return (Grounds.RENEWAL if set(current.names) == set(known.names) else Grounds.NEW), ""
