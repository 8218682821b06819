"""What a route may ask of requests beside where they go, as values; `terms_parsing` makes them, `admission` acts on them."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final


@dataclass(frozen=True, slots=True)
class Credential:
    """A name that may pass with a password: *digest* is SHA-256 of *salt* and the password."""

    user: bytes
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many *requests* in so many *seconds* for each client, *burst* of them at once."""

    requests: int
    seconds: float
    burst: int


@dataclass(frozen=True, slots=True)
class Redirect:
    """The *host* that everything is sent to, with this status."""

    host: str
    status: int = 308


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Nobody is served but clients in *allow*. *message* is for people ("" for ours), *retry_after* is in seconds.

    At *health_path* ("" for none) GET and HEAD are answered with 200, so that what watches from outside keeps still.
    """

    message: str = ""
    retry_after: int = 60
    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    health_path: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Up to so many *requests* wait, in each worker, for so many *seconds*."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Hsts:
    """Browsers that came by TLS come by nothing else for *max_age* seconds (RFC 6797); 0 takes that back.

    *subdomains* includes all names below; *preload* consents to the lists that browsers bring along.
    """

    max_age: int
    subdomains: bool = False
    preload: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it, for one route. Networks and credentials: None lets everybody pass, an empty tuple nobody.

    *error_pages* are pairs of a status ("502") or a class of them ("5xx") and HTML. *voucher* is the word by which the backend knows
    that a request came through this proxy.
    """

    strip_prefix: bool = False
    basic_auth: tuple[Credential, ...] | None = None
    allow: tuple[IPv4Network | IPv6Network, ...] | None = None
    rate_limit: RateLimit | None = None
    redirect: Redirect | None = None
    hsts: Hsts | None = None
    maintenance: Maintenance | None = None
    pause: Hold | None = None
    wake: Hold | None = None
    error_pages: tuple[tuple[str, str], ...] = ()
    voucher: str = field(default="", repr=False)


NOTHING_ASKED: Final = Terms()
