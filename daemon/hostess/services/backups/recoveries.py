"""Recoveries to a moment: a server beside, thrown away afterwards, plays the log until then, and a backup is taken of what it has.

That backup is restored as any other: the live server is not stopped, and its log goes on without a new timeline.
"""

import logging
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from hostess.domain import labels
from hostess.domain.backups import postgres_wal
from hostess.domain.backups.backup import RECOVERED, Backup
from hostess.domain.backups.wal import Base, Segment, Way, way
from hostess.domain.databases.versions import major
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Artefacts, Clock, ContainerSpec, Engine, Journal, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload
from hostess.services.backups.backups import Backups, Source, Target
from hostess.services.backups.dumps import lines
from hostess.services.backups.wal_archive import WalArchive, wanted
from hostess.services.building.registries import Registries
from hostess.services.keeping.replicas import Replicas

NETWORK = "none"
USER = "postgres"

log = logging.getLogger(__name__)


class Recoveries:
    """Recovers databases beside the live ones. What a killed daemon leaves of one is removed as any container that nobody holds."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        engine: Engine,
        replicas: Replicas,
        registries: Registries,
        backups: Backups,
        archive: WalArchive,
        artefacts: Artefacts,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._replicas = replicas
        self._registries = registries
        self._backups = backups
        self._archive = archive
        self._artefacts = artefacts
        self._clock = clock

    async def begin(self, project: str, environment: str, service: str, moment: datetime) -> Backup:
        """Begin a backup of what a service had at a moment. Problem "moment-not-kept", and those of `Backups.begin`."""
        target = await self._backups.target(project, environment, service)
        if target.workload.type is not ServiceType.POSTGRES:
            raise Problem("moment-not-kept", f"{service} is a {target.workload.type}: only postgres keeps every change")
        unshipped = await self._shipped(target) if wanted(target.workload) else ""
        try:
            found = way(await self._journal.kept(project, environment, service), moment, service)
        except Problem as problem:
            if not unshipped:
                raise
            what = f"{problem}; what was written last could not be read: {unshipped}"
            raise Problem(problem.code, what, serving=problem.serving, remedy=problem.remedy) from problem

        @asynccontextmanager
        async def beside(backup: Backup) -> AsyncIterator[Source]:
            async with self.recovered(target, found, moment, f"recovery-{backup.id}") as source:
                yield source

        return await self._backups.begin(project, environment, service, RECOVERED, beside)

    async def _shipped(self, target: Target) -> str:
        """Ship what was written last, and return why that could not be done: what is kept already may do."""
        try:
            await self._archive.ship(target)
        except Problem as problem:
            log.warning("the end of the log of %s was not shipped: %s", target.workload.name, problem)
            return str(problem)
        return ""

    @asynccontextmanager
    async def recovered(self, target: Target, found: Way, moment: datetime, mark: str) -> AsyncIterator[Source]:
        """Give a server that has what *target* had at a moment; it is gone afterwards."""
        workload, live = target.workload, target.release
        instance = await self._journal.instance()
        image = await self._image(found.base, workload)
        marks = {
            labels.ROLE: labels.TASK_ROLE,
            labels.DEPLOYMENT: mark,
            labels.REPLICA: mark,
        }
        spec = ContainerSpec(
            name=labels.container_name(instance, live.project, live.environment, workload.name, mark),
            image=image,
            labels={**labels.of_place(instance, live.project, live.environment), **marks},
            network=NETWORK,
            entrypoint=postgres_wal.WAIT,
            command=(),
            cpu=workload.cpu,
            memory=workload.memory,
            user=USER,
        )
        libraries = workload.inside.extensions if workload.inside else ()

        def work(shell: Shell) -> datetime | None:
            return recover(shell, self._artefacts, found, postgres_wal.recovery(moment, libraries))

        async with self._replicas.thrown_away(mark, spec) as container:
            yield Source(container.id, await self._engine.within(container.id, mark, work))

    async def _image(self, base: Base, workload: Workload) -> str:
        """Return an image whose server reads a base backup: one of another major does not. Problem "recovery-unfit"."""
        if await self._engine.image(base.image) is not None:
            return base.image
        if not base.version or major(base.version) == major(workload.version):
            return workload.image
        reference = f"postgres:{base.version}"
        try:
            found = await self._registries.image(reference, log.info)
        except Problem as problem:
            raise Problem(
                "recovery-unfit",
                f"what is kept of that moment is of PostgreSQL {base.version}, and {reference} is not here: {problem}",
                serving="nothing was changed",
                remedy=f"`docker pull {reference}` on the host, then try it again",
            ) from problem
        return found.id


def recover(shell: Shell, artefacts: Artefacts, found: Way, settings: str) -> datetime | None:
    """Make a server of what is kept; return when the last transaction that it has was committed. Problem "backup-damaged"."""
    _check(artefacts, found.base.path, found.base.checksum)
    for _, pieces in artefacts.parts(found.base.path):
        shell.feed(postgres_wal.UNPACK, pieces, found.base.content)
    size = len(found.segments) * (tarfile.BLOCKSIZE + found.segment) + 2 * tarfile.BLOCKSIZE
    shell.feed(postgres_wal.ADD_WAL, _packed(artefacts, found), size)
    shell.feed(postgres_wal.CONFIGURE, [settings.encode()], len(settings.encode()))
    try:
        lines(shell, postgres_wal.START)
    except Problem as problem:
        if not any(postgres_wal.NOT_REACHED in line for line in problem.tail):
            raise
        shell.feed(postgres_wal.CONFIGURE, [postgres_wal.ANYWAY.encode()], len(postgres_wal.ANYWAY))
        lines(shell, postgres_wal.START)
    told = "".join(lines(shell, postgres_wal.REACHED)).strip()
    return datetime.fromtimestamp(float(told), UTC) if told else None


def _packed(artefacts: Artefacts, found: Way) -> Iterator[bytes]:
    """Yield a tar of the log, each segment compared with its checksum before; one that was begun is filled with zeros."""
    for segment in found.segments:
        yield from _file(artefacts, segment, found.segment)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(artefacts: Artefacts, segment: Segment, length: int) -> Iterator[bytes]:
    _check(artefacts, segment.path, segment.checksum)
    info = tarfile.TarInfo(segment.name)
    info.size, info.mode = length, 0o600
    yield info.tobuf(tarfile.USTAR_FORMAT)
    left = length
    for _, pieces in artefacts.parts(segment.path):
        for piece in pieces:
            left -= len(piece)
            yield piece
    yield bytes(max(left, 0))


def _check(artefacts: Artefacts, path: str, checksum: str) -> None:
    try:
        artefacts.sound(path, checksum)
    except Problem as problem:
        if problem.code != "backup-damaged":
            raise
        raise Problem(
            problem.code,
            problem.what,
            serving="the live database is not touched",
            remedy="recover to a moment before it: `hostess backups list` shows what is kept",
        ) from problem
