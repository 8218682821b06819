"""Backups of the whole host: one encrypted bundle that an empty host is brought back from, taken while everything goes on."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from hostess import __version__
from hostess.domain.backups.backup import BUCKET, FAILED, FOLDER, GOOD, HOST, OK, PARTIAL, RUNNING, Backup, new_id
from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.host_bundle import (
    ALWAYS,
    ARTEFACTS,
    MANIFEST,
    NEVER,
    SUBJECT,
    BundleManifest,
    Content,
    HostBackup,
    Pointer,
    superfluous,
)
from hostess.domain.ports import Artefacts, Clock, Journal
from hostess.domain.ports.host_files import HostFiles
from hostess.domain.problem import Problem
from hostess.domain.settings import HostBackupSettings
from hostess.services.backups.backups import Backups
from hostess.services.under_way import UnderWay

NOTE = "backups of the host"
REMEMBERED = 50
INTERRUPTED = "the daemon was stopped in the middle of it"

log = logging.getLogger(__name__)

Sealed = Callable[[Sequence[str]], Artefacts]
"""Gives the places for backups, written to for these recipients. Problem "backup-unsealed" for one that is no public key."""


@dataclass
class _Found:
    """What a bundle is being made of."""

    pointed: dict[str, Backup] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    commits: dict[str, set[str]] = field(default_factory=dict)
    sites: set[str] = field(default_factory=set)


class HostBackups:
    """Takes them one at a time. What is known of them is in the journal; the newest *keep* good ones stay."""

    def __init__(
        self,
        journal: Journal,
        backups: Backups,
        files: HostFiles,
        sealed: Sealed,
        clock: Clock,
        *,
        settings: HostBackupSettings,
        recipients: Sequence[str],
    ) -> None:
        self._journal = journal
        self._backups = backups
        self._files = files
        self._sealed = sealed
        self._clock = clock
        self._settings = settings
        self._recipients = tuple(recipients)
        self._running: UnderWay[HostBackup] = UnderWay("a backup of the host")
        self._now: HostBackup | None = None
        self._progress = ""

    @property
    def possible(self) -> bool:
        """Whether somebody is named who may read them."""
        return bool(self._recipients)

    @property
    def artefacts(self) -> Artefacts:
        """Where bundles are."""
        return self._sealed(())

    async def begin(self, trigger: str, recipients: Sequence[str] = (), data: str = "") -> HostBackup:
        """Begin one. *recipients* (age public keys) stand in for those of the settings, *data* for `host_backup.data`.

        Problem "host-backup-runs-already", "host-backup-unsealed" when it would be encrypted for nobody, "backup-unsealed" for no key.
        """
        if self._now is None and (last := self._running.get("host")) is not None:
            await asyncio.wait([last])  # all but its very end is over
        if self._now is not None:
            raise Problem(
                "host-backup-runs-already",
                f"a backup of the host is under way since {self._now.started_at:%H:%M:%S} UTC",
                serving="that one",
                remedy="wait for it: `hostess host backups`",
            )
        readers = tuple(recipients) or self._recipients
        if not readers:
            raise Problem(
                "host-backup-unsealed",
                "a backup of the host holds every secret, and nobody is named whom it may be encrypted for",
                serving="everything; nothing was written",
                remedy="`hostess host key FILE` makes a key and says what to set; or give --to with a public key of age",
            )
        target = self._sealed(readers)
        backup = HostBackup(new_id(self._clock.now(), self._clock.token(48)), trigger, self._clock.now())
        self._now, self._progress = backup, "backing up what services keep"
        self._running.begin("host", self._carried_out(backup, target, data or self._settings.data))
        return backup

    def under_way(self, backup: HostBackup) -> bool:
        """Whether something is done for it: also the end of older ones. Before that is over no other one can begin."""
        return self._now is not None and self._now.id == backup.id

    def progress(self) -> str:
        """Return what is being done now; "" when nothing is."""
        return self._progress

    async def known(self) -> list[HostBackup]:
        """Return what is known of backups of the host, newest first, also of the one that is under way."""
        found = await remembered(self._journal)
        others = [each for each in found if self._now is None or each.id != self._now.id]
        return [*([self._now] if self._now else []), *others]

    async def ended(self, backup: HostBackup) -> HostBackup:
        """Wait until it has ended, and return it."""
        task = self._running.get("host")
        if task is not None and self._now is not None and self._now.id == backup.id:
            return await asyncio.shield(task)
        return next((each for each in await self.known() if each.id == backup.id), backup)

    async def recover(self) -> None:
        """After a restart: remove what was begun, and say so."""
        for each in await self.known():
            if each.state == RUNNING:
                await self._failed(each, self.artefacts, INTERRUPTED)

    async def stop(self) -> None:
        """End the one that is under way; it has failed."""
        await self._running.stop()
        self._now = None  # also of one that had not come to its first step

    # ---- one backup --------------------------------------------------------------------------------------------------

    async def _carried_out(self, backup: HostBackup, target: Artefacts, data: str) -> HostBackup:
        try:
            return await self._made(backup, target, data)
        finally:
            self._now, self._progress = None, ""

    async def _made(self, backup: HostBackup, target: Artefacts, data: str) -> HostBackup:
        try:
            done = await self._taken(backup, target, data)
            await self._remember(done)
            self._now = done
            await self._pruned(target)
        except Problem as problem:
            return await self._failed(backup, target, str(problem))
        except asyncio.CancelledError:
            await asyncio.shield(self._failed(backup, target, INTERRUPTED))
            raise
        except Exception:
            log.exception("a backup of the host ended in a bug")
            why = "something in Hostess itself went wrong; the daemon's log has the details"
            return await self._failed(backup, target, why)
        kind = "completed" if done.state == OK else "partial"
        said = "was written and read back" if done.state == OK else done.problem
        await self._tell(done, f"host-backup.{kind}", f"{done.file} {said} ({done.trigger})")
        return done

    async def _taken(self, backup: HostBackup, target: Artefacts, data: str) -> HostBackup:
        found = _Found()
        await self._kept_data(found)
        await self._look(found)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, self._files.frozen())
            await self._remember(backup)  # in the frozen journal there is none that is under way
            await self._look(found)  # whatever became live meanwhile is in the repositories that follow
            self._progress = "writing the bundle"
            projects = tuple(each.name for each in await self._journal.projects())
            manifest = BundleManifest(
                bundle=backup.id,
                hostess=__version__,
                instance=await self._journal.instance(),
                taken_at=self._clock.now(),
                projects=projects,
                pointers=tuple(_pointer(each, _included(each, target, data)) for each in found.pointed.values()),
                contents=(),
            )
            done = await asyncio.to_thread(self._written, backup, target, manifest, found)
        problem = "; ".join(filter(None, [done.problem, *found.notes]))
        return replace(
            done,
            state=PARTIAL if problem else OK,
            ended_at=self._clock.now(),
            problem=problem,
            artefacts=tuple(each.id for each in found.pointed.values()),
        )

    async def _kept_data(self, found: _Found) -> None:
        """Take a backup of everything that keeps data; what cannot be had now is as it was in the newest good one, which is told."""
        wanted = []
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            workloads = live.workloads.values() if live else ()
            keeping = [each for each in workloads if each.is_database or each.volumes or each.backups]
            wanted += [(place.project, place.environment, each.name) for each in keeping]
        for names, taken in zip(wanted, await asyncio.gather(*(self._one(*names) for names in wanted)), strict=True):
            if isinstance(taken, Backup):
                found.pointed["/".join(names)] = taken
                continue
            earlier = [each for each in await self._journal.backups(*names) if each.state in GOOD]
            if earlier:
                found.pointed["/".join(names)] = earlier[0]
            has = f"is as of {earlier[0].started_at:%Y-%m-%d %H:%M} UTC" if earlier else "is not in it"
            found.notes.append(f"{'/'.join(names)} {has}: {taken}")

    async def _one(self, project: str, environment: str, service: str) -> Backup | str:
        try:
            await self._backups.over(project, environment, service)
            done = await self._backups.ended(await self._backups.begin(project, environment, service, HOST))
        except Problem as problem:
            return str(problem)
        return done if done.state in GOOD else done.problem

    async def _look(self, found: _Found) -> None:
        """Remember what is live: its commits must be in the repositories, and the files of its sites in the bundle."""
        for project in await self._journal.projects():
            found.commits.setdefault(project.name, set())
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            if live is not None:
                found.commits.setdefault(place.project, set()).add(live.commit)
                sites = [each.static for each in live.workloads.values() if each.static is not None]
                found.sites |= {key for site in sites for key in (site.key, site.earlier) if key}

    def _written(self, backup: HostBackup, target: Artefacts, manifest: BundleManifest, found: _Found) -> HostBackup:
        """Write the bundle to one place, read it back, and copy it to the other one, if there is one."""
        missing, problem = BUCKET, ""
        try:
            written = target.write(backup.path, self._parts(manifest, found), BUCKET)
        except Problem as trouble:
            if trouble.code != "backup-target-failed" or not target.twofold:
                raise
            missing, problem = FOLDER, f"is in the bucket alone: {trouble}"
            written = target.write(backup.path, self._parts(manifest, found), FOLDER)
        if target.checksum(backup.path, missing) != written.checksum:
            raise Problem("backup-damaged", "what was read back of the bundle is not what was written")
        beside = {
            **to_json(replace(manifest, contents=())),
            "file": backup.file,
            "size": written.size,
            "sha256": written.checksum,
            "encryption": target.encryption,
        }
        target.put_manifest(backup.path, json.dumps(beside, indent=1) + "\n", missing)
        if target.twofold and missing == BUCKET:
            try:
                target.copy(backup.path, BUCKET)
            except Problem as trouble:
                problem = f"is in the folder alone: {trouble}"
        return replace(
            backup,
            size=written.size,
            checksum=written.checksum,
            problem=problem,
            missing=missing if problem else "",
        )

    def _parts(self, manifest: BundleManifest, found: _Found) -> Iterator[tuple[str, Iterator[bytes]]]:
        contents: list[Content] = []
        for name, pieces in self._files.parts(found.commits, found.sites):
            yield name, _counted(name, pieces, contents)
        artefacts = self.artefacts
        for pointer in manifest.pointers:
            if pointer.included:
                name = f"{ARTEFACTS}{pointer.path}"
                yield name, _counted(name, artefacts.pieces(pointer.path), contents, pointer.sha256)
                text = artefacts.manifest(pointer.path).encode()
                yield f"{name}.json", _counted(f"{name}.json", iter([text]), contents)
        whole = replace(manifest, contents=tuple(contents))
        yield MANIFEST, iter([json.dumps(to_json(whole), indent=1).encode()])

    async def _pruned(self, target: Artefacts) -> None:
        """Remove the oldest bundles beyond those that are kept, and then the backups that only they led to."""
        known = await self.known()
        gone = superfluous(known, self._settings.keep, self._clock.now())
        for old in gone:
            await asyncio.to_thread(target.remove, old.path)
        kept = [each for each in known if each not in gone]
        if gone:
            await self._keep(kept)
        used = {artefact for each in kept for artefact in each.artefacts}
        for each in await self._journal.backups():
            if each.trigger == HOST and each.state in GOOD and each.id not in used:
                with suppress(Problem):  # it is being restored: the next one lets it go
                    await self._backups.delete(each)

    async def _failed(self, backup: HostBackup, target: Artefacts, why: str) -> HostBackup:
        failed = replace(backup, state=FAILED, ended_at=self._clock.now(), problem=why)
        try:
            await asyncio.to_thread(target.remove, backup.path)
        except Problem as problem:
            log.warning("what was begun of %s stays for now: %s", backup.file, problem)
        await self._remember(failed)
        await self._tell(failed, "host-backup.failed", f"the backup of the host failed: {why}")
        log.warning("the backup of the host failed: %s", why)
        return failed

    async def _remember(self, backup: HostBackup) -> None:
        others = [each for each in await self.known() if each.id != backup.id]
        await self._keep([backup, *others])

    async def _keep(self, backups: Sequence[HostBackup]) -> None:
        good = [each for each in backups if each.state in {*GOOD, RUNNING}]
        rest = [each for each in backups if each not in good][:REMEMBERED]
        listed = sorted([*good, *rest], key=lambda each: each.started_at, reverse=True)
        await self._journal.set_note(NOTE, json.dumps(to_json(listed)))

    async def _tell(self, backup: HostBackup, kind: str, message: str) -> None:
        data = {"subject": SUBJECT, "backup": backup.id, "trigger": backup.trigger, "file": backup.file}
        await self._journal.tell(kind, message, self._clock.now(), data=data)


async def remembered(journal: Journal) -> list[HostBackup]:
    """Return what the journal has of backups of the host, newest first."""
    raw = await journal.note(NOTE)
    try:
        return [from_json(HostBackup, each) for each in json.loads(raw)] if raw else []
    except (ValueError, CodecError):
        log.warning("what is known of backups of the host cannot be read: it is begun anew")
        return []


def _included(backup: Backup, target: Artefacts, data: str) -> bool:
    """Whether an artefact is to be in the bundle: a place that the host takes along when it is lost is none."""
    if data in {ALWAYS, NEVER}:
        return data == ALWAYS
    return not target.twofold or backup.missing == BUCKET


def _pointer(backup: Backup, included: bool) -> Pointer:  # noqa: FBT001 -- a fact about it
    return Pointer(
        project=backup.project,
        environment=backup.environment,
        service=backup.service,
        backup=backup.id,
        path=backup.path,
        sha256=backup.checksum,
        started_at=backup.started_at,
        included=included,
    )


def _counted(name: str, pieces: Iterator[bytes], contents: list[Content], wanted: str = "") -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        yield piece
    if wanted and digest.hexdigest() != wanted:
        raise Problem("backup-damaged", f"{name} is damaged: it is not what was written")
    contents.append(Content(name, size, digest.hexdigest()))
