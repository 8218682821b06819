"""Targets as one worker sees them: what is in flight at each, its idle connections, and which one is next.

A target that left the table gets nothing new, keeps no idle connection, and is forgotten when its last request has ended.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network
from time import monotonic
from typing import TYPE_CHECKING, Final

from hostess_proxy.balancing import Health, choose, quickest, tried, usable
from hostess_proxy.exchange import BODY_SECONDS, NEVER
from hostess_proxy.http2.pool import Pool
from hostess_proxy.retries import Budget
from hostess_proxy.routes.admission import checks_of
from hostess_proxy.routes.challenge_answers import answered, answers_of
from hostess_proxy.routes.error_pages import NO_PAGES, Pages, pages_of
from hostess_proxy.routes.shaping import shapes_of
from hostess_proxy.routes.sign_in import Gate
from hostess_proxy.static.folder import Folder
from hostess_proxy.tables.table import DEFAULT_HOST, H2C, HTTP1, Inside, Route, StaticRoot, Table, split_target
from hostess_proxy.telemetry.counting import Counters, Counts

if TYPE_CHECKING:
    from hostess_proxy.ports import Backend, InFlight
    from hostess_proxy.upstream import Upstream

IDLE_SECONDS: Final = 4.0  # below the 5 s after which Node and uvicorn close, so that the race is seldom run
IDLE_CONNECTIONS: Final = 256
_FRESH_SECONDS = 1.0


class Target:
    """One address: its requests in flight, its idle connections, and what speaks against it. *since* is when it came.

    *begun* is how many requests (relays too) were ever sent there, *busy* the seconds that all of them together have taken, as
    coarse as the ticks are.

    *pool* are its connections where it speaks HTTP/2, which are shared; None where it does not.
    """

    __slots__ = (
        "address", "begun", "busy", "exchanges", "health", "host", "idle", "in_table", "pool", "port", "since", "waiting",
    )  # fmt: skip

    def __init__(self, address: str, since: float, pool: Pool | None = None) -> None:
        self.address = address
        self.host, self.port = split_target(address)
        self.exchanges: set[InFlight] = set()
        self.begun = 0
        self.busy = 0.0
        self.idle: list[Upstream] = []
        self.in_table = True
        self.pool = pool
        self.health: Health | None = None
        self.since = since
        self.waiting: list[asyncio.Future[None]] = []

    def take_idle(self, now: float, *, fresh: bool) -> "Backend | None":
        """Return the connection that was used last; with *fresh* (a request that cannot be repeated) none that rested long."""
        if self.pool is not None:
            return self.pool.take()
        while self.idle:
            upstream = self.idle.pop()
            if upstream.closed:
                continue
            if fresh and now - upstream.idle_since > _FRESH_SECONDS:
                self.idle.append(upstream)
                return None
            return upstream
        return None

    def give_back(self, upstream: "Upstream", now: float) -> None:
        """Keep a connection whose response has ended well, or close it where it has no use any more."""
        if self.in_table and len(self.idle) < IDLE_CONNECTIONS:
            upstream.idle_since = now
            self.idle.append(upstream)
        else:
            upstream.close()

    def drop_idle(self, older_than: float = float("inf")) -> None:
        """Close idle connections that have rested since before *older_than*."""
        if self.pool is not None:
            self.pool.drop_idle(older_than, all_go=not self.in_table)
        stale = [upstream for upstream in self.idle if upstream.idle_since < older_than]
        if stale:
            self.idle = [upstream for upstream in self.idle if upstream.idle_since >= older_than]
        for upstream in stale:
            upstream.close()

    def leave(self, exchange: "InFlight") -> None:
        """Count a request out."""
        self.exchanges.discard(exchange)
        if self.waiting and not self.exchanges:
            for waiting in self.waiting:
                if not waiting.done():
                    waiting.set_result(None)
            self.waiting.clear()

    async def empty(self) -> None:
        """Return when nothing is in flight here."""
        if self.exchanges:
            waiting = asyncio.get_running_loop().create_future()
            self.waiting.append(waiting)
            await waiting


class LiveRoute:
    """A route with its targets as objects, and what is the same for all its requests made ready.

    *checks* are what it asks of each request; *gate* is who may pass by sign-in, None when it is open; *budget* lends repeats;
    *own_lines* are the fields that it adds to responses, *shapes* what it changes in them; *pages* are its own for errors;
    *body_seconds* is how long a request's body may stand still; *canary* leads to the release that is tried out (*is_canary*), None
    when none is; *counts* is what is counted of its release, None where that is of nobody's.
    """

    __slots__ = (
        "_settled_at", "_turn", "body_seconds", "budget", "canary", "checks", "counts", "gate", "is_canary", "log", "own_lines",
        "pages", "prefix", "route", "segment", "shapes", "site", "targets",
    )  # fmt: skip

    def __init__(
        self,
        route: Route,
        targets: tuple[Target, ...],
        counts: Counts | None = None,
        site: Folder | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.route = route
        self.counts = counts
        self.site = site
        self.gate = gate
        self.checks = checks_of(route)
        self.pages = pages_of(route.terms.error_pages)
        self.prefix = route.path.encode()
        self.segment = self.prefix.rstrip(b"/") + b"/"
        self.targets = targets
        self.budget = Budget()
        self.canary: LiveRoute | None = None
        self.is_canary = False
        self.shapes = shapes_of(route)
        # Calls of gRPC stay open as long as they like, saying nothing: their own deadlines end them. What is buffered must come.
        self.body_seconds = NEVER if route.protocol == H2C and route.buffer is None else BODY_SECONDS
        self.own_lines = b"X-Hostess-Release: %b\r\n" % route.release.encode() if route.expose_release else b""
        if gate is not None:
            # Whatever the app says of caches: one that others share must not hand this to who has not signed in.
            self.own_lines += b"Cache-Control: private\r\n"
        names = {"project": route.project, "service": route.service, "release": route.release}
        self.log = json.dumps(names, separators=(",", ":"))[1:-1]
        self._turn = 0
        ages = [target.since for target in targets]
        newer = bool(ages) and route.slow_start > 0 and max(ages) > min(ages)
        self._settled_at = max(ages) + route.slow_start if newer else 0.0

    def matches(self, path: bytes) -> bool:
        """Whether a path lies below this route's prefix; `/app` matches `/app/x` and `/app?x`, not `/apple`; `/` matches `*`."""
        return (
            path.startswith(self.segment)
            or path.partition(b"?")[0] == self.prefix
            or (path, self.prefix) == (b"*", b"/")
        )

    def pick(self, now: float, passed_over: tuple[Target, ...] = ()) -> Target | None:
        """Return the target for the next request (`balancing` says which), never one of those *passed_over*; None for none."""
        targets = self.targets
        if len(targets) == 1 and not passed_over and targets[0].health is None:
            return targets[0]
        self._turn = turn = self._turn + 1
        if not passed_over and now >= self._settled_at:
            target = quickest(targets, turn)
            if target is not None:
                return target
        target = choose(targets, turn, now, passed_over, self.route.slow_start)
        if target is not None and target.health is not None:
            target.health = tried(target.health, now)
        return target

    def is_well(self, now: float, passed_over: tuple[Target, ...] = ()) -> bool:
        """Whether there is a target that need not come last, other than those *passed_over*."""
        return any(usable(target.health, now) for target in self.targets if target not in passed_over)


_CHALLENGED: Final = LiveRoute(Route(host=DEFAULT_HOST, service="", release="", targets=()), ())
_CHALLENGED.checks = (answered,)


class LiveInside:
    """A service as callers in its stack see it: a route for each port that it lists; others are made when they are asked for."""

    __slots__ = ("_inside", "_ports", "_targets", "http", "network")

    def __init__(self, inside: Inside, targets: "Targets") -> None:
        self._inside = inside
        self._targets = targets
        self.network = ip_network(inside.network)
        self.http = frozenset(inside.http)
        self._ports = {port: self._route(port, listed=True) for port in inside.ports}

    def at(self, port: int) -> LiveRoute | None:
        """Return the route to a port; files are served at the ports that are listed, and nowhere else."""
        return self._ports.get(port) or (None if self._inside.static is not None else self._route(port, listed=False))

    def _route(self, port: int, *, listed: bool) -> LiveRoute:
        inside, targets = self._inside, self._targets
        site = targets.site(inside.static) if inside.static is not None else None
        route = inside.route(port)
        there = tuple(targets.of(address, listed=listed) for address in route.targets)
        return LiveRoute(route, there, targets.counters.of(*route.names), site)


class LiveTable:
    """A table ready for look-ups: host and path to a route. Immutable; a new one takes its place.

    *answers* are those to challenges of certificate authorities, by their paths; *databases* those that are reached from outside,
    by protocol and host, with their routes.
    """

    __slots__ = ("_default", "_digests", "_exact", "_inside", "_wildcard", "answers", "databases", "generation")

    def __init__(self, table: Table, targets: "Targets") -> None:
        self.generation = table.generation
        self.answers = answers_of(table.challenges)
        self.databases = {
            (one.protocol, one.host): (one, targets.live(one.route(), None, None)) for one in table.databases
        }
        self._inside = {inside.address: LiveInside(inside, targets) for inside in table.inside}
        self._exact: dict[bytes, tuple[LiveRoute, ...]] = {}
        self._wildcard: dict[bytes, tuple[LiveRoute, ...]] = {}
        self._default: tuple[LiveRoute, ...] = ()
        self._digests = {digest.encode() for route in table.routes for digest in route.sign_in or ()}
        by_host: dict[str, list[LiveRoute]] = {}
        for route in table.routes:
            site = targets.site(route.static) if route.static is not None else None
            gate = Gate(route.sign_in, table.session_key) if route.sign_in is not None else None
            live = targets.live(route, site, gate)
            if route.canary is not None:
                live.canary = targets.live(route.of_canary(route.canary), None, gate)
                live.canary.is_canary = True
            by_host.setdefault(route.host, []).append(live)
        for host, routes in by_host.items():
            ordered = tuple(sorted(routes, key=lambda live: len(live.prefix), reverse=True))
            if host == DEFAULT_HOST:
                self._default = ordered
            elif host.startswith("*."):
                self._wildcard[host[2:].encode()] = ordered
            else:
                self._exact[host.encode()] = ordered

    def find(self, host: bytes, path: bytes) -> LiveRoute | None:
        """Return the route: exact host before `*.rest` before the default, then the longest path prefix; None for none.

        Challenges are found at every host.
        """
        if self.answers:
            challenged = self.challenged(path)
            if challenged is not None:
                return challenged
        routes = self._exact.get(host)
        if routes is None:
            routes = self._wildcard.get(host.partition(b".")[2], self._default)
        for live in routes:
            if live.matches(path):
                return live
        return None

    def challenged(self, path: bytes) -> LiveRoute | None:
        """Return what answers the challenge at this path; None where there is none."""
        return _CHALLENGED if self.answers and path.partition(b"?")[0] in self.answers else None

    def pages_of(self, host: bytes) -> Pages:
        """Return the error pages for paths of a host that no route is for: those of its shortest prefix that has some."""
        routes = self._exact.get(host) or self._wildcard.get(host.partition(b".")[2], self._default)
        return next((live.pages for live in reversed(routes) if live.pages), NO_PAGES)

    def shuts_out(self, live: LiveRoute | None, digest: bytes) -> bool:
        """Whether a request may not go on that passed with the token of this digest (b"": none was asked for).

        *live* is where it would go by this table, None for nowhere.
        """
        if digest and digest not in self._digests:
            return True
        return live is not None and live.gate is not None and not live.gate.lists(digest)

    def inside(self, address: str, port: int) -> LiveRoute | None:
        """Return the route to a port of a virtual address; None when no service has it."""
        found = self._inside.get(address)
        return found.at(port) if found is not None else None

    def admits(self, address: str, caller: IPv4Address | IPv6Address) -> bool:
        """Whether *caller* may talk to a virtual address: it must be of the same network."""
        found = self._inside.get(address)
        return found is not None and caller in found.network

    def only_http(self, address: str, port: int) -> bool:
        """Whether nothing but HTTP is spoken at a port, as far as its service's definition tells."""
        found = self._inside.get(address)
        return found is not None and port in found.http

    def knows(self, host: bytes) -> bool:
        """Whether any route is for this host."""
        return host in self._exact or host.partition(b".")[2] in self._wildcard or bool(self._default)


class Targets:
    """All targets that are in the table or still have requests in flight."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Target] = {}
        self._sites: dict[StaticRoot, Folder] = {}
        self.counters = Counters()
        self.table = LiveTable(Table(), self)
        self._swept = monotonic()

    def all_of(self, route: Route) -> tuple[Target, ...]:
        """Return the targets of a route."""
        return tuple(self.of(address, route.protocol) for address in dict.fromkeys(route.targets))

    def live(self, route: Route, site: Folder | None, gate: Gate | None) -> LiveRoute:
        """Return a route with its targets, and with the counts of its release."""
        return LiveRoute(route, self.all_of(route), self.counters.of(*route.names), site, gate)

    def of(self, address: str, protocol: str = HTTP1, *, listed: bool = True) -> Target:
        """Return the target at an address; there is only one object for each protocol.

        One that no table has *listed* is soon forgotten.
        """
        key = (address, protocol)
        target = self._known.get(key)
        if target is None:
            pool = Pool() if protocol == H2C else None
            target = self._known[key] = Target(address, monotonic(), pool)
            target.in_table = listed
        elif listed and not target.in_table:
            target.in_table, target.since = True, monotonic()
        return target

    def site(self, static: StaticRoot) -> Folder:
        """Return the folder of static files; what it keeps in memory lives on while a table names it."""
        folder = self._sites.get(static)
        if folder is None:
            folder = self._sites[static] = Folder(static.root, spa=static.spa, earlier=static.earlier)
        return folder

    def swap(self, table: Table) -> None:
        """Serve *table* from now on. Requests that were assigned keep their target."""
        before, self._sites = self._sites, {}
        named = {route.static for route in table.routes} | {inside.static for inside in table.inside}
        self._sites = {static: folder for static, folder in before.items() if static in named and folder.is_current()}
        self.table = LiveTable(table, self)
        present = {(address, route.protocol) for route in table.all_routes() for address in route.addresses()}
        for key, target in self._known.items():
            target.in_table = key in present
            if not target.in_table:
                target.drop_idle()
        self.counters.kept(table.releases(), monotonic())
        self._forget()

    def at(self, addresses: Iterable[str]) -> list[Target]:
        """Return those of the addresses that are known."""
        wanted = set(addresses)
        return [target for target in self._known.values() if target.address in wanted]

    def in_flight(self) -> dict[str, int]:
        """Return the number of requests in flight (upgraded connections too) by address."""
        found: Counter[str] = Counter()
        for target in self._known.values():
            found[target.address] += len(target.exchanges)
        return dict(found)

    def loads(self) -> dict[str, tuple[int, int, float]]:
        """Return by address: requests in flight (relays and upgraded connections too), how many were begun, and their seconds."""
        found: dict[str, tuple[int, int, float]] = {}
        for target in self._known.values():
            flying, begun, busy = found.get(target.address, (0, 0, 0.0))
            found[target.address] = flying + len(target.exchanges), begun + target.begun, busy + target.busy
        return found

    def busy(self) -> Iterator["InFlight"]:
        """Yield what is in flight at all targets."""
        for target in self._known.values():
            yield from target.exchanges

    def sweep(self, now: float) -> None:
        """Close connections that rested for too long, forget targets that have left, and count how busy the others are."""
        passed, self._swept = now - self._swept, now
        for target in self._known.values():
            target.busy += len(target.exchanges) * passed
            if target.idle or target.pool is not None:
                target.drop_idle(now - IDLE_SECONDS)
        self._forget()

    def _forget(self) -> None:
        gone = [key for key, target in self._known.items() if not target.in_table and not target.exchanges]
        for key in gone:
            del self._known[key]
