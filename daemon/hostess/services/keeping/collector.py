"""Garbage: images and files of ours that no kept release and no container needs. Never a volume, never anything without our label."""

from dataclasses import dataclass

from hostess.domain import labels
from hostess.domain.ports import Engine, Journal, Sites
from hostess.domain.releases.release import OPEN, Release
from hostess.services.building.static_sites import leftovers

OURS = "hostess/"


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed: image ids, keys of static sites, and the bytes they took (layers that others share count too)."""

    images: tuple[str, ...]
    size: int
    sites: tuple[str, ...] = ()


class Collector:
    """Removes images by reference from the releases that are kept (`releases.keep`) and from containers."""

    def __init__(self, engine: Engine, journal: Journal, sites: Sites, keep: int) -> None:
        self._engine = engine
        self._journal = journal
        self._sites = sites
        self._keep = keep

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
        return Collected(tuple(gone), size, tuple(sites))

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
