"""Garbage: images of ours that no kept release and no container needs. Never a volume, never anything without our label."""

from dataclasses import dataclass

from hostess.domain import labels
from hostess.domain.ports import Engine, Journal
from hostess.domain.release import OPEN

OURS = "hostess/"


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed: image ids and the bytes they took (layers that others share count too)."""

    images: tuple[str, ...]
    size: int


class Collector:
    """Removes images by reference from the releases that are kept (`releases.keep`) and from containers."""

    def __init__(self, engine: Engine, journal: Journal, keep: int) -> None:
        self._engine = engine
        self._journal = journal
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
        return Collected(tuple(gone), size)

    async def _needed(self) -> set[str]:
        needed: set[str] = set()
        for place in await self._journal.places():
            for release in await self._journal.releases(place.project, place.environment, self._keep):
                needed.update(workload.image for workload in release.workloads.values())
            live = await self._journal.live(place.project, place.environment)
            if live is not None:
                needed.update(workload.image for workload in live.workloads.values())
        for container in await self._engine.containers(labels.of_instance(await self._journal.instance())):
            needed.add(container.image)
        return needed
