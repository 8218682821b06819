"""What an authority says of an order for a certificate, in the words of RFC 8555."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of challenges that Hostess can meet."""

    HTTP = "http-01"
    ALPN = "tls-alpn-01"
    DNS = "dns-01"


class Trouble(StrEnum):
    """What kind of failure an authority reported: it decides when, and where, the next attempt is made."""

    NOT_OURS_YET = "not-ours-yet"
    """DNS or the network does not lead here: back off."""
    FORBIDDEN = "forbidden"
    """CAA, or a name that the authority never issues for: stop until somebody changes something."""
    RATE_LIMITED = "rate-limited"
    """Too many requests: not before `retry_after`; another authority may do it."""
    REPLACED = "replaced"
    """The certificate that the order was to replace has been replaced already: order again without it."""
    PAUSED = "paused"
    """The authority wants a person to act; the link is in the sentence."""
    AUTHORITY = "authority"
    """The authority is down or broken: back off; another one may do it."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to prove control of a name (RFC 8555 §8). *answer* is the key authorization.

    *error* and *trouble* tell what was wrong with it, where it failed.
    """

    kind: Kind
    url: str
    token: str
    status: str
    answer: str
    error: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an authority wants for one name (RFC 8555 §7.1.4); *name* is without the asterisk where *wildcard*."""

    name: str
    wildcard: bool
    status: str
    challenges: tuple[Challenge, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """A request for a certificate, as the authority has it (RFC 8555 §7.1.3).

    *error* and *trouble* tell why an invalid one failed, those of its challenges included.
    """

    url: str
    status: str
    names: tuple[str, ...]
    authorizations: tuple[Authorization, ...]
    error: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class RenewalWindow:
    """When an authority wants a certificate to be renewed (RFC 9773 §4.2), and when to ask again."""

    start: datetime
    end: datetime
    ask_after: timedelta
