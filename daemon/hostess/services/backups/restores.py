"""Restores: a safety backup first, the backup loaded beside the live data and checked, then put in its place; or nothing has changed."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from hostess.domain.backups.backup import (
    FAILED,
    GOOD,
    OK,
    RUNNING,
    SAFETY,
    Backup,
    Manifest,
    Restore,
    manifest_from,
    new_id,
)
from hostess.domain.databases.consumers import consumers
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Artefacts, Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.push import Say
from hostess.services.backups.backups import Backups, Target
from hostess.services.backups.restore_files import FilesRestore, check_takes, of_command
from hostess.services.backups.restore_postgres import PostgresRestore, mark_of
from hostess.services.backups.restore_redis import RedisRestore
from hostess.services.backups.restore_volumes import VolumesRestore, check_fits
from hostess.services.databases.setup import DatabaseSetup
from hostess.services.deploying.persistence import until_written
from hostess.services.deploying.turns import Turns
from hostess.services.live import live_workload
from hostess.services.under_way import UnderWay

AGAIN = 2.0
INTERRUPTED = "the daemon was stopped in the middle of it"
GONE = frozenset({"nothing-live", "service-not-found", "project-not-found", "not-backed-up"})
"""The codes of a service that is no database any more."""
SWAPPED = "swapped"
"""The mark of a restore of PostgreSQL whose new databases have their names."""
LOADING, ASIDE, MOVED = "loading", "aside", "moved"
"""The marks of a restore of volumes: they hold the files of before; the service may be stopped, and is to have those; the new ones."""
COMMAND = "command"
"""The mark of a restore that a service's own command carries out."""

log = logging.getLogger(__name__)

Pause = Callable[[str, str, Iterable[str]], AbstractAsyncContextManager[None]]
"""Lets requests to services of an environment (project, name) wait meanwhile."""


class Restores:
    """Restores services, one at a time in an environment, and never beside a deployment there."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        backups: Backups,
        artefacts: Artefacts,
        postgres: PostgresRestore,
        redis: RedisRestore,
        files: FilesRestore,
        volumes: VolumesRestore,
        setup: DatabaseSetup,
        turns: Turns,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._backups = backups
        self._artefacts = artefacts
        self._postgres = postgres
        self._redis = redis
        self._files = files
        self._volumes = volumes
        self._setup = setup
        self._turns = turns
        self._clock = clock
        self._running: UnderWay[Restore] = UnderWay("a restore")
        self._progress: dict[str, str] = {}
        self._pause: Pause | None = None

    def pausing(self, pause: Pause) -> None:
        """Use *pause* to let requests wait that would meet the moment in which data is put in place."""
        self._pause = pause

    async def begin(self, target: Target, backup: Backup, *, safety: bool, pause: bool = False) -> Restore:
        """Write a restore down and start it. With *pause* requests to those who use the service wait while data is put in place.

        Problem "restore-unfit" when the backup is of another kind of service, or of one with another name.
        """
        manifest = await self._manifest(backup)
        was, now = (manifest.type, backup.service), (target.workload.type, target.workload.name)
        if was != now:
            raise Problem(
                "restore-unfit",
                f"{backup.file} is of a {was[0]} named {was[1]}, and {now[1]} is a {now[0]}",
                serving="nothing was changed",
            )
        if not target.workload.is_database:
            if of_command(manifest):
                check_takes(target.workload, backup)
            else:
                check_fits(target.workload, backup, manifest)
        restore = Restore(
            id=new_id(self._clock.now(), self._clock.token(48)),
            project=target.release.project,
            environment=target.release.environment,
            service=target.workload.name,
            source=backup.environment
            if backup.project == target.release.project
            else f"{backup.project}/{backup.environment}",
            backup=backup.id,
            started_at=self._clock.now(),
        )
        await self._journal.put_restore(restore)
        self._running.begin(restore.id, self._carried_out(restore, backup, manifest, safety=safety, pause=pause))
        return restore

    async def bring_back(self, target: Target, backup: Backup, say: Say) -> None:
        """Put the data of a backup into a service that has none yet. The caller holds the environment's turn, and nobody uses it.

        The Problem of what goes wrong is raised, and is in the record, too; it may be done again.
        """
        manifest = await self._manifest(backup)
        if of_command(manifest):
            check_takes(target.workload, backup)
        restore = Restore(
            id=new_id(self._clock.now(), self._clock.token(48)),
            project=target.release.project,
            environment=target.release.environment,
            service=target.workload.name,
            source=backup.environment,
            backup=backup.id,
            started_at=self._clock.now(),
        )
        await self._journal.put_restore(restore)
        try:
            await self._backups.sound(backup)
            await self._put_in_place(restore, backup, manifest, say, pause=False, fresh=True)
        except Problem as problem:
            await self._failed(restore, str(problem))
            raise
        await self._done(restore)

    async def abandon(self, why: str) -> None:
        """Write down that nothing which is under way by the records will end: what it worked on is gone."""
        for restore in await self._journal.restores():
            if restore.state == RUNNING:
                await self._failed(restore, why)

    def progress(self, restore: Restore) -> str:
        """Return what is being done for a restore now; "" when nothing is."""
        return self._progress.get(restore.id, "")

    async def recover(self) -> None:
        """After a restart: find out whether each restore that was under way has put new data in place, and tidy up."""
        for restore in await self._journal.restores():
            if restore.state == RUNNING:
                self._running.begin(restore.id, self._found_out(restore, INTERRUPTED))

    async def stop(self) -> None:
        """End the restores that are under way: those that have not put new data in place have changed nothing."""
        await self._running.stop()

    # ---- one restore -------------------------------------------------------------------------------------------------

    async def _carried_out(
        self, restore: Restore, backup: Backup, manifest: Manifest, *, safety: bool, pause: bool
    ) -> Restore:
        say = self._say(restore)
        say("waiting for its turn")
        begun = False
        try:
            async with self._turns.turn(restore.project, restore.environment):
                if safety:
                    restore = await self._safe(restore, say)
                say("reading the backup")
                await self._backups.sound(backup)
                begun = True
                await self._put_in_place(restore, backup, manifest, say, pause=pause)
        except Problem as problem:
            why = str(problem)
        except Exception:
            log.exception("restore %s of %s ended in a bug", restore.id, restore.service)
            why = "something in Hostess itself went wrong (the daemon's log has the details)"
        else:
            return await self._done(restore)
        finally:
            self._progress.pop(restore.id, None)
        if begun:
            return await self._found_out(restore, why)
        return await self._failed(restore, f"{why}; the data is as it was")

    async def _safe(self, restore: Restore, say: Say) -> Restore:
        """Take a backup of what is live now."""
        say("taking a safety backup")
        await self._backups.over(restore.project, restore.environment, restore.service)
        begun = await self._backups.begin(restore.project, restore.environment, restore.service, SAFETY)
        taken = await self._backups.ended(begun)
        if taken.state not in GOOD:
            raise Problem("restore-unsafe", f"the safety backup failed: {taken.problem}")
        restore = replace(restore, safety=taken.id)
        await self._journal.put_restore(restore)
        return restore

    async def _put_in_place(
        self, restore: Restore, backup: Backup, manifest: Manifest, say: Say, *, pause: bool, fresh: bool = False
    ) -> None:
        target = await self._target(restore)
        say("loading it beside the live data, and checking it")
        if target.workload.type is ServiceType.POSTGRES:
            await self._postgres.tidy(target, restore)  # what one before could not remove is in the way of the names
            databases = await self._postgres.load(target, restore, backup, manifest, fresh=fresh)
            say("putting it in place")
            async with self._waiting(target, pause=pause):
                await self._postgres.swap(target, restore, databases)
            await self._tidied(target, restore)
        elif target.workload.type is not ServiceType.REDIS and not of_command(manifest):
            await self._put_in_volumes(target, restore, backup, manifest, say, pause=pause)
            return
        elif target.workload.type is not ServiceType.REDIS:
            say("putting its files back, and running its restore_command")
            await self._journal.put_restore(replace(restore, mark=COMMAND))
            async with self._waiting(target, pause=pause):
                await self._files.put_back(target, mark_of(restore), backup)
            return
        else:
            place = await self._place(restore)
            async with self._redis.beside(place, target, restore, backup, manifest) as beside:
                marked = replace(restore, mark=await self._redis.identity(beside.id))
                await self._journal.put_restore(marked)
                say("putting it in place")
                async with self._waiting(target, pause=pause):
                    await self._redis.copy(target, beside)
        await self._setup.make(target.release, target.workload, say)

    async def _put_in_volumes(
        self, target: Target, restore: Restore, backup: Backup, manifest: Manifest, say: Say, *, pause: bool
    ) -> None:
        release, workload, mark = target.release, target.workload, mark_of(restore)
        await self._volumes.check(release, workload, mark)
        await self._journal.put_restore(replace(restore, mark=LOADING))
        await self._volumes.load(release, workload, mark, backup, manifest)
        say("putting it in place")
        await self._journal.put_restore(replace(restore, mark=ASIDE))
        async with self._waiting(target, pause=pause):
            await self._volumes.swap(
                release, workload, mark, lambda: self._journal.put_restore(replace(restore, mark=MOVED))
            )

    def _waiting(self, target: Target, *, pause: bool) -> AbstractAsyncContextManager[None]:
        """Let requests to those who use the service wait, if that was asked for."""
        if not pause or self._pause is None:
            return nullcontext()
        return self._pause(target.release.project, target.release.environment, users_of(target))

    async def _tidied(self, target: Target, restore: Restore) -> bool:
        """Remove the databases that a restore of PostgreSQL has left, and return whether its own are in place.

        That is written down first: afterwards nothing in the server tells it any more.
        """
        swapped = restore.mark == SWAPPED or await self._postgres.is_swapped(target, restore)
        if swapped:
            await self._journal.put_restore(replace(restore, mark=SWAPPED))
        await self._postgres.tidy(target, restore)
        return swapped

    async def _found_out(self, begun: Restore, why: str) -> Restore:
        """End a restore that broke off after loading had begun: the database itself tells whether it has the new data."""
        while True:
            known = await self._journal.restores(begun.project)
            restore = next((each for each in known if each.id == begun.id), begun)
            try:
                async with self._turns.turn(restore.project, restore.environment):
                    if restore.mark in {LOADING, ASIDE, MOVED, COMMAND}:
                        return await self._found_out_of_files(restore, why)
                    target = await self._target(restore)
                    if not target.workload.is_database:
                        return await self._failed(restore, f"{why}; the data is as it was")
                    if target.workload.type is ServiceType.POSTGRES:
                        swapped = await self._tidied(target, restore)
                    else:
                        swapped = await self._redis.tidy(target, restore)
                    if swapped:
                        await self._setup.make(target.release, target.workload, log.info)
                break
            except Problem as problem:
                log.info("restore %s of %s: %s; looking again", restore.id, restore.service, problem)
                if problem.code in GONE:
                    return await self._failed(restore, f"{why}, and the service is gone")
            await self._clock.sleep(AGAIN)
        if swapped:
            return await self._done(restore)
        return await self._failed(restore, f"{why}; the data is as it was")

    async def _found_out_of_files(self, restore: Restore, why: str) -> Restore:
        """End a restore of a service that is no database: how far it came was written down."""
        if restore.mark == COMMAND:
            await self._files.end(await self._target(restore), mark_of(restore))
            return await self._failed(restore, f"{why}; {_half(restore)}")
        live, workload = await live_workload(self._journal, restore.project, restore.environment, restore.service)
        stopped, decided = restore.mark != LOADING, restore.mark == MOVED
        await self._volumes.finish(live, workload, mark_of(restore), stopped=stopped, decided=decided)
        if not decided:
            return await self._failed(restore, f"{why}; the data is as it was")
        if why == INTERRUPTED:
            return await self._done(restore)
        return await self._failed(restore, f"{why}; it has the files of the backup{_back(restore)}")

    async def _target(self, restore: Restore) -> Target:
        return await self._backups.target(restore.project, restore.environment, restore.service)

    async def _place(self, restore: Restore) -> Place:
        places = await self._journal.places(restore.project)
        return next(place for place in places if place.environment == restore.environment)

    async def _manifest(self, backup: Backup) -> Manifest:
        return await read_manifest(self._artefacts, backup)

    async def _done(self, restore: Restore) -> Restore:
        done = replace(restore, state=OK, ended_at=self._clock.now())
        await until_written(self._clock, lambda: self._journal.put_restore(done))
        message = f"{restore.service} has the data of backup {restore.backup}"
        await self._tell(
            done, "restore.completed", message + (f"; before it: {restore.safety}" if restore.safety else "")
        )
        return done

    async def _failed(self, restore: Restore, why: str) -> Restore:
        failed = replace(restore, state=FAILED, ended_at=self._clock.now(), problem=why)
        await until_written(self._clock, lambda: self._journal.put_restore(failed))
        await self._tell(failed, "restore.failed", f"{restore.service} was not restored: {why}")
        log.warning("restore %s of %s failed: %s", restore.id, restore.service, why)
        return failed

    async def _tell(self, restore: Restore, kind: str, message: str) -> None:
        await self._journal.tell(
            kind,
            message,
            self._clock.now(),
            project=restore.project,
            environment=restore.environment,
            data={
                "service": restore.service,
                "restore": restore.id,
                "backup": restore.backup,
                "safety": restore.safety,
            },
        )

    def _say(self, restore: Restore) -> Say:
        def say(line: str) -> None:
            self._progress[restore.id] = line.strip()

        return say


def _half(restore: Restore) -> str:
    """Return what is to be said of a service whose own command was to take a backup back, and did not end well."""
    return f"what {restore.service} has now may be a part of both: restore it again{_back(restore)}"


def _back(restore: Restore) -> str:
    if not restore.safety:
        return ""
    return f", or go back: `hostess backups restore {restore.service} --backup {restore.safety}`"


def users_of(target: Target) -> tuple[str, ...]:
    """Return the services that use a service, itself included where it is no database: their connections end at a swap."""
    try:
        found = consumers(parse(target.release.file, "hostess.yml"), target.workload.name)
    except (
        Problem
    ) as problem:  # of an earlier version that took more: nobody is named, and nothing is in the way of a restore
        log.warning("who uses %s is not known: %s", target.workload.name, problem)
        found = ()
    return found if target.workload.is_database else (target.workload.name, *found)


async def read_manifest(artefacts: Artefacts, backup: Backup) -> Manifest:
    """Return the manifest of a backup. Problem "backup-damaged" when it is none."""
    return manifest_from(await asyncio.to_thread(artefacts.manifest, backup.path), backup.file)
