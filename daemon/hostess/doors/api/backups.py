"""Backups of services: listed, taken, read back, handed out, deleted."""

import asyncio
from datetime import datetime

from aiohttp import web

from hostess.domain.backups.backup import RUNNING, Backup, proven
from hostess.domain.backups.wal import windows
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.doors.api.streams import send_artefact

BACKUP = f"{PLACE}/services/{{service}}/backups"


class ProofView(View):
    """How restoring it into a throw-away container went; no *problem*: all of it was there and readable."""

    at: datetime
    seconds: float
    problem: str


class BackupView(View):
    """A backup. *state*: running, ok, partial, failed (*problem* says why).

    *trigger*: manual, scheduled, pre-restore, recovered, host. *progress* is what is being done now, "" when nothing is. *size*
    (bytes) and *sha256* are those of the object. *reached* is the last transaction that it has, of one that was recovered to a
    moment. *missing* is the place ("folder", "bucket") that a partial one is not in yet.
    """

    id: str
    service: str
    environment: str
    trigger: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    file: str
    size: int
    sha256: str
    problem: str
    progress: str
    proof: ProofView | None
    reached: datetime | None
    missing: str


class WindowView(View):
    """Moments that a service can be recovered to, both ends included."""

    start: datetime
    end: datetime


class BackupList(View):
    """Backups, newest first. *last_proven*: service -> when a backup of it was last proven by restoring it.

    *recoverable*: service -> the moments it can be recovered to, oldest first; between two windows something is missing.
    """

    items: tuple[BackupView, ...]
    last_proven: dict[str, datetime]
    recoverable: dict[str, tuple[WindowView, ...]]


class AdoptedView(View):
    """The backups that were taken over, and why others were not: file -> reason."""

    items: tuple[BackupView, ...]
    refused: dict[str, str]


class Verified(View):
    """What was read back."""

    file: str
    sha256: str


class OfService(Given):
    """Of which service; "" for all."""

    service: str = ""


@op(f"GET {PLACE}/backups", "read", given=OfService, returns=BackupList, makes_place=True)
async def list_backups(call: Call, given: OfService) -> BackupList:
    """List the backups of an environment, also of services and environments that are gone."""
    found = await call.services.journal.backups(call.project, call.environment, given.service or None)
    return BackupList(
        items=tuple(view(call, each) for each in found),
        last_proven=dict(proven(found)),
        recoverable=await _recoverable(call, given.service),
    )


@op(f"POST {BACKUP}", "deploy", returns=BackupView, status=202)
async def create_backup(call: Call, _: Nothing) -> BackupView:
    """Begin a backup of a service; it is done when its state is ok, partial or failed."""
    backup = await call.services.backups.backups.begin(call.project, call.environment, call.path["service"], "manual")
    await call.audit("backup.create", f"began a backup of {backup.service}", {"backup": backup.id})
    return view(call, backup)


@op(f"POST {PLACE}/services/{{service}}/adopted-backups", "admin", returns=AdoptedView, makes_place=True)
async def adopt_backups(call: Call, _: Nothing) -> AdoptedView:
    """Take over the backups of a service that lie at their place and are not known here: each is read and compared first."""
    service = call.path["service"]
    found = await call.services.backups.adoption.adopt(call.project, call.environment, service)
    ids = [each.id for each in found.backups]
    await call.audit("backup.adopt", f"took over {len(ids)} backups of {service}", {"backups": ids})
    hide = call.services.redactor.hide
    return AdoptedView(
        items=tuple(view(call, each) for each in found.backups),
        refused={file: hide(why) for file, why in found.refused.items()},
    )


@op(f"GET {BACKUP}/{{backup}}", "read", returns=BackupView, makes_place=True)
async def show_backup(call: Call, _: Nothing) -> BackupView:
    """Show one backup by its id, also one that is under way or failed."""
    found = await call.services.journal.backups(call.project, call.environment, call.path["service"])
    known = next((each for each in found if each.id == call.path["backup"]), None)
    return view(call, known or await _wanted(call))


@op(f"POST {BACKUP}/{{backup}}/verify", "deploy", returns=Verified, makes_place=True)
async def verify_backup(call: Call, _: Nothing) -> Verified:
    """Read an artefact back and compare it with the checksum it was written with."""
    backup = await _wanted(call)
    return Verified(file=backup.file, sha256=await call.services.backups.backups.verify(backup))


@op(f"GET {BACKUP}/{{backup}}/content", "secrets", makes_place=True, media=("application/zstd",))
async def download_backup(call: Call, _: Nothing) -> web.StreamResponse:
    """Return an artefact as it is."""
    backup = await _wanted(call)
    headers = {
        "Content-Disposition": f'attachment; filename="{backup.file}"',
        "Content-Length": str(backup.size),
        "Content-Type": "application/zstd",
    }
    return await send_artefact(
        call.request,
        call.services.backups.artefacts.pieces(backup.path),
        headers,
        lambda: call.audit("backup.download", f"took {backup.file}", {"backup": backup.id}),
    )


@op(f"GET {BACKUP}/{{backup}}/manifest", "read", makes_place=True)
async def backup_manifest(call: Call, _: Nothing) -> web.Response:
    """Return what lies beside an artefact: versions, databases, rows of each table, checksum."""
    backup = await _wanted(call)
    text = await asyncio.to_thread(call.services.backups.artefacts.manifest, backup.path)
    return web.Response(text=text, content_type="application/json")


@op(f"DELETE {BACKUP}/{{backup}}", "admin", status=204, makes_place=True)
async def delete_backup(call: Call, _: Nothing) -> None:
    """Delete a backup for good."""
    backup = await _wanted(call)
    await call.services.backups.backups.delete(backup)
    await call.audit("backup.delete", f"deleted {backup.file}", {"backup": backup.id, "service": backup.service})


async def _recoverable(call: Call, service: str) -> dict[str, tuple[WindowView, ...]]:
    journal, found = call.services.journal, {}
    for archive in await journal.archives(call.project):
        if archive.environment == call.environment and service in {"", archive.service}:
            kept = await journal.kept(archive.project, archive.environment, archive.service)
            found[archive.service] = tuple(WindowView(start=each.start, end=each.end) for each in windows(kept))
    return found


async def _wanted(call: Call) -> Backup:
    wanted = "" if call.path["backup"] == "newest" else call.path["backup"]
    return await call.services.backups.backups.find(call.project, call.environment, call.path["service"], wanted)


def view(call: Call, backup: Backup) -> BackupView:
    """Return how a backup is shown: who is told that it has ended finds it told, and the next one can begin."""
    proof = backup.proof
    return BackupView(
        id=backup.id,
        service=backup.service,
        environment=backup.environment,
        trigger=backup.trigger,
        state=RUNNING if call.services.backups.backups.under_way(backup) else backup.state,
        started_at=backup.started_at,
        ended_at=backup.ended_at,
        file=backup.file,
        size=backup.size,
        sha256=backup.checksum,
        problem=call.services.redactor.hide(backup.problem),
        progress=call.services.backups.backups.progress(backup),
        proof=None if proof is None else ProofView(at=proof.at, seconds=proof.seconds, problem=proof.problem),
        reached=backup.reached,
        missing=backup.missing,
    )


OPERATIONS = (
    list_backups,
    create_backup,
    adopt_backups,
    show_backup,
    verify_backup,
    download_backup,
    backup_manifest,
    delete_backup,
)
