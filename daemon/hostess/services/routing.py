"""The whole routing table, made anew from the journal's live releases and the engine's containers, and handed to the proxy."""

import asyncio
from collections import defaultdict
from collections.abc import Collection

from hostess.domain import labels
from hostess.domain.ports import Container, Engine, Journal, Router, Upstreams
from hostess.domain.problem import Problem
from hostess.domain.push import Say
from hostess.domain.release import Release
from hostess.domain.routes import routes
from hostess.services.retirement import leaving

ANSWERS_FROM = 200
ANSWERS_BELOW = 300


class Routing:
    """Publishes tables. One at a time: the newest state always wins."""

    def __init__(self, engine: Engine, journal: Journal, router: Router) -> None:
        self._engine = engine
        self._journal = journal
        self._router = router
        self._publishing = asyncio.Lock()
        self._held: set[str] = set()

    def hold(self, deployment: str) -> None:
        """Route nothing to containers of this deployment until `release`: they have not passed their gate.

        It is released before its switch: a table made right after the switch must find them.
        """
        self._held.add(deployment)

    def release(self, deployment: str) -> None:
        """Containers of this deployment may be routed."""
        self._held.discard(deployment)

    async def publish(self) -> int:
        """Make the live releases what is served, by every worker; return the table's generation."""
        async with self._publishing:
            return await self._router.publish(await self.table())

    async def table(self) -> list[Upstreams]:
        """Return the table that should be live."""
        # In this order: the replicas of a release that was live a moment ago are still there, as nobody retires them before
        # the next table is out; a release that goes live after we looked at the containers would have none.
        places = await self._journal.places()
        live = [await self._journal.live(place.project, place.environment) for place in places]
        gone = await leaving(self._journal)
        by_place: dict[tuple[str, str], list[Container]] = defaultdict(list)
        for container in await self._engine.containers(labels.of_instance(await self._journal.instance())):
            if container.labels.get(labels.DEPLOYMENT) not in self._held and container.id not in gone:
                # One that files are taken out of has the labels of its image alone, and no environment.
                place = (container.labels[labels.PROJECT], container.labels.get(labels.ENVIRONMENT, ""))
                by_place[place].append(container)
        releases = [release for release in live if release is not None]
        return [route for each in releases for route in routes(each, by_place[each.project, each.environment])]

    async def prove(self, release: Release, services: Collection[str], say: Say) -> None:
        """Ask for a page of each of these services through the proxy's own listener; Problem "proof-failed" when one is not served.

        Those that were carried over are not asked: what ailed them before must not keep a mended service from going live.
        """
        for workload in [release.workloads[name] for name in services]:
            health = workload.health
            for number, (port, hosts) in enumerate(workload.hosts.items()):
                if not hosts:
                    continue
                is_health = (
                    number == 0 and health is not None and health.http is not None and health.port in {None, port}
                )
                path = health.http if is_health and health is not None and health.http is not None else "/"
                answer = await self._router.prove(hosts[0], path)
                if answer is None:
                    say("       note: the proxy listens nowhere, so nothing was proved through it")
                    return
                status, error = answer
                if error or (is_health and not ANSWERS_FROM <= status < ANSWERS_BELOW):
                    raise Problem(
                        "proof-failed",
                        f"the proxy's own listener answered GET {path} of {hosts[0]} with {status}{f' ({error})' if error else ''}",
                        remedy="`hostess doctor` looks at the proxy; push again when it is well",
                    )
