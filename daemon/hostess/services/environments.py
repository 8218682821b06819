"""Environments: what holds for each, made, changed, removed, and those that have outlived their time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from hostess.domain.environments import Attributes, attributes, stack_for, with_settings
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.stack import Stack
from hostess.domain.names import PRODUCTION, check_environment_name
from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.quantities import duration_text
from hostess.domain.records import EnvironmentSettings, Place
from hostess.domain.releases.release import Deployment, final
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.removal import Removal, not_live

MakePlace = Callable[[str, str], Awaitable[Place]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """An environment as it is. *expires_at*: when it is removed if nothing more is deployed to it."""

    place: Place
    attributes: Attributes
    expires_at: datetime | None


class Environments:
    """Looks at the environments of projects and changes them. *make* opens an environment's network address."""

    def __init__(self, journal: Journal, removal: Removal, turns: Turns, clock: Clock, make: MakePlace) -> None:
        self._journal = journal
        self._removal = removal
        self._turns = turns
        self._clock = clock
        self._make = make

    async def known(self, project: str) -> list[Known]:
        """Return the environments of a project, by name."""
        kept = {each.environment: each for each in await self._journal.environment_settings(project)}
        return [await self._known(place, kept.get(place.environment)) for place in await self._journal.places(project)]

    async def one(self, project: str, environment: str) -> Known:
        """Return one; Problem "environment-not-found"."""
        for known in await self.known(project):
            if known.place.environment == environment:
                return known
        raise Problem("environment-not-found", f"{project} has no environment {environment}")

    async def create(self, given: EnvironmentSettings, *, ensure: bool) -> Known:
        """Make an environment. One that is there is Problem "environment-exists", or with *ensure* gets what is given."""
        check_environment_name(given.environment)
        places = await self._journal.places(given.project)
        if given.environment in {place.environment for place in places} and not ensure:
            raise Problem(
                "environment-exists",
                f"{given.project} has an environment {given.environment} already",
                remedy="change it with `hostess environments update`, or use `environments ensure`",
            )
        _check(given)
        await self._make(given.project, given.environment)
        return await self.update(given)

    async def update(self, given: EnvironmentSettings) -> Known:
        """Change what is given; what is None stays as it was."""
        _check(given)
        stored = await self._journal.environment_settings(given.project)
        before = next((each for each in stored if each.environment == given.environment), None)
        if before is not None:
            fields = ("branches", "ephemeral", "ttl", "auto_delete", "protected")
            given = replace(before, **{n: getattr(given, n) for n in fields if getattr(given, n) is not None})
        await self._journal.put_environment(given)
        return await self.one(given.project, given.environment)

    async def remove(self, project: str, environment: str, *, data: bool) -> tuple[str, ...]:
        """Remove an environment; return the volumes that stay: those with permanent data, unless *data* is to go, too."""
        known = await self.one(project, environment)
        if known.attributes.protected:
            raise Problem(
                "environment-protected",
                f"{environment} of {project} is protected",
                remedy="production cannot be deleted; for another one: `hostess environments update NAME --protected=false`",
            )
        permanent = await self._permanent(known, data=data)
        return await self._removal.remove_environment(project, environment, permanent)

    async def take_down(self, deployment: Deployment) -> tuple[str, ...]:
        """Stop all that a live deployment made run; return the volumes that stay, those with permanent data. Problem "not-live"."""
        project, environment, number = deployment.project, deployment.environment, deployment.release
        known = await self.one(project, environment)
        release = None if number is None else await self._journal.release(project, environment, number)
        live = known.place.live
        if release is None or live != number:
            raise not_live(f"deployment {deployment.id}", f"v{live} is" if live else "nothing is")
        return await self._removal.take_down(release, await self._permanent(known, data=False))

    async def expire(self) -> None:
        """Remove the environments whose time is over; one that is being deployed to is left alone. Called by the timer."""
        for project in {place.project for place in await self._journal.places()}:
            for known in await self.known(project):
                place = known.place
                if not self._over(known) or self._turns.busy(place.project, place.environment):
                    continue
                try:
                    await self._expire(place)
                except Problem as problem:
                    log.warning("%s of %s could not be removed: %s", place.environment, place.project, problem)

    def _over(self, known: Known) -> bool:
        return known.expires_at is not None and known.expires_at <= self._clock.now()

    async def _expire(self, place: Place) -> None:
        async with self._turns.turn(place.project, place.environment):
            known = await self.one(place.project, place.environment)
            if not self._over(known):  # somebody has deployed meanwhile
                return
            permanent = await self._permanent(known, data=False)
            kept = await self._removal.clear_environment(place.project, place.environment, permanent)
        ttl = known.attributes.ttl
        stays = f"; volumes with permanent data that stay: {len(kept)}" if kept else ""
        after = duration_text(ttl) if ttl else "its time"
        await self._journal.tell(
            "environment.expired",
            f"{place.environment} was removed: nothing was deployed to it for {after}{stays}",
            self._clock.now(),
            project=place.project,
            environment=place.environment,
            data={"volumes_kept": list(kept)},
        )

    async def _permanent(self, known: Known, *, data: bool) -> Callable[[str], bool]:
        """Return which services' data outlives the environment; none when *data* is to go, too."""
        stack = await self._stack(known.place)

        def permanent(service: str) -> bool:
            if data:
                return False
            found = stack.services.get(service) if stack else None
            return not known.attributes.ephemeral if found is None else found.permanent

        return permanent

    async def _known(self, place: Place, kept: EnvironmentSettings | None) -> Known:
        stack = await self._stack(place)
        found = attributes(place.environment, stack.environments.get(place.environment) if stack else None, kept)
        newest = await self._journal.deployments(place.project, place.environment, limit=1)
        if newest and not final(newest[0].state):
            return Known(place, found, None)
        last = newest[0].finished_at or newest[0].created_at if newest else place.created_at
        lifetime = found.lifetime
        return Known(place, found, None if lifetime is None else max(last, place.created_at) + lifetime)

    async def _stack(self, place: Place) -> Stack | None:
        """Return the stack as it is in that environment, by the file of its live release, else of production's."""
        for environment in dict.fromkeys([place.environment, PRODUCTION]):
            live = await self._journal.live(place.project, environment)
            if live is not None:
                stack = await asyncio.to_thread(_parsed, live.file)
                if stack is not None:
                    kept = await self._journal.environment_settings(place.project)
                    return stack_for(with_settings(stack, kept), place.environment)
        return None


@lru_cache(maxsize=64)
def _parsed(text: str) -> Stack | None:
    try:
        return parse(text.encode(), "hostess.yml")
    except Problem:  # written for another version of Hostess
        return None


def _check(given: EnvironmentSettings) -> None:
    if given.environment == PRODUCTION and (given.ephemeral or given.auto_delete or given.protected is False):
        raise Problem(
            "environment-protected",
            "production is protected: it is neither ephemeral nor deleted",
            remedy="use an environment of another name",
        )
