"""Storage: what databases use of the size they declare, and how full the host's disks are, measured now and then and told in time."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.ports import Clock, Engine, Journal, Meter
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import present_replicas
from hostess.domain.releases.release import Workload
from hostess.domain.storage import News, Told, Use, judge
from hostess.services.keeping.replicas import Replicas

LIMIT = timedelta(seconds=60)
NOTE = "storage that was told"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is told already, by subject; it outlives the daemon, so that a restart tells nothing twice."""

    told: Mapping[str, Told]


class StorageWatch:
    """Measures databases from inside (`du` knows each major's layout, logs and what a restore has beside), disks from the host.

    *folders* are those whose disks are watched, with the engine's own.
    """

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        replicas: Replicas,
        meter: Meter,
        clock: Clock,
        folders: Sequence[str],
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._replicas = replicas
        self._meter = meter
        self._clock = clock
        self._folders = folders
        self._measured: dict[tuple[str, str, str], Use] = {}

    async def look(self) -> None:
        """Measure, and tell what has changed."""
        found: dict[tuple[str, str, str], Use] = {}
        for place in await self._journal.places():
            for use in await self._of_place(place):
                found[use.project, use.environment, use.service] = use
        self._measured = found
        told = await self._told()
        news, after = judge([*found.values(), *await self.disks()], told, self._clock.now())
        for each in news:
            await self._tell(each)
        if after != told:
            await self._journal.set_note(NOTE, json.dumps(to_json(_Kept(after))))

    def of(self, project: str, environment: str, workload: Workload) -> Use | None:
        """Return what a database used when it was last measured, against what it declares now; None when it was not yet."""
        known = self._measured.get((project, environment, workload.name))
        if known is None or workload.storage is None:
            return None
        return Use(workload.name, known.used, workload.storage, project, environment, workload.name)

    def measured(self) -> list[Use]:
        """Return what was last measured of databases."""
        return list(self._measured.values())

    async def disks(self) -> list[Use]:
        """Return how full each disk is that Hostess keeps something on, each once, named by the first folder on it."""
        folders = list(self._folders)
        try:
            folders.append((await self._engine.facts()).root)
        except Problem as problem:
            log.info("the disk of the engine was not looked at: %s", problem)
        found: dict[int, Use] = {}
        for folder in filter(None, folders):
            disk = self._meter.file_system(folder)
            found.setdefault(disk.device, Use(folder, disk.size - disk.free, disk.size))
        return list(found.values())

    async def _of_place(self, place: Place) -> list[Use]:
        live = await self._journal.live(place.project, place.environment)
        watched = {name: each for name, each in live.workloads.items() if each.storage} if live else {}
        if not watched:
            return []
        found = []
        for container in present_replicas(await self._replicas.of_place(place.project, place.environment)):
            workload = watched.get(container.labels.get(labels.SERVICE, ""))
            if workload is None or container.state != "running":
                continue
            used = await self._used(container.id, workload)
            if used is not None:
                size = workload.storage or 0
                found.append(Use(workload.name, used, size, place.project, place.environment, workload.name))
        return found

    async def _used(self, container: str, workload: Workload) -> int | None:
        """Return the bytes on the disk below a database's volumes; None when it does not say."""
        try:
            code, said = await self._engine.execute(container, ("du", "-sk", *workload.volumes.values()), LIMIT)
        except Problem as problem:
            log.info("the storage of %s was not measured: %s", workload.name, problem)
            return None
        # A file that was removed meanwhile is a complaint and an exit code, and no reason to believe nothing.
        sizes = [
            first for first, *rest in map(str.split, filter(None, said.splitlines())) if first.isdecimal() and rest
        ]
        if not sizes:
            log.info("the storage of %s was not measured: du ended with exit code %d", workload.name, code)
            return None
        return 1024 * sum(map(int, sizes))

    async def _told(self) -> Mapping[str, Told]:
        raw = await self._journal.note(NOTE)
        try:
            return from_json(_Kept, json.loads(raw)).told if raw else {}
        except (ValueError, CodecError):
            log.warning("what was told of storage cannot be read: it is told anew")
            return {}

    async def _tell(self, news: News) -> None:
        use = news.use
        data = {"subject": use.subject, "used": use.used, "size": use.size, "percent": use.percent}
        words = {"serving": news.serving, "remedy": news.remedy}
        await self._journal.tell(
            news.kind,
            news.message,
            self._clock.now(),
            project=use.project,
            environment=use.environment,
            data={**data, **{name: text for name, text in words.items() if text}},
        )
