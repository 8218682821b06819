"""Sleeping: takes the last replica of a service that nobody asks for, and starts one when somebody does.

That a service sleeps is written into the live release (it wants no replica) before its routes let requests wait, and that it is awake
when a replica has passed its gate, before they go on to it: a kill at any moment leaves one of the two, and who waits is told of again
as long as he waits. Waking needs no turn while a deployment runs: what somebody waits for does not wait for a build.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.ports import Called, Clock, Container, Journal, Router
from hostess.domain.problem import Problem
from hostess.domain.releases.release import OPEN, Release, Workload
from hostess.domain.routing.live_domains import attached
from hostess.domain.routing.waiting import waited_for
from hostess.domain.sleeping import FIRST_REST, Failure
from hostess.services.deploying.turns import Turns
from hostess.services.deploying.undoing import Undoing
from hostess.services.keeping.demand import load_of
from hostess.services.keeping.repairs import Repairs
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.usage import Key, Observed, UsageWatch
from hostess.services.live import place_of
from hostess.services.routing.inside_names import InsideNames
from hostess.services.routing.publishing import Routing
from hostess.services.under_way import UnderWay

LISTEN = timedelta(seconds=30)
AGAIN = timedelta(seconds=2)
REST = FIRST_REST
"""How long a service that did not start is left alone at first."""
AWAY = frozenset({"engine-unreachable", "journal-failed"})
"""What ends for all services at once, and is no fault of theirs."""

log = logging.getLogger(__name__)


class ChangedError(Exception):
    """Another release is live, or somebody else has woken it."""


@dataclass(frozen=True, slots=True)
class Means:
    """What replicas are started, taken away and routed with."""

    replicas: Replicas
    repairs: Repairs
    undoing: Undoing
    names: InsideNames
    routing: Routing
    router: Router
    turns: Turns
    usage: UsageWatch


class Sleeping:
    """Puts services to sleep, and wakes them; one of the two at a time for each."""

    def __init__(self, journal: Journal, means: Means, clock: Clock) -> None:
        self._journal = journal
        self._means = means
        self._clock = clock
        self._waking: UnderWay[None] = UnderWay("waking")
        self._locks: dict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failed: dict[Key, Failure] = {}

    # ---- to sleep ----------------------------------------------------------------------------------------------------

    async def put(self, observed: Observed) -> bool:
        """Put a service to sleep, in whose environment's turn this is; return whether it sleeps.

        It stays awake when somebody asks for it meanwhile, when nothing could wake it, and when this cannot be written down and told
        to the proxy, for which a Problem is raised.
        """
        place, live, service = observed.place, observed.live, observed.workload.name
        async with self._locks[observed.key]:
            if not await self._can_be_woken(observed) or not await self._journal.resize(live, service, 0):
                return False
            asleep = resized(live, service, 0)
            try:
                await self._means.routing.publish()
                # From here on who comes waits. Who came before is answered first.
                busy = load_of(await self._there(observed), await self._means.router.loads()).in_flight
            except Problem:
                await self._stays(asleep, observed)
                raise
            if busy:
                await self._stays(asleep, observed)
                return False
            await self._means.undoing.retire_stale(place, asleep, [])
            return True

    async def _stays(self, asleep: Release, observed: Observed) -> None:
        """Take it back; should the proxy not hear of it now, it is told when it says that somebody waits."""
        await self._journal.resize(asleep, observed.workload.name, observed.workload.replicas)
        with suppress(Problem):
            await self._means.routing.publish()

    async def _can_be_woken(self, observed: Observed) -> bool:
        """Whether it has a route from outside, or a virtual address to which callers are led."""
        project, environment, service = observed.key
        if any(observed.workload.hosts.values()):
            return True
        given = await self._means.names.everywhere()
        return service in given.get((project, environment), {}) and await self._means.names.lead()

    async def _there(self, observed: Observed) -> Sequence[Container]:
        project, environment, service = observed.key
        return [
            c
            for c in await self._means.replicas.of_place(project, environment)
            if c.labels.get(labels.SERVICE) == service
        ]

    # ---- awake -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hear for what requests wait and wake it, until cancelled."""
        try:
            while True:
                try:
                    called = await self._means.router.wanted(LISTEN)
                    for key in await self._meant(called):
                        self._waking.begin(key, self._wake(key))
                except Problem as problem:  # proxy or journal are away: who waits is told of again
                    log.debug("who waits is not known: %s", problem)
                    await self._clock.sleep(AGAIN.total_seconds())
        finally:
            await self._waking.stop()

    async def _meant(self, called: Sequence[Called]) -> list[Key]:
        """Return what to wake: what sleeps, and does not rest because it failed to start.

        Where somebody waits for what is awake the proxy has not heard that yet: it is told again.
        """
        if not called:
            return []
        domains, now = await self._journal.domains(), self._clock.now()
        projects = {each.project for each in called}
        releases = {
            (place.project, place.environment): attached(live, domains)
            for place in await self._journal.places()
            if place.project in projects
            and (live := await self._journal.live(place.project, place.environment)) is not None
        }
        addresses = await self._means.names.everywhere()
        found = {waited_for(each, releases, addresses) for each in called}
        if None in found:
            await self._means.routing.publish()
        return [
            key
            for key in found
            if key is not None
            and not ((failed := self._failed.get(key)) and failed.rests(releases[key[:2]].number, now, REST))
        ]

    async def _wake(self, key: Key) -> None:
        project, environment, service = key
        began, release = self._clock.now(), 0
        try:
            async with AsyncExitStack() as held:
                if not await self._journal.deployments(project, environment, OPEN):
                    await held.enter_async_context(self._means.turns.turn(project, environment))
                async with self._locks[key]:
                    live = await self._journal.live(project, environment)
                    if live is None or service not in live.workloads or not live.workloads[service].asleep:
                        return
                    release = live.number
                    await self._start(live, live.workloads[service])
        except ChangedError:
            return
        except Problem as problem:
            now, failed = self._clock.now(), self._failed.get(key)
            its_own = failed is not None and problem.code not in AWAY
            self._failed[key] = failed.again(release, now) if failed and its_own else Failure(now, release)
            log.warning("%s of %s (%s) could not be woken: %s", service, project, environment, problem)
            await self._tell(key, "service.not-woken", f"{service} did not wake up: {problem}")
            return
        self._failed.pop(key, None)
        seconds = (self._clock.now() - began).total_seconds()
        await self._tell(key, "service.woken", f"{service} is awake after {seconds:.1f} s: somebody asked for it")

    async def _start(self, live: Release, workload: Workload) -> None:
        async def written() -> None:
            if not await self._journal.resize(live, workload.name, 1):
                raise ChangedError

        place = await place_of(self._journal, live.project, live.environment)
        container = await self._means.repairs.start_at_once(place, live, workload, written)
        try:
            await self._means.routing.publish()
        finally:  # whatever the proxy said, the replica is live
            self._means.usage.look_around()
            await self._means.replicas.keep(container.id)

    async def _tell(self, key: Key, kind: str, message: str) -> None:
        project, environment, service = key
        data = {"service": service}
        await self._journal.tell(kind, message, self._clock.now(), project=project, environment=environment, data=data)


def resized(release: Release, service: str, replicas: int) -> Release:
    """Return the release with another number of replicas of one service."""
    workload = replace(release.workloads[service], replicas=replicas)
    return replace(release, workloads={**release.workloads, service: workload})
