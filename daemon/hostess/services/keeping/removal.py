"""Removing a project, or one environment of it, with all that belongs to it. What a crash interrupts can be asked for again."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.ports import Container, Engine, Journal, Repositories
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.lock import kept_out
from hostess.domain.releases.plan import waves
from hostess.domain.releases.release import OPEN, Kind, Release
from hostess.services.deploying.deployments import Deployments
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.retirement import Retirement
from hostess.services.live import place_of
from hostess.services.past_logs import PastLogs
from hostess.services.routing.publishing import Routing

GRACE = timedelta(seconds=10)
"""What a one-off task gets to end in."""


class Removal:
    """Takes a project out of the routing table first, out of the journal last."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        engine: Engine,
        repositories: Repositories,
        routing: Routing,
        retirement: Retirement,
        deployments: Deployments,
        turns: Turns,
        past_logs: PastLogs,
    ) -> None:
        self._past_logs = past_logs
        self._journal = journal
        self._engine = engine
        self._repositories = repositories
        self._routing = routing
        self._retirement = retirement
        self._deployments = deployments
        self._turns = turns

    async def remove(self, project: str) -> None:
        """Stop what runs as its services say; remove its volumes with their data, networks, repository, secrets and records.

        Deployments that run are cancelled first; Problem "not-cancellable" when one is past its switch: ask again then.
        """
        for deployment in await self._journal.deployments(project, states=OPEN):
            await self._deployments.cancel(deployment.id)
        async with AsyncExitStack() as held:
            places = await self._journal.places(project)
            for place in places:
                await held.enter_async_context(self._turns.turn(project, place.environment))
            lives = [await self._journal.live(project, place.environment) for place in places]
            for place in places:
                await self._journal.revert(project, place.environment, None, {})
            await self._routing.publish()
            await asyncio.gather(*map(self._let_end, places, lives))
            await self._clear_engine(project)
            await self._past_logs.forget(project)
            await self._repositories.remove(project)
            await self._journal.remove_project(project)

    async def remove_environment(
        self, project: str, environment: str, permanent: Callable[[str], bool]
    ) -> tuple[str, ...]:
        """Remove an environment of *project*; return the volumes that stay, those of services that are *permanent*.

        Deployments that run are cancelled first; Problem "not-cancellable" when one is past its switch: ask again then.
        """
        for deployment in await self._journal.deployments(project, environment, states=OPEN):
            await self._deployments.cancel(deployment.id)
        async with self._turns.turn(project, environment):
            return await self.clear_environment(project, environment, permanent)

    async def clear_environment(
        self, project: str, environment: str, permanent: Callable[[str], bool]
    ) -> tuple[str, ...]:
        """Do the same for who holds the environment's turn; nothing is cancelled."""
        live = await self._journal.live(project, environment)
        await self._journal.revert(project, environment, None, {})
        await self._routing.publish()
        for place in await self._journal.places(project):
            if place.environment == environment:
                await self._let_end(place, live)
        owned = labels.of_place(await self._journal.instance(), project, environment)
        kept = {v for v in await self._engine.volumes(owned) if permanent(labels.service_of_volume(v))}
        await self._clear(owned, kept)
        await self._past_logs.forget(project, environment)
        await self._journal.remove_place(project, environment, {labels.service_of_volume(volume) for volume in kept})
        return tuple(sorted(kept))

    async def take_down(self, release: Release, permanent: Callable[[str], bool]) -> tuple[str, ...]:
        """Stop what runs of a live release, and of the canary beside it; return the volumes that stay, those of who is *permanent*.

        The environment stays with its secrets and history, and the release can be returned to. Asked again after a crash it goes
        on. Problem "not-live" when another release is live once it is this one's turn, "locked".
        """
        project, environment = release.project, release.environment
        async with self._turns.turn(project, environment):
            if problem := kept_out(await self._journal.lock(project, environment), Kind.ROLLBACK):
                raise problem
            live = await self._journal.live(project, environment)
            if live is not None and live.number != release.number:
                raise not_live(release.title, f"{live.title} is")
            await self._journal.drop_canary(project, environment)
            await self._journal.take_down(project, environment)
            await self._routing.publish()
            await self._let_end(await place_of(self._journal, project, environment), release)
            owned = labels.of_place(await self._journal.instance(), project, environment)
            volumes = await self._engine.volumes(owned)
            kept = {volume for volume in volumes if permanent(labels.service_of_volume(volume))}
            for volume in {*volumes} - kept:
                await self._engine.remove_volume(volume)
        return tuple(sorted(kept))

    async def _let_end(self, place: Place, live: Release | None) -> None:
        """End the replicas of an environment, each after what depends on it: an end may still need a database."""
        owned = labels.of_place(await self._journal.instance(), place.project, place.environment)
        groups = [set(wave) for wave in reversed(waves(live.workloads))] if live else []
        for group in groups:
            await self._retirement.gone([c for c in await self._replicas(owned) if c.labels[labels.SERVICE] in group])
        await self._retirement.gone(await self._replicas(owned))

    async def _replicas(self, owned: Mapping[str, str]) -> list[Container]:
        return [each for each in await self._engine.containers(owned) if labels.is_replica(each.labels)]

    async def _clear(self, owned: Mapping[str, str], kept: Collection[str] = ()) -> None:
        containers = await self._engine.containers(owned)
        await asyncio.gather(*(self._end(container) for container in containers))
        for volume in await self._engine.volumes(owned):
            if volume not in kept:
                await self._engine.remove_volume(volume)
        for network in await self._engine.networks(owned):
            await self._engine.remove_network(network)

    async def _clear_engine(self, project: str) -> None:
        owned = labels.of_project(await self._journal.instance(), project)
        await self._clear(owned)
        for image in await self._engine.images(owned):
            for tag in image.tags or (image.id,):
                await self._engine.remove_image(tag)

    async def _end(self, container: Container) -> None:
        try:
            await self._engine.stop(container.id, GRACE)
        finally:
            await self._engine.remove(container.id)


def not_live(what: str, instead: str) -> Problem:
    """Return the Problem of who would take down what nothing runs of."""
    return Problem(
        "not-live",
        f"{what} is not live, so nothing runs of it: {instead}",
        serving="what served before",
        remedy="`hostess deployments list` shows which there are",
    )
