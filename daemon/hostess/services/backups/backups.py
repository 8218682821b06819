"""Backups: taken as streams, ok only when they were read back, kept by count, and what a killed daemon left of them removed."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from hostess.domain.alerts import subject_of
from hostess.domain.backups.backup import (
    BUCKET,
    FAILED,
    FOLDER,
    OK,
    PARTIAL,
    RUNNING,
    Backup,
    Heard,
    Manifest,
    Written,
    chosen,
    damaged,
    new_id,
    partial_for,
)
from hostess.domain.codec import to_json
from hostess.domain.ports import Artefacts, Clock, Container, Engine, Journal, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.services.backups.dumps import dump
from hostess.services.backups.retention import being_restored, outlived
from hostess.services.deploying.persistence import until_written
from hostess.services.keeping.replicas import Replicas
from hostess.services.live import live_workload
from hostess.services.under_way import UnderWay

LONGEST = 24 * 3600.0
AT_ONCE = 2
"""Backups under way at a time, of all projects: each reads a whole database."""

log = logging.getLogger(__name__)

After = Callable[[Backup], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Target:
    """What a backup is taken of: a service of the live release and its container."""

    release: Release
    workload: Workload
    container: Container


@dataclass(frozen=True, slots=True)
class Source:
    """The container that a backup is read from; *reached* is the last transaction that was recovered in it."""

    container: str
    reached: datetime | None = None


Beside = Callable[[Backup], AbstractAsyncContextManager[Source]]


class Backups:
    """Takes backups. One that is under way belongs to this object, not to whoever asked for it.

    The order is: record (running), object, read back, manifest, the same in the second place, record (ok, or partial when only one
    place has it). Whatever is found in state running at a start was cut short, and all of it is removed.
    """

    def __init__(
        self, journal: Journal, engine: Engine, replicas: Replicas, artefacts: Artefacts, clock: Clock
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._replicas = replicas
        self._artefacts = artefacts
        self._clock = clock
        self._running: UnderWay[Backup] = UnderWay("a backup")
        self._newest: dict[str, str] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._reading = asyncio.Semaphore(AT_ONCE)
        self._progress: dict[str, str] = {}
        self._completing: UnderWay[None] = UnderWay("copying of partial backups")
        self._after: list[After] = []

    def then(self, after: After) -> None:
        """Call *after* with each backup that went well."""
        self._after.append(after)

    async def begin(
        self, project: str, environment: str, service: str, trigger: str, beside: Beside | None = None
    ) -> Backup:
        """Write a backup down and start it; `ended` waits for it. Problem "backup-runs-already", "not-backed-up" and more.

        *beside* gives another container to read from than the live one.
        """
        await self.target(project, environment, service)
        key = f"{project}/{environment}/{service}"
        if key in self._running:
            raise Problem(
                "backup-runs-already",
                f"a backup of {service} is under way",
                remedy=f"wait for it: `hostess backups list --service {service}`",
            )
        backup = Backup(
            id=new_id(self._clock.now(), self._clock.token(48)),
            project=project,
            environment=environment,
            service=service,
            trigger=trigger,
            started_at=self._clock.now(),
        )
        self._running.begin(key, self._carried_out(backup, beside))  # at once: nobody else may take the key meanwhile
        self._newest[key] = backup.id
        try:
            await self._journal.put_backup(backup)
        except BaseException:
            await self._running.end(key)
            raise
        return backup

    async def ended(self, backup: Backup) -> Backup:
        """Wait until a backup has ended and return it."""
        task = self._running.get(f"{backup.project}/{backup.environment}/{backup.service}")
        if task is not None:
            return await asyncio.shield(task)
        return next((each for each in await self._journal.backups(backup.project) if each.id == backup.id), backup)

    async def over(self, project: str, environment: str, service: str) -> None:
        """Wait until no backup of a service is under way."""
        while (task := self._running.get(f"{project}/{environment}/{service}")) is not None:
            await asyncio.wait([task])

    def under_way(self, backup: Backup) -> bool:
        """Whether something is done for a backup that was begun here: also the telling of it, and the end of older ones.

        Before that is over no other one of its service can begin.
        """
        key = f"{backup.project}/{backup.environment}/{backup.service}"
        return key in self._running and self._newest.get(key) == backup.id

    def progress(self, backup: Backup) -> str:
        """Return what is being done for a backup now; "" when nothing is."""
        return self._progress.get(backup.id, "")

    async def find(self, project: str, environment: str, service: str, wanted: str) -> Backup:
        """Return a good backup by id, beginning of it or file name ("": the newest, see `chosen`); Problem "backup-not-found"."""
        return chosen(await self._journal.backups(project, environment, service), service, wanted, self._clock.now())

    async def verify(self, backup: Backup) -> str:
        """Read an artefact back and return its checksum. Problem "backup-damaged" when it is not the one that was written."""
        async with self._reading:  # each holds a thread, and there are few for everything else
            found = await asyncio.to_thread(self._artefacts.checksum, backup.path, backup.missing)
        if found != backup.checksum:
            await self._tell(backup, "backup.damaged", f"{backup.file} is damaged: its checksum is another one")
            raise damaged(backup.file, found, backup.checksum)
        return found

    async def sound(self, backup: Backup) -> None:
        """See to it that what is restored is what was written: one place that has it is enough. Problem "backup-damaged"."""
        async with self._reading:
            try:
                await asyncio.to_thread(self._artefacts.sound, backup.path, backup.checksum, backup.missing)
            except Problem as problem:
                if problem.code == "backup-damaged":
                    await self._tell(backup, "backup.damaged", f"{backup.file} is damaged: its checksum is another one")
                raise

    async def complete(self) -> None:
        """Begin to try again to put each partial backup into the place that has none of it."""
        self._completing.begin("all", self._completed_all())

    async def delete(self, backup: Backup) -> None:
        """Remove an artefact and its record. The artefact goes first: a record without one is told as such, never the other way.

        Problem "backup-in-use" while it is being restored.
        """
        if backup.id in await being_restored(self._journal):
            raise Problem(
                "backup-in-use",
                f"{backup.file} is being restored",
                serving="the backup stays",
                remedy="delete it when the restore has ended",
            )
        await asyncio.to_thread(self._artefacts.remove, backup.path)
        await self._journal.forget_backup(backup.id)

    async def recover(self) -> None:
        """After a restart: end dumps that still run, remove what was begun, and say so."""
        for backup in await self._journal.backups():
            if backup.state == RUNNING:
                try:
                    target = await self.target(backup.project, backup.environment, backup.service)
                    await self._engine.end_commands(target.container.id, _mark(backup))
                except Problem as problem:
                    log.info("no dump of %s is left: %s", backup.id, problem)
                await self._failed(backup, "the daemon was stopped in the middle of it", at_once=True)

    async def stop(self) -> None:
        """End the backups that are under way; they have failed."""
        await self._completing.stop()
        await self._running.stop()

    async def target(self, project: str, environment: str, service: str) -> Target:
        """Return what is backed up. Problem "nothing-live", "service-not-found", "not-backed-up", "container-not-running"."""
        live, workload = await live_workload(self._journal, project, environment, service)
        if not (workload.is_database or workload.backups or workload.volumes):
            raise Problem("not-backed-up", f"{service} keeps nothing: it is no database, and has no persistence")
        container = await self._replicas.running(live, workload)
        if container is None:
            raise Problem(
                "container-not-running",
                f"{service} does not run, so nothing can be read from it",
                remedy="`hostess services list` shows its state",
            )
        return Target(live, workload, container)

    # ---- one backup --------------------------------------------------------------------------------------------------

    async def _carried_out(self, backup: Backup, beside: Beside | None) -> Backup:
        self._progress[backup.id] = "waiting for other backups"
        try:
            async with self._room, asyncio.timeout(LONGEST):
                done = await self._taken(backup, beside)
        except Problem as problem:
            return await self._failed(backup, str(problem))
        except TimeoutError:
            return await self._failed(backup, "it took longer than a day")
        except asyncio.CancelledError:
            await asyncio.shield(self._failed(backup, "the daemon was stopped in the middle of it", at_once=True))
            raise
        except Exception:
            log.exception("backup %s of %s ended in a bug", backup.id, backup.service)
            return await self._failed(
                backup, "something in Hostess itself went wrong; the daemon's log has the details"
            )
        finally:
            self._progress.pop(backup.id, None)
        await self._followed(done)
        return done

    async def _taken(self, backup: Backup, beside: Beside | None) -> Backup:
        target = await self.target(backup.project, backup.environment, backup.service)
        async with AsyncExitStack() as opened:
            source = Source(target.container.id)
            if beside is not None:
                self._progress[backup.id] = "recovering it beside the live data"
                source = await opened.enter_async_context(beside(backup))
            done = await self._stored(replace(backup, reached=source.reached), target, source.container)
        await self._journal.put_backup(done)
        return done

    async def _stored(self, backup: Backup, target: Target, container: str) -> Backup:
        try:
            return await self._copied(await self._whole(backup, target, container, BUCKET), BUCKET)
        except Problem as problem:
            if problem.code != "backup-target-failed" or not self._artefacts.twofold:
                raise
            log.warning("%s goes to the bucket alone: %s", backup.file, problem)
            with suppress(Problem):  # of what may have been written here nothing is to be read
                await asyncio.to_thread(self._artefacts.remove, backup.path)
            return partial_for(await self._whole(backup, target, container, FOLDER), FOLDER, str(problem))

    async def _copied(self, whole: Backup, missing: str) -> Backup:
        """Put what one place has into the other one, too; if that fails, the first stays, and the backup is partial."""
        if not self._artefacts.twofold:
            return whole
        self._progress[whole.id] = f"copying {whole.size} bytes to the {missing}"
        try:
            await asyncio.to_thread(self._artefacts.copy, whole.path, missing)
        except Problem as problem:
            return partial_for(whole, missing, str(problem))
        return replace(whole, ended_at=self._clock.now())

    async def _whole(self, backup: Backup, target: Target, container: str, missing: str) -> Backup:
        """Write a backup to one place, and read it back."""
        heard = Heard()
        self._progress[backup.id] = "dumping"

        def work(shell: Shell) -> Written:
            return self._artefacts.write(backup.path, dump(target.workload, shell, heard), missing)

        written = await self._engine.within(container, _mark(backup), work)
        self._progress[backup.id] = f"reading {written.size} bytes back"
        found = await asyncio.to_thread(self._artefacts.checksum, backup.path, missing)
        if found != written.checksum:
            raise Problem("backup-damaged", f"what was read back is not what was written (SHA-256 {found})")
        now = self._clock.now()
        manifest = Manifest(
            backup=backup.id,
            project=backup.project,
            environment=backup.environment,
            service=backup.service,
            type=target.workload.type,
            engine=heard.engine,
            release=target.release.number,
            trigger=backup.trigger,
            started_at=backup.started_at,
            seconds=round((now - backup.started_at).total_seconds(), 3),
            file=backup.file,
            size=written.size,
            sha256=written.checksum,
            parts=written.parts,
            databases=tuple(heard.databases),
            encryption=self._artefacts.encryption,
            files=tuple(heard.files),
        )
        text = json.dumps(to_json(manifest), indent=1, ensure_ascii=False)
        await asyncio.to_thread(self._artefacts.put_manifest, backup.path, f"{text}\n", missing)
        return replace(backup, state=OK, ended_at=now, size=written.size, checksum=written.checksum)

    async def _completed_all(self) -> None:
        for backup in await self._journal.backups():
            if backup.state == PARTIAL:
                whole = replace(backup, state=OK, missing="", problem="")
                try:  # what has rotted meanwhile must not become a good backup by being copied
                    await self.verify(backup)
                    await self._completed(backup, await self._copied(whole, backup.missing))
                except Problem as problem:
                    log.warning("%s stays partial: %s", backup.file, problem)

    async def _completed(self, before: Backup, done: Backup) -> None:
        """Write down how it went; one that was deleted meanwhile stays so."""
        self._progress.pop(done.id, None)
        known = await self._journal.backups(done.project, done.environment, done.service)
        now = next((each for each in known if each.id == done.id), None)
        if now is None:
            await asyncio.to_thread(self._artefacts.remove, done.path)
        elif done.state == OK:
            await self._journal.put_backup(replace(done, proof=now.proof, ended_at=before.ended_at))
            await self._tell(done, "backup.copied", f"{done.file} is in the {before.missing}, too")

    async def _followed(self, done: Backup) -> None:
        """Tell of it, let go what retention does not keep, and hand it on; what goes wrong here does not undo the backup."""
        try:
            if done.state == OK:
                await self._tell(done, "backup.completed", f"{done.file} was written and read back ({done.trigger})")
                await self.complete()  # both places are there
            else:
                await self._tell(done, "backup.partial", f"{done.file} {done.problem}")
            await self.prune(done.project, done.environment, done.service)
        except Problem as problem:
            log.warning(
                "of %s nothing is told, or old backups of %s stay for now: %s", done.file, done.service, problem
            )
        for after in self._after:
            try:
                await after(done)
            except Problem as problem:
                log.warning("what follows %s was not begun: %s", done.file, problem)

    async def prune(self, project: str, environment: str, service: str) -> None:
        """Remove the oldest backups of a service beyond its retention; the newest good one stays, and what is being restored."""
        for old in await outlived(self._journal, project, environment, service, self._clock.now()):
            await self.delete(old)

    async def _failed(self, backup: Backup, why: str, *, at_once: bool = False) -> Backup:
        """Remove what was begun and write that down, if need be again and again: a full disk may be what it failed for.

        *at_once*: try no more than once; the start of a daemon writes down what is left then.
        """
        failed = replace(backup, state=FAILED, ended_at=self._clock.now(), problem=why)

        async def write() -> None:
            await self._journal.put_backup(failed)

        try:
            await asyncio.to_thread(self._artefacts.remove, backup.path)
        except Problem as problem:
            log.warning("what was begun of %s stays for now: %s", backup.file, problem)
        try:
            await (write() if at_once else until_written(self._clock, write))
            await self._tell(failed, "backup.failed", f"the backup of {backup.service} failed: {why}")
        except Problem as problem:  # its project is gone, say
            log.warning("%s: %s", backup.file, problem)
        log.warning("backup %s of %s failed: %s", backup.id, backup.service, why)
        return failed

    async def _tell(self, backup: Backup, kind: str, message: str) -> None:
        await self._journal.tell(
            kind,
            message,
            self._clock.now(),
            project=backup.project,
            environment=backup.environment,
            data={"service": backup.service, "backup": backup.id, "trigger": backup.trigger, **subject_of(backup)},
        )


def _mark(backup: Backup) -> str:
    return f"backup-{backup.id}"
