"""The whole routing table, made anew from the journal's live releases and the engine's containers, and handed to the proxy."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from hostess.domain import labels
from hostess.domain.ports import (
    OUTDATED,
    Challenges,
    Clock,
    Container,
    Engine,
    InsideService,
    Journal,
    OpenDatabase,
    Router,
    Upstreams,
)
from hostess.domain.ports.proxy import NO_CHALLENGES
from hostess.domain.problem import Problem
from hostess.domain.records import Answers, Canary, Counted, Place
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Release
from hostess.domain.routing.canaries import targets_of
from hostess.domain.routing.closures import Closing, Closure, closing, over
from hostess.domain.routing.https_policy import secured
from hostess.domain.routing.inside import first_served, inside_services
from hostess.domain.routing.live_domains import attached
from hostess.domain.routing.open_databases import open_databases
from hostess.domain.routing.routes import proves, question_of, routes, serving
from hostess.services.certificates.served import ServedCertificates
from hostess.services.keeping.retirement import leaving
from hostess.services.routing.inside_names import InsideNames
from hostess.services.tokens import passes

log = logging.getLogger(__name__)

Containers = Mapping[tuple[str, str], list[Container]]
"""(project, environment) -> what is there and is not leaving."""


@dataclass(frozen=True, slots=True)
class _Early:
    """What a deployment that has not switched has ready; inside its stack that counts where no other replica is live."""

    release: Release
    ready: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Out:
    """The table that is out: the how manieth that was begun, and its generation."""

    number: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class _Table:
    """What is asked of the proxy, and in words what is *missing* of it because the proxy is too old; "" for nothing."""

    routes: list[Upstreams]
    inside: list[InsideService]
    databases: list[OpenDatabase]
    missing: str = ""

    def lacks(self, what: str) -> Self:
        """Return it with this missing, too."""
        return replace(self, missing=f"{self.missing}; {what}" if self.missing else what)


class Routing:
    """Publishes tables. One at a time: the newest state always wins, and who waits for the next one shares it with all who do."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        engine: Engine,
        journal: Journal,
        router: Router,
        names: InsideNames,
        certificates: ServedCertificates,
        clock: Clock,
        session_key: str,
        workers: int,
    ) -> None:
        """*session_key* (hex) signs the sessions of those who sign in; *workers* are those of the proxy."""
        self._engine = engine
        self._journal = journal
        self._router = router
        self._names = names
        self._certificates = certificates
        self._clock = clock
        self._session_key = session_key
        self._workers = workers
        self._publishing = asyncio.Lock()
        self._begun = 0
        self._out = _Out()
        self._held: set[str] = set()
        self._early: dict[tuple[str, str], _Early] = {}
        self._unwell: frozenset[str] = frozenset()
        self._challenges = NO_CHALLENGES
        self._recognised: dict[str, str] = {}
        self._own: tuple[Upstreams, ...] = ()

    def serve_own(self, routes: Sequence[Upstreams]) -> None:
        """Let these routes of the installation itself be in every table from the next one on; nothing else is served at their hosts."""
        self._own = tuple(routes)

    @property
    def own_hosts(self) -> frozenset[str]:
        """The hosts that the installation itself is served at; no project may have them."""
        return frozenset(route.host for route in self._own)

    def hold(self, deployment: str) -> None:
        """Route nothing to containers of this deployment until `release`: they have not passed their gate.

        It is released before its switch: a table made right after the switch must find them.
        """
        self._held.add(deployment)

    def release(self, deployment: str) -> None:
        """Containers of this deployment may be routed."""
        self._held.discard(deployment)

    async def open_inside(self, place: Place, release: Release) -> None:
        """Let the services of a release that is about to start have their names inside the stack."""
        self._early[place.project, place.environment] = _Early(release)
        owned = labels.of_place(await self._journal.instance(), place.project, place.environment)
        in_use = {container.address for container in await self._engine.containers(owned)}
        if await self._names.give(place, release, in_use):
            await self.publish()

    async def ready_inside(self, place: Place, services: Collection[str]) -> None:
        """Let callers inside the stack reach these new replicas, which passed their gate, where no replica of the live release is."""
        self._early[place.project, place.environment].ready.update(services)
        await self.publish()

    async def answers(self) -> tuple[tuple[float, ...], Mapping[Counted, Answers]]:
        """Return what each release has answered; Problem OUTDATED, "proxy-unreachable"."""
        return await self._router.answers()

    async def metrics(self) -> str:
        """Return what the proxy has counted, as text for Prometheus; "" when it does not answer."""
        try:
            return await self._router.metrics()
        except Problem:
            return ""

    def close_inside(self, place: Place) -> bool:
        """Let only what is live count from now on; return whether something else was reached until now."""
        early = self._early.pop((place.project, place.environment), None)
        return early is not None and bool(early.ready)

    async def set_unwell(self, containers: Collection[str]) -> None:
        """Route to these containers only where no other of their service is well; the new table is out when this returns."""
        if self._unwell != set(containers):
            self._unwell = frozenset(containers)
            await self.publish()

    async def challenge(self, challenges: Challenges) -> None:
        """Let authorities find these answers, and no others any more; every worker gives them when this returns."""
        if self._challenges != challenges:
            self._challenges = challenges
            await self.publish()

    @asynccontextmanager
    async def recognised(self, token: str, answer: str) -> AsyncIterator[None]:
        """Answer one more token, of ours, for as long as this is open; who asks for it finds out whether he came here."""
        self._recognised[token] = answer
        try:
            await self.publish()
            yield
        finally:
            # The next table is without it: nobody else knows the token.
            del self._recognised[token]

    async def publish(self) -> int:
        """Make the live releases what is served, by every worker; return the table's generation.

        A table that was begun after the call, for another one, is as good as one of its own.
        """
        before = self._begun
        async with self._publishing:
            if self._out.number <= before:
                self._begun += 1
                self._out = _Out(self._begun, await self._tell_proxy())
            return self._out.generation

    async def _tell_proxy(self) -> int:
        routes, inside, databases = await self.table()
        hosts = {each.host: each.project for each in databases} | {route.host: route.project for route in routes}
        certificates = await self._certificates.of(hosts)
        challenges = replace(self._challenges, http={**self._challenges.http, **self._recognised})
        shown = secured(routes, certificates)

        tables = list(self._for_older_too(_Table(shown, inside, databases)))
        for each in tables:
            try:
                generation = await self._router.publish(
                    each.routes, each.inside, self._session_key, certificates, challenges, each.databases
                )
            except Problem as problem:
                if problem.code != OUTDATED or each is tables[-1]:
                    raise
                log.info("the proxy is asked for less: %s", problem)
            else:
                if each.missing:
                    log.warning("%s until the proxy is restarted: it is older than the daemon", each.missing)
                return generation
        raise AssertionError("there is a table at least")

    def _for_older_too(self, table: _Table) -> Iterator[_Table]:
        """Yield the table, and ever less of it for a proxy that is older than the daemon.

        Such a one must not be in the way of what people deploy meanwhile.
        """
        yield table
        if table.databases:
            table = replace(table, databases=[], missing="databases are not opened to the outside")
            yield table
        routes = [replace(route, environment="") for route in table.routes]
        inside = [replace(service, environment="") for service in table.inside]
        if (routes, inside) != (table.routes, table.inside):
            table = replace(table, routes=routes, inside=inside).lacks("environments are counted together")
            yield table
        own = self.own_hosts
        plain = [replace(route, hsts=None) for route in routes if route.host not in own]
        if plain != routes:
            yield replace(table, routes=plain).lacks("the API's own host and HSTS are not served")

    async def renew(self) -> None:
        """Publish a table with those certificates anew that will end soon; a proxy that is not there is told when it is back."""
        try:
            await self.publish()
        except Problem as problem:
            log.warning("certificates were not looked at: %s", problem)
        else:
            await self._certificates.tidy()

    async def table(self) -> tuple[list[Upstreams], list[InsideService], list[OpenDatabase]]:
        """Return the table that should be live: from outside, inside stacks, and databases from outside."""
        # In this order: the replicas of a release that was live a moment ago are still there, as nobody retires them before
        # the next table is out; a release that goes live after we looked at the containers would have none. What a deployment
        # has ready is noted first: it is forgotten at the switch, which may come after we asked what is live.
        early = dict(self._early)
        places = await self._journal.places()
        live = [await self._journal.live(place.project, place.environment) for place in places]
        canaries = {(c.release.project, c.release.environment): c for c in await self._journal.canaries()}
        gone = await leaving(self._journal)
        proved: dict[tuple[str, str], list[Container]] = defaultdict(list)
        unproved: dict[tuple[str, str], list[Container]] = defaultdict(list)
        for container in await self._engine.containers(labels.of_instance(await self._journal.instance())):
            if container.id not in gone:
                # One that files are taken out of has the labels of its image alone, and no environment.
                place = (container.labels[labels.PROJECT], container.labels.get(labels.ENVIRONMENT, ""))
                held = container.labels.get(labels.DEPLOYMENT) in self._held
                (unproved if held else proved)[place].append(container)
        able = {key: serving(there, self._unwell) for key, there in proved.items()}
        releases = {(each.project, each.environment): each for each in live if each is not None}
        tokens, now = await self._journal.tokens(), self._clock.now()
        closed, domains = await self._closed(), await self._journal.domains()
        table = [
            route
            for key, release in releases.items()
            for route in routes(
                attached(release, domains),
                able.get(key, []),
                passes(tokens, release.project, now),
                closed[key],
                targets_of(canaries[key], proved.get(key, []), self._unwell) if key in canaries else {},
            )
        ]
        own = self.own_hosts
        table = [*self._own, *(route for route in table if route.host not in own)]
        opened = [
            each
            for key, release in releases.items()
            for each in open_databases(release, proved.get(key, []), self._workers)
        ]
        return table, await self._inside(places, releases, early, able, unproved), opened

    async def served_by(self, canary: Canary) -> set[str]:
        """Return the services of a canary that have a replica that is well."""
        release = canary.release
        owned = labels.of_place(await self._journal.instance(), release.project, release.environment)
        return {service for service, _ in targets_of(canary, await self._engine.containers(owned), self._unwell)}

    async def _closed(self) -> Mapping[tuple[str, str], list[Closure]]:
        """Return what is closed in each environment; nothing where nothing is."""
        found: dict[tuple[str, str], list[Closure]] = defaultdict(list)
        now = self._clock.now()
        for closure in await self._journal.closures():
            if not over(closure, now):
                found[closure.project, closure.environment].append(closure)
        return found

    async def _inside(
        self,
        places: Collection[Place],
        releases: Mapping[tuple[str, str], Release],
        coming: Mapping[tuple[str, str], _Early],
        proved: Containers,
        unproved: Containers,
    ) -> list[InsideService]:
        """Return what callers inside stacks find: the live release's services, and of a new one what these have no replica for."""
        found: list[InsideService] = []
        given = await self._names.everywhere()
        for place in places:
            key = (place.project, place.environment)
            live, early, addresses = releases.get(key), coming.get(key), given.get(key, {})
            called = inside_services(place, live, addresses, proved.get(key, [])) if live else []
            if early is not None:
                there = [*proved.get(key, []), *unproved.get(key, [])]
                ready = [c for c in there if c.labels.get(labels.SERVICE) in early.ready]
                called = first_served(called, inside_services(place, early.release, addresses, ready))
            found += called
        return found

    async def prove(self, release: Release, services: Collection[str], say: Say) -> None:
        """Ask for a page of each of these services through the proxy's own listener; Problem "proof-failed" when one is not served.

        Those that were carried over are not asked: what ailed them before must not keep a mended service from going live. A port that
        asks for sign-in or a password has to ask for it. One that is paused answers nobody, so nothing is proved there.
        """
        closed = (await self._closed())[release.project, release.environment]
        for workload in [release.workloads[name] for name in services]:
            if workload.hosts and closing(closed, Closing.PAUSE, workload.name):
                say(f"       note: {workload.name} is paused, so it was not proved through the proxy")
                continue
            for port, hosts in workload.hosts.items():
                if not hosts:
                    continue
                path, _ = question_of(workload, port)
                answer = await self._router.prove(hosts[0], path)
                if answer is None:
                    say("       note: the proxy listens nowhere, so nothing was proved through it")
                    return
                status, error = answer
                if not proves(workload, port, answer, closed):
                    raise unproved(workload.name, f"GET {path} of {hosts[0]}", status, error)


def unproved(service: str, asked: str, status: int, error: str) -> Problem:
    """Return the Problem for a proof that failed: by the proxy, with a code of its own, or ("") by what the service itself answered."""
    remedy = "`hostess doctor` looks at the proxy; push again when it is well"
    if not error:
        remedy = f"{service} itself answered so, though its check had been well: see to it that it answers this each time, and push again"
    what = f"the proxy's own listener answered {asked} with {status}{f' ({error})' if error else ''}"
    return Problem("proof-failed", what, remedy=remedy)
