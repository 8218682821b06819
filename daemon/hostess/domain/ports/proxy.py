"""The proxy, as the daemon sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from hostess.domain.records import Answers, Counted
from hostess.domain.releases.release import StaticSite
from hostess.domain.routing.route_settings import RouteSettings

OUTDATED: Final = "proxy-outdated"
"""The code of the Problem with a proxy that has never heard of something in its table."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Requests are answered with a page, but for those from the networks *allow*.

    At *health_path* ("" for none) the answer is 200, so that what watches from outside keeps still.
    """

    message: str
    retry_after: int
    allow: tuple[str, ...] = ()
    health_path: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """So many requests wait, each for so many seconds at most, until a table without this comes."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Wake:
    """While there is no target so many requests wait, each for so many seconds at most, and the daemon is told."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Called:
    """A service without targets that somebody waits for, and by which route: a host and a path, or a virtual address."""

    project: str
    service: str
    host: str
    path: str


@dataclass(frozen=True, slots=True)
class TargetLoad:
    """What a target has to do: requests *in_flight* (relays and upgraded connections too), and how many were ever *begun*.

    *seconds* are those that all of them together have taken.
    """

    in_flight: int
    begun: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FailedTarget:
    """A target ("address:port") that has failed so many requests of late, the last one by *kind*; *out*: the proxy leaves it out.

    *kind* is "connect", "closed" (no answer) or "invalid" (none that is one); answers of the app, 5xx too, are no failures.
    """

    target: str
    count: int
    kind: str
    out: bool


@dataclass(frozen=True, slots=True)
class CanaryTargets:
    """Where a share of the requests goes: so many *percent* of clients, and those whose *header* has one of these values."""

    release: str
    targets: tuple[str, ...]
    percent: int
    header: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hsts:
    """Browsers that came by TLS come by nothing else for so many seconds (RFC 6797); 0 takes that back.

    *subdomains* includes all names below; *preload* consents to the lists that browsers bring along.
    """

    max_age: int
    subdomains: bool = False
    preload: bool = False


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Where one host (and path prefix) is routed. *targets* are "address:port". *release* is for the access log and pages.

    *environment* keeps what is counted apart from other environments; an older proxy is told none.

    With *static* there are no targets: the proxy serves the files of that site. *sign_in* are the digests of the tokens that may
    pass; with none of them nobody may, and None asks for no sign-in. *settings* are what its service asks for else. With
    *redirect_https* plain requests are sent to HTTPS. *voucher* (hex) goes with each request, in place of what a client has put there.
    """

    host: str
    project: str
    service: str
    release: str
    targets: tuple[str, ...]
    path: str = "/"
    static: StaticSite | None = None
    sign_in: tuple[str, ...] | None = None
    settings: RouteSettings | None = None
    maintenance: Maintenance | None = None
    pause: Pause | None = None
    canary: CanaryTargets | None = None
    redirect_https: bool = False
    hsts: Hsts | None = None
    voucher: str = field(default="", repr=False)
    wake: Wake | None = None
    environment: str = ""


@dataclass(frozen=True, slots=True)
class InsideService:
    """A service as callers of its own *network* (CIDR) see it, at its virtual *address*.

    *replicas* are addresses; a caller's port is theirs. *ports* are those that it lists, *http* those of them where nothing but
    HTTP is spoken. With *static* there are no replicas.
    """

    network: str
    address: str
    project: str
    service: str
    release: str
    replicas: tuple[str, ...]
    ports: tuple[int, ...]
    http: tuple[int, ...]
    static: StaticSite | None = None
    wake: Wake | None = None
    environment: str = ""


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """A database that clients outside reach by TLS at *host*, where the proxy listens for its *protocol* ("postgres", "redis").

    *targets* are "address:port", none while it does not run. Each worker holds so many *connections* to it, of clients in the networks
    *allow* (none given: of all).
    """

    host: str
    protocol: str
    project: str
    service: str
    release: str
    targets: tuple[str, ...]
    connections: int
    allow: tuple[str, ...] = ()
    environment: str = ""


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """A certificate that the proxy shows for its *names*; *chain* and *key* are absolute paths of PEM files.

    *trusted* is for the daemon alone: clients trust it without having been told to, or somebody brought it for those who do.
    """

    names: tuple[str, ...]
    chain: str
    key: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class AlpnChallenge:
    """What is shown for a name to who asks by "acme-tls/1" alone (RFC 8737); *chain* and *key* are absolute paths of PEM files."""

    name: str
    chain: str
    key: str


@dataclass(frozen=True, slots=True)
class Challenges:
    """What authorities may ask for at present: *http* is token -> key authorization (RFC 8555 §8.3)."""

    http: Mapping[str, str] = field(default_factory=dict)
    alpn: tuple[AlpnChallenge, ...] = ()


NO_CHALLENGES: Final = Challenges()


class Router(Protocol):
    """The proxy, as the daemon sees it."""

    async def publish(
        self,
        routes: Sequence[Upstreams],
        inside: Sequence[InsideService] = (),
        session_key: str = "",
        certificates: Sequence[ServedCertificate] = (),
        challenges: Challenges = NO_CHALLENGES,
        databases: Sequence[OpenDatabase] = (),
    ) -> int:
        """Make these the whole table, acknowledged by every worker; return its generation.

        Problem "proxy-unreachable"; Problem OUTDATED when it asks for what this proxy does not know, or "proxy-refused", and the
        table of before stays. *session_key* (hex) signs the sessions of those who sign in.
        """

    async def in_flight(self, targets: Sequence[str]) -> int:
        """Return how many requests (upgraded connections too) the workers together hold at these targets."""

    async def drained(self, targets: Sequence[str], within: timedelta) -> int:
        """Wait until nothing is in flight at these targets; after *within* cut what is left, and return how many were cut."""

    async def loads(self) -> Mapping[str, TargetLoad]:
        """Return what each target of the table has to do, by "address:port". Problem OUTDATED, "proxy-unreachable"."""

    async def answers(self) -> tuple[tuple[float, ...], Mapping[Counted, Answers]]:
        """Return the bounds of seconds, and what each release of a service has answered. Problem OUTDATED, "proxy-unreachable"."""

    async def wanted(self, within: timedelta) -> Sequence[Called]:
        """Wait until requests are held for services that sleep, and return these; nothing after *within* without any.

        Each is named about once a second while somebody waits. Problem OUTDATED, "proxy-unreachable".
        """

    async def failing(self, within: timedelta) -> Sequence[FailedTarget]:
        """Wait until targets fail requests, and return these, each failure once; nothing after *within* without any.

        Problem OUTDATED, "proxy-unreachable".
        """

    async def metrics(self) -> str:
        """Return what it has counted, as text for Prometheus. Problem "proxy-unreachable"."""

    async def prove(self, host: str, path: str) -> tuple[int, str] | None:
        """Ask for a page through the proxy's own listener; return its status, and the proxy's own error code ("" = the app's answer).

        None when the proxy has no listener to ask through.
        """

    async def presented(self, host: str) -> str | None:
        """Return the serial number (hex) of the certificate that its own TLS listener shows for *host*; "" when it shows none.

        None when it does not listen for TLS. Problem "proxy-unreachable".
        """
