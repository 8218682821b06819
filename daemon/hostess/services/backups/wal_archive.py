"""The logs of databases with `pitr`: shipped as they grow, without a gap or with one that is told.

The daemon reads what the server has written, under a replication slot that keeps it there: `archive_command` would need a restart
of the server, a second copy of each segment in its volume, and a switch of segments for each second that may be lost; pg_receivewal
writes to a folder that had to be read in turn. What a slot holds back is bounded.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from hostess.domain.alerts import log_subject
from hostess.domain.backups import postgres_wal
from hostess.domain.backups.backup import Written
from hostess.domain.backups.wal import FIRST, LATE, SECOND, Archive, Begun, Segment, Server, gap, started
from hostess.domain.databases.postgres import PSQL
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Artefacts, Clock, Engine, Journal, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload
from hostess.services.backups.backups import Backups, Target
from hostess.services.backups.base_backups import BaseBackups
from hostess.services.backups.dumps import lines
from hostess.services.under_way import UnderWay

MARK = "wal"
WITHIN = 600.0
"""Seconds for one question, or for one segment (16 MB) on its way to the target and back."""
REMEMBER = timedelta(seconds=30)
"""How old what the journal says of a log that nothing is written to may become."""

log = logging.getLogger(__name__)

Place = tuple[str, str, str]
T = TypeVar("T")


class WalArchive:
    """Ships logs; each database by itself, so that a slow one holds up no other."""

    def __init__(
        self, journal: Journal, engine: Engine, backups: Backups, bases: BaseBackups, artefacts: Artefacts, clock: Clock
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._backups = backups
        self._bases = bases
        self._artefacts = artefacts
        self._clock = clock
        self._running: UnderWay[None] = UnderWay("shipping of a log")
        self._locks: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def look(self) -> None:
        """Begin to ship what is new; whatever is still being shipped is left alone."""
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            for workload in live.workloads.values() if live else ():
                key = (place.project, place.environment, workload.name)
                if wanted(workload):
                    self._running.begin(key, self._looked(key))
                elif workload.type is ServiceType.POSTGRES and (archive := await self._archive(key)) and archive.on:
                    self._running.begin(key, self._let_go(archive))

    async def stop(self) -> None:
        """Ship no more; the next start goes on where this one was."""
        await self._running.stop()

    async def ship(self, target: Target) -> None:
        """Ship everything that has been written until now, in whole segments: copies of a begun one are replaced before long."""
        key = (target.release.project, target.release.environment, target.workload.name)
        async with self._locks[key]:
            archive = await self._shipped(key, target, await self._archive(key), at_once=True)
            await self._tell_server(target, postgres_wal.SWITCH)
            await self._shipped(key, target, archive, at_once=True)

    async def _archive(self, key: Place) -> Archive | None:
        found = await self._journal.archives(key[0])
        return next((each for each in found if (each.environment, each.service) == key[1:]), None)

    async def _looked(self, key: Place) -> None:
        try:
            target = await self._backups.target(*key)
        except Problem as problem:  # nothing is written meanwhile
            log.info("the log of %s waits: %s", key[2], problem)
            return
        archive = await self._archive(key)
        try:
            async with self._locks[key]:
                archive = await self._shipped(key, target, await self._archive(key))
        except Problem as problem:
            log.warning("the log of %s was not shipped: %s", key[2], problem)
            await self._is_late(archive, str(problem))
            return
        except Exception:
            log.exception("shipping the log of %s ended in a bug", key[2])
            return
        await self._bases.look(target, archive.chain)

    async def _is_late(self, archive: Archive | None, why: str) -> None:
        if archive is None or archive.problem or self._clock.now() - archive.until < LATE:
            return
        await self._journal.put_archive(replace(archive, problem=why))
        await self._tell(archive, "backup.wal-late", f"changes of {archive.service} are not kept at the moment: {why}")

    async def _shipped(self, key: Place, target: Target, archive: Archive | None, *, at_once: bool = False) -> Archive:
        known = archive
        server = await self._ask(target)
        missing = gap(archive, server) if archive else ""
        if archive is None or missing or server.held is None:
            server = await self._ask(target, hold=True)
        if archive is None or missing:
            archive = await self._begun_anew(key, archive, server, missing)
        while archive.next < server.flushed // server.segment:
            archive = await self._whole(target, archive, server)
        archive = await self._rest(target, archive, server)
        if archive.problem:
            await self._tell(archive, "backup.wal-resumed", f"changes of {archive.service} are kept again, all of them")
        done = replace(archive, until=server.now, problem="")
        same = known is not None and replace(done, until=known.until) == known
        if known is None or not same or at_once or server.now - known.until >= REMEMBER:
            await self._journal.put_archive(done)
        return done

    async def _ask(self, target: Target, *, hold: bool = False) -> Server:
        def work(shell: Shell) -> Server:
            if hold:
                lines(shell, PSQL, stdin=postgres_wal.HOLD)
            return postgres_wal.state(lines(shell, postgres_wal.STATE))

        return await self._within(target, work)

    async def _begun_anew(self, key: Place, old: Archive | None, server: Server, missing: str) -> Archive:
        archive = started(key, server)
        if old is not None and old.end is not None:  # the last seconds of a server that may be lost
            await self._journal.put_segment(old.end, archive)
        await self._journal.put_archive(archive)
        if old is not None:
            await self._tell(
                archive,
                "backup.wal-gap",
                f"the log of {archive.service} has a gap after {old.until:%Y-%m-%d %H:%M:%S} UTC: {missing}; "
                "a base backup begins it anew",
            )
        return archive

    async def _whole(self, target: Target, archive: Archive, server: Server) -> Archive:
        """Ship a segment that the server has filled, and tell the server that it need not keep it for us."""
        segment = archive.piece(archive.next)
        command = postgres_wal.whole(server.data, segment.name)
        written = await self._written(target, segment, command, archive.segment)
        after = replace(archive, next=archive.next + 1, begun=None)
        await self._journal.put_segment(replace(segment, size=written.size, checksum=written.checksum), after)
        for copy in (FIRST, SECOND):
            await asyncio.to_thread(self._artefacts.remove, archive.piece(archive.next, copy).path)
        await self._tell_server(target, postgres_wal.advance(after.next * after.segment))
        return after

    async def _rest(self, target: Target, archive: Archive, server: Server) -> Archive:
        """Ship what the server has written of the segment that it writes now, beside the copy that was there before."""
        length, begun = server.flushed % server.segment, archive.begun
        if not length or (begun and (begun.number, begun.length) == (archive.next, length)):
            return archive
        copy = SECOND if begun and begun.copy == FIRST else FIRST
        piece = archive.piece(archive.next, copy)
        command = postgres_wal.beginning(server.data, piece.name, length)
        written = await self._written(target, piece, command, length)
        return replace(archive, begun=Begun(archive.next, length, written.size, written.checksum, copy))

    async def _written(self, target: Target, segment: Segment, command: Sequence[str], length: int) -> Written:
        """Write what a command gives, and read it back."""
        path, name = segment.path, segment.name

        def work(shell: Shell) -> Written:
            written = self._artefacts.write(path, iter([(name, shell.output(command))]))
            if (found := written.parts[0].size) != length:
                raise Problem("backup-damaged", f"{found} bytes of {name} were read, and it has {length}")
            if self._artefacts.checksum(path) != written.checksum:
                raise Problem("backup-damaged", f"what was read back of {name} is not what was written")
            return written

        return await self._within(target, work)

    async def _tell_server(self, target: Target, script: str) -> None:
        await self._within(target, lambda shell: lines(shell, PSQL, stdin=script))

    async def _within(self, target: Target, work: Callable[[Shell], T]) -> T:
        """Do one thing beside the server. Problem "wal-slow" when it hangs: a log that stands still in silence would be no log."""
        try:
            async with asyncio.timeout(WITHIN):
                return await self._engine.within(target.container.id, MARK, work)
        except TimeoutError as error:
            raise Problem("wal-slow", f"one step took longer than {WITHIN / 60:.0f} minutes") from error

    async def _let_go(self, archive: Archive) -> None:
        """Let a server whose `pitr` is gone from hostess.yml keep nothing for us any more."""
        try:
            target = await self._backups.target(archive.project, archive.environment, archive.service)
            await self._tell_server(target, postgres_wal.LET_GO)
        except Problem as problem:
            log.info("the log of %s is still held: %s", archive.service, problem)
            return
        await self._journal.put_archive(replace(archive, on=False))

    async def _tell(self, archive: Archive, kind: str, message: str) -> None:
        await self._journal.tell(
            kind,
            message,
            self._clock.now(),
            project=archive.project,
            environment=archive.environment,
            data={
                "service": archive.service,
                "subject": log_subject(archive.project, archive.environment, archive.service),
            },
        )


def wanted(workload: Workload) -> bool:
    """Whether every change of a workload is kept."""
    return workload.type is ServiceType.POSTGRES and workload.backups is not None and workload.backups.pitr
