"""The routing table as a value: what is served where. It is replaced as a whole, never edited; `parsing` makes it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any

from hostess_proxy.tables.challenges import NO_CHALLENGES, Challenges
from hostess_proxy.tables.terms import NOTHING_ASKED, Hold, Terms

DEFAULT_HOST = "*"
HTTP1 = "http1"
H2C = "h2c"
POSTGRES = "postgres"
REDIS = "redis"
CONNECTIONS = 100
"""How many connections from outside a worker holds to one database, where the table does not say."""

_TARGET = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
MAX_PORT = 65535


class TableError(ValueError):
    """A table that is not one. *place* is where, as `routes[3].targets[0]`; *what* is the reason in words."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}" if place else what)
        self.place = place
        self.what = what


@dataclass(frozen=True, slots=True)
class StaticRoot:
    """A folder whose files are served, by its absolute path. *spa*: paths that lead to no file are answered with index.html.

    *earlier* is the folder of the release before ("" for none): its files with a digest in their names are still served.
    """

    root: str
    spa: bool = False
    earlier: str = ""


@dataclass(frozen=True, slots=True)
class Canary:
    """A release that is tried out beside a route's own: on *percent* of its clients, and on all requests that show one of *values*.

    They show it in *header* ("" for none), or in the cookie that tells clients apart.
    """

    release: str
    targets: tuple[str, ...]
    percent: float = 0.0
    header: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Buffer:
    """How request bodies are buffered: up to *memory* bytes in memory, else in a file of up to *disk* bytes."""

    memory: int = 1 << 20
    disk: int = 1 << 30

    @property
    def most(self) -> int:
        """The length of the longest body."""
        return max(self.memory, self.disk)


@dataclass(frozen=True, slots=True)
class Route:
    """One host and path prefix, and where its requests go.

    *host* is lower-case: a name, `*.rest` for any one label before rest, or `*` for every host that nothing else matches.
    *targets* are "address:port"; with none, requests are answered with 503. *first_byte_timeout* is in seconds, 0 means
    none. *body_limit* is in bytes, None means none. With *static* there are no targets: the proxy serves files itself. *sign_in*
    are the SHA-256 digests (hex) of the tokens that may pass; with none of them nobody may, and None asks for no sign-in.
    *terms* is what else the route asks of requests.
    *project* and *environment* say whose it is, for what is counted ("" for nobody's).
    *slow_start* is how many seconds a target that is new beside older ones gets fewer requests. With *compress* texts are compressed on
    their way. With *buffer* request bodies are read wholly before they go on. *protocol* is what targets speak: HTTP1, or H2C (HTTP/2
    without TLS).
    """

    host: str
    service: str
    release: str
    targets: tuple[str, ...]
    path: str = "/"
    project: str = ""
    redirect_https: bool = False
    expose_release: bool = False
    first_byte_timeout: float = 60.0
    body_limit: int | None = None
    static: StaticRoot | None = None
    sign_in: tuple[str, ...] | None = None
    terms: Terms = NOTHING_ASKED
    slow_start: float = 0.0
    canary: Canary | None = None
    compress: bool = False
    buffer: Buffer | None = None
    protocol: str = HTTP1
    environment: str = ""

    def of_canary(self, canary: Canary) -> "Route":
        """Return the same route to the release that is tried out."""
        return replace(self, release=canary.release, targets=canary.targets)

    def addresses(self) -> tuple[str, ...]:
        """Return all targets, those of the canary too."""
        return self.targets if self.canary is None else self.targets + self.canary.targets

    @property
    def names(self) -> tuple[str, str, str, str]:
        """Project, service, release and environment, by which it is counted."""
        return self.project, self.service, self.release, self.environment


@dataclass(frozen=True, slots=True)
class Inside:
    """A service at its virtual *address*, for callers of its own *network* (CIDR) and nobody else. IPv4.

    *replicas* are addresses; a caller's port is theirs. *ports* are those that the service lists, *http* those of them at which
    nothing but HTTP is spoken; at any other one it is found out. With *static* there are no replicas. With *wake* callers wait
    while there are none.
    """

    network: str
    address: str
    service: str
    release: str
    replicas: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    http: tuple[int, ...] = ()
    project: str = ""
    static: StaticRoot | None = None
    wake: Hold | None = None
    environment: str = ""

    def route(self, port: int) -> Route:
        """Return the route to one port, at the virtual address. An answer may take as long as it would without a proxy between."""
        targets = tuple(f"{replica}:{port}" for replica in self.replicas)
        return Route(
            host=self.address,
            service=self.service,
            release=self.release,
            targets=targets,
            project=self.project,
            environment=self.environment,
            first_byte_timeout=0.0,
            static=self.static,
            terms=NOTHING_ASKED if self.wake is None else Terms(wake=self.wake),
        )


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is reached from outside: by TLS, for who asks for *host* (SNI) at the listener of its *protocol*.

    *protocol* is POSTGRES or REDIS. *targets* are "address:port"; with none, clients are told that it does not run. *connections* is
    how many each worker holds at once. Clients outside the networks *allow* are closed; none given: there are none.
    """

    host: str
    protocol: str
    service: str
    release: str
    targets: tuple[str, ...] = ()
    project: str = ""
    connections: int = CONNECTIONS
    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    environment: str = ""

    def route(self) -> Route:
        """Return where its connections go, as a route: they are counted and drained as those of routes are."""
        return Route(
            host=self.host,
            service=self.service,
            release=self.release,
            targets=self.targets,
            project=self.project,
            environment=self.environment,
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate on disk, for *names*: host names, `*.rest`, addresses, or `*` for whoever asks for a name that has no other."""

    names: tuple[str, ...]
    chain: str
    key: str


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that is served. *generation* grows with each table that was published; *session_key* signs sessions.

    *challenges* are what certificate authorities may ask for, whatever the routes say.
    """

    routes: tuple[Route, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    inside: tuple[Inside, ...] = ()
    generation: int = 0
    session_key: bytes = field(default=b"", repr=False)
    challenges: Challenges = NO_CHALLENGES
    databases: tuple[Database, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def all_routes(self) -> Iterator[Route]:
        """Yield all routes: those from outside, those to databases, and those to the listed ports of virtual addresses."""
        yield from self.routes
        yield from (database.route() for database in self.databases)
        for inside in self.inside:
            yield from (inside.route(port) for port in inside.ports)

    def releases(self) -> set[tuple[str, str, str, str]]:
        """Return the names of all that is served (`Route.names`); releases that are tried out too."""
        routes = [*self.all_routes()]
        routes += [route.of_canary(route.canary) for route in routes if route.canary is not None]
        return {route.names for route in routes}

    def located(self, folder: Path) -> "Table":
        """Return the same table with paths of certificates that do not depend on where one stands; they are relative to *folder*."""
        if not self.certificates:
            return self
        found = tuple(
            replace(one, chain=str(folder / one.chain), key=str(folder / one.key)) for one in self.certificates
        )
        raw = [{"names": list(one.names), "chain": one.chain, "key": one.key} for one in found]
        return replace(self, certificates=found, raw={**self.raw, "certificates": raw})

    def numbered(self, generation: int) -> "Table":
        """Return the same table with another generation."""
        return replace(self, generation=generation, raw={**self.raw, "generation": generation})


def split_target(target: str) -> tuple[str, int]:
    """Return address and port of a target ("127.0.0.1:80", "[::1]:80"); ValueError when it is none."""
    match = _TARGET.fullmatch(target)
    if match is None or not 0 < int(match["port"]) <= MAX_PORT:
        raise ValueError(f"{target!r} is not address:port")
    if match["v6"]:
        ip_address(match["v6"])
    return match["v6"] or match["host"], int(match["port"])
