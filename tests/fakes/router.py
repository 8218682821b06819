"""A proxy in memory: keeps the table, counts what tests say is in flight, proves by asking a target."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from hostess.adapters.prober_sockets import SocketProber
from hostess.domain.certificates.names import covered
from hostess.domain.ports import (
    OUTDATED,
    Called,
    Challenges,
    FailedTarget,
    InsideService,
    OpenDatabase,
    ServedCertificate,
    TargetLoad,
    Upstreams,
)
from hostess.domain.ports.proxy import NO_CHALLENGES
from hostess.domain.problem import Problem
from hostess.domain.records import Answers, Counted
from hostess.domain.routing.route_settings import RouteSettings

SECOND = timedelta(seconds=5)


class FakeRouter:
    """Implements `ports.Router`. *tables*, *insides* and *session_keys* are all that were published.

    *proof* replaces the answer of `prove`, or is raised there; *proved* are the hosts and paths that were asked for. While
    *holding* is there and not set, something is in flight at whatever is drained. One that is *outdated* knows of nothing that
    routes ask. *load* is what `loads` tells, *answered* what `answers` does, *called* what requests are held for, *failed*
    what has failed some.
    """

    def __init__(self) -> None:
        self.tables: list[tuple[Upstreams, ...]] = []
        self.insides: list[tuple[InsideService, ...]] = []
        self.session_keys: list[str] = []
        self.certificates: list[tuple[ServedCertificate, ...]] = []
        self.challenges: list[Challenges] = []
        self.databases: list[tuple[OpenDatabase, ...]] = []
        self.shows: dict[str, str] = {}
        self.drains: list[tuple[str, ...]] = []
        self.proved: list[tuple[str, str]] = []
        self.proof: tuple[int, str] | Exception | None = None
        self.listening = True
        self.unreachable = False
        self.outdated = False
        self.holding: asyncio.Event | None = None
        self.load: dict[str, TargetLoad] = {}
        self.answered: dict[Counted, Answers] = {}
        self.called: asyncio.Queue[Called] = asyncio.Queue()
        self.failed: asyncio.Queue[FailedTarget] = asyncio.Queue()

    @property
    def routes(self) -> dict[str, tuple[str, ...]]:
        """Return host -> targets of the newest table."""
        return {route.host: route.targets for route in self.tables[-1]} if self.tables else {}

    def public_port(self, scheme: str) -> int:
        """Return where the listener is said to be; there is none for TLS."""
        self._reached()
        return 8080 if scheme == "http" else 0

    @property
    def inside(self) -> dict[str, InsideService]:
        """Return address -> what callers inside find there, by the newest table."""
        return {service.address: service for service in self.insides[-1]} if self.insides else {}

    async def publish(
        self,
        routes: Sequence[Upstreams],
        inside: Sequence[InsideService] = (),
        session_key: str = "",
        certificates: Sequence[ServedCertificate] = (),
        challenges: Challenges = NO_CHALLENGES,
        databases: Sequence[OpenDatabase] = (),
    ) -> int:
        """Keep the table."""
        self._reached()
        new = any(
            route.maintenance or route.pause or route.canary or route.voucher or route.hsts or route.environment
            for route in routes
        )
        if self.outdated and (new or databases or any(service.environment for service in inside)):
            raise Problem(OUTDATED, "the proxy that runs is older than the daemon")
        self.tables.append(tuple(routes))
        self.insides.append(tuple(inside))
        self.session_keys.append(session_key)
        self.certificates.append(tuple(certificates))
        self.challenges.append(challenges)
        self.databases.append(tuple(databases))
        return len(self.tables)

    async def in_flight(self, targets: Sequence[str]) -> int:
        """Return 0: nothing is ever in flight here."""
        self._reached()
        return len(targets) * 0

    async def drained(self, targets: Sequence[str], within: timedelta) -> int:
        """Note it."""
        self._reached()
        self.drains.append(tuple(targets))
        if self.holding is not None:
            await self.holding.wait()
        return 0 * int(within.total_seconds())

    async def loads(self) -> Mapping[str, TargetLoad]:
        """Return what a test says."""
        self._reached()
        if self.outdated:
            raise Problem(OUTDATED, "the proxy that runs is older than the daemon")
        return dict(self.load)

    async def answers(self) -> tuple[tuple[float, ...], Mapping[Counted, Answers]]:
        """Return what a test puts into *answered*."""
        self._reached()
        return (0.1, 1.0), dict(self.answered)

    async def wanted(self, within: timedelta) -> Sequence[Called]:
        """Return what a test puts into *called*."""
        self._reached()
        try:
            async with asyncio.timeout(within.total_seconds()):
                return [await self.called.get()]
        except TimeoutError:
            return []

    async def failing(self, within: timedelta) -> Sequence[FailedTarget]:
        """Return what a test puts into *failed*."""
        self._reached()
        if self.outdated:
            raise Problem(OUTDATED, "the proxy that runs is older than the daemon")
        try:
            async with asyncio.timeout(within.total_seconds()):
                return [await self.failed.get()]
        except TimeoutError:
            return []

    async def metrics(self) -> str:
        """Return one figure."""
        self._reached()
        return "hostess_proxy_workers 1\n"

    async def prove(self, host: str, path: str) -> tuple[int, str] | None:
        """Ask the first target that the newest table has for *host*."""
        self._reached()
        self.proved.append((host, path))
        if not self.listening:
            return None
        if isinstance(self.proof, Exception):
            raise self.proof
        if self.proof is not None:
            return self.proof
        found = [route for route in self.tables[-1] if route.host == host and _below(path, route.path)]
        if not found:
            return 404, "no-route"
        route = max(found, key=lambda each: len(each.path))
        refused = _refused(route, path)
        if refused is not None or route.static is not None:
            return refused or (200, "")
        targets = route.targets
        if not targets:
            return 503, "no-targets"
        if route.settings and route.settings.asked.strip_prefix:
            path = path.removeprefix(route.path) or "/"
        address, _, port = targets[0].rpartition(":")
        answer = await SocketProber().http(address, int(port), path, host, SECOND)
        return (200, "") if answer.ok else (503, "unreachable")

    async def presented(self, host: str) -> str | None:
        """Return the serial number of what the newest table has for *host*; a test may say something else in `shows`."""
        self._reached()
        if host in self.shows:
            return self.shows[host]
        served = self.certificates[-1] if self.certificates else ()
        exact = [each for each in served if host in each.names]
        found = exact or [each for each in served if covered(each.names, host)]
        if not found:
            return ""
        return _serial(found[0])

    def _reached(self) -> None:
        if self.unreachable:
            raise Problem("proxy-unreachable", "the proxy did not answer")


def _serial(served: ServedCertificate) -> str:
    return f"{x509.load_pem_x509_certificate(Path(served.chain).read_bytes()).serial_number:x}"


def _below(path: str, prefix: str) -> bool:
    return prefix in {"/", path} or path.startswith(f"{prefix}/")


def _refused(route: Upstreams, path: str) -> tuple[int, str] | None:
    """Return what the proxy itself answers this host, which is in no network that a test allows."""
    settings = route.settings or RouteSettings()
    if route.pause is not None:
        raise Problem("proxy-unreachable", "the proxy holds the request")
    answers = (
        (route.host in settings.redirected, (308, "redirect")),
        (route.maintenance is not None and path == route.maintenance.health_path, (200, "in-maintenance")),
        (route.maintenance is not None, (503, "maintenance")),
        (bool(settings.asked.allow), (403, "not-allowed")),
        (bool(settings.logins), (401, "password-needed")),
        (route.sign_in is not None, (401, "sign-in-needed")),
    )
    return next((answer for is_so, answer in answers if is_so), None)
