"""Images that were removed behind our back (`docker image prune -a`) are made again, from the commit that they were made of."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping

from hostess.domain.ports import Clock, Engine, Journal
from hostess.domain.problem import Problem
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Release, Workload

Make = Callable[[Release, Collection[str], Say], Awaitable[Mapping[str, str]]]
"""Builds or fetches the images of those services and jobs of a release -> image by name."""

log = logging.getLogger(__name__)


class LostImages:
    """What runs keeps its image from being removed; what sleeps, jobs, and releases to go back to do not."""

    def __init__(self, journal: Journal, engine: Engine, make: Make, clock: Clock) -> None:
        self._journal = journal
        self._engine = engine
        self._make = make
        self._clock = clock
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._made: dict[str, str] = {}

    async def image(self, release: Release, workload: Workload) -> str:
        """Return the image of a service or job, made again if need be; "image-gone", and Problems of `Builder.images`.

        Its digest stays the same, so replicas that run are as good as new ones; another id is written into the release's record.
        """
        lost = workload.image
        if await self._engine.image(lost) is not None:
            return lost
        async with self._making[f"{release.project} {lost}"]:
            known = self._made.get(lost)
            if known is None or await self._engine.image(known) is None:
                known = self._made[lost] = await self._again(release, workload)
            await self._journal.replace_image(release, workload.name, known)
            return known

    async def _again(self, release: Release, workload: Workload) -> str:
        name = workload.name
        log.warning("the image of %s (%s of %s) is gone and is made again", name, release.title, release.project)
        made = (await self._make(release, {name}, log.info)).get(name)
        if made is None:
            raise Problem(
                "image-gone",
                f"the image of {name} in {release.title} is no longer on this host",
                remedy=f"push commit {release.commit[:7]} again to build it anew",
            )
        await self._journal.tell(
            "service.image-made-again",
            f"the image of {name} was removed by somebody else, and is made again",
            self._clock.now(),
            project=release.project,
            environment=release.environment,
            data={"service": name, "release": release.number, "image": made},
        )
        return made
