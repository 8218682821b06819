"""Garbage: images and files of ours that no kept release and no container needs, old transcripts, and too large a cache of builds.

Never a volume, never an image without our label.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from hostess.domain import labels
from hostess.domain.ports import Clock, Engine, Journal, Sites, Transcripts
from hostess.domain.problem import Problem
from hostess.domain.releases.release import OPEN, Release
from hostess.domain.transcripts import Limits, expendable
from hostess.services.building.static_sites import leftovers

OURS = "hostess/"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of what is kept only so much: *transcripts* within *limits* each, and *cache* bytes of the cache of builds (None: all)."""

    transcripts: Sequence[Transcripts]
    limits: Limits
    cache: int | None
    clock: Clock


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed: image ids, keys of static sites, how many transcripts, bytes of the cache of builds.

    *size* is what all of it took (layers that others share count too).
    """

    images: tuple[str, ...]
    size: int
    sites: tuple[str, ...] = ()
    transcripts: int = 0
    cache: int = 0


class Collector:
    """Removes images by reference from the releases that are kept (*keep*) and from containers, and what is above its bounds."""

    def __init__(self, engine: Engine, journal: Journal, sites: Sites, keep: int, bounds: Bounds) -> None:
        self._engine = engine
        self._journal = journal
        self._sites = sites
        self._keep = keep
        self._bounds = bounds

    async def collect(self, project: str | None = None) -> Collected:
        """Remove what is not needed, of one project or of all."""
        instance = await self._journal.instance()
        owned = labels.of_instance(instance) if project is None else labels.of_project(instance, project)
        deploying = {each.project for each in await self._journal.deployments(states=OPEN, limit=1000)}
        needed = await self._needed()
        gone, size = [], 0
        for image in await self._engine.images({**owned}):
            foreign = [tag for tag in image.tags if not tag.startswith(OURS)]
            if image.id in needed or foreign or labels.BUILD not in image.labels:
                continue
            if image.labels.get(labels.PROJECT) in deploying:
                continue  # perhaps just built, for a release that is not live yet
            for tag in image.tags or (image.id,):
                await self._engine.remove_image(tag)
            if await self._engine.image(image.id) is None:
                gone.append(image.id)
                size += image.size
        sites = []
        for key in () if deploying else await self._unneeded_sites():
            if await self._journal.deployments(states=OPEN, limit=1):
                break  # it may have found its files here
            size += await self._sites.remove(key)
            sites.append(key)
        transcripts, written = self._old_transcripts()
        cache = await self._cache() if project is None else 0
        return Collected(tuple(gone), size + written + cache, tuple(sites), transcripts, cache)

    def _old_transcripts(self) -> tuple[int, int]:
        """Remove the transcripts that are too many, too old or too large; return how many, and the bytes that they took."""
        count, size, now = 0, 0, self._bounds.clock.now()
        for transcripts in self._bounds.transcripts:
            for each in expendable(transcripts.kept(), self._bounds.limits, now):
                transcripts.remove(each.name)
                count, size = count + 1, size + each.size
        return count, size

    async def _cache(self) -> int:
        """Cut the engine's cache of builds; a build that goes on keeps what it needs."""
        if self._bounds.cache is None:
            return 0
        try:
            return await self._engine.trim_build_cache(self._bounds.cache)
        except Problem as problem:
            log.warning("the cache of builds could not be cut: %s", problem)
            return 0

    async def _unneeded_sites(self) -> tuple[str, ...]:
        """Return the keys that no kept release has, of any project: equal files share a folder. Nobody deploys now.

        Containers that files were being taken out of when a daemon died go here, too.
        """
        # First the keys: a deployment that begins now puts its own there later, and asks for those that are gone.
        present = await self._sites.keys()
        for container in leftovers(await self._engine.containers(labels.of_instance(await self._journal.instance()))):
            await self._engine.remove(container)
        sites = [w.static for release in await self._kept() for w in release.workloads.values() if w.static]
        return tuple(sorted(present - {key for site in sites for key in (site.key, site.earlier)}))

    async def _needed(self) -> set[str]:
        kept = await self._kept()
        needed = {workload.image for release in kept for workload in release.workloads.values()}
        needed |= {job.workload.image for release in kept for job in release.jobs.values()}
        for container in await self._engine.containers(labels.of_instance(await self._journal.instance())):
            needed.add(container.image)
        return needed

    async def _kept(self) -> list[Release]:
        """Return the releases that can be gone back to, those that are live, and those that are tried out."""
        kept: list[Release] = []
        for place in await self._journal.places():
            kept += await self._journal.releases(place.project, place.environment, self._keep)
            live = await self._journal.live(place.project, place.environment)
            kept += [live] if live is not None else []
        kept += [canary.release for canary in await self._journal.canaries()]
        return kept
