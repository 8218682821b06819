"""Backups of the whole host: listed, taken, handed out."""

from datetime import datetime
from typing import Literal

from aiohttp import web

from hostess.domain.backups.backup import GOOD, MANUAL, RUNNING
from hostess.domain.host_bundle import HostBackup
from hostess.domain.problem import Problem
from hostess.doors.api.operation import Call, Given, Nothing, Several, View, op
from hostess.doors.api.streams import send_artefact

HOST = "/v1/host/backups"


class NewHostBackup(Given):
    """How it is taken. *to*: the public keys that it is encrypted for, instead of those of the settings.

    *data*: whether the artefacts that services are restored from are in it; "" as the settings say.
    """

    to: Several = ()
    data: Literal["", "auto", "always", "never"] = ""


class HostBackupView(View):
    """A backup of the host. *state*: running, ok, partial, failed (*problem* says why). *trigger*: manual, scheduled.

    *size* (bytes) and *sha256* are those of the bundle. *missing* is the place ("folder", "bucket") that a partial one is not in.
    """

    id: str
    trigger: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    file: str
    size: int
    sha256: str
    problem: str
    missing: str
    progress: str


class HostBackupList(View):
    """Backups of the host, newest first. *possible*: somebody is named who may read them, so that the schedule is followed."""

    items: tuple[HostBackupView, ...]
    schedule: str
    keep: int
    possible: bool


@op(f"GET {HOST}", "admin", returns=HostBackupList)
async def list_host_backups(call: Call, _: Nothing) -> HostBackupList:
    """List the backups of the host."""
    services, settings = call.services, call.services.settings.host_backup
    return HostBackupList(
        items=tuple(_view(call, each) for each in await services.host_backups.known()),
        schedule=settings.schedule,
        keep=settings.keep,
        possible=services.host_backups.possible,
    )


@op(f"POST {HOST}", "admin", given=NewHostBackup, returns=HostBackupView, status=202)
async def create_host_backup(call: Call, given: NewHostBackup) -> HostBackupView:
    """Begin a backup of the host; it is done when its state is ok, partial or failed."""
    backup = await call.services.host_backups.begin(MANUAL, given.to, given.data)
    await call.audit("host.backup", "began a backup of the host", {"backup": backup.id})
    return _view(call, backup)


@op(f"GET {HOST}/{{bundle}}", "admin", returns=HostBackupView)
async def show_host_backup(call: Call, _: Nothing) -> HostBackupView:
    """Show one backup of the host by its id."""
    return _view(call, await _wanted(call))


@op(f"GET {HOST}/{{bundle}}/content", "admin", media=("application/octet-stream",))
async def download_host_backup(call: Call, _: Nothing) -> web.StreamResponse:
    """Return a bundle as it is."""
    backup = await _wanted(call)
    if backup.state not in GOOD:
        raise Problem("backup-not-found", f"{backup.id} is {backup.state}: there is no bundle of it")
    headers = {
        "Content-Disposition": f'attachment; filename="{backup.file}"',
        "Content-Length": str(backup.size),
        "Content-Type": "application/octet-stream",
    }
    return await send_artefact(
        call.request,
        call.services.host_backups.artefacts.pieces(backup.path),
        headers,
        lambda: call.audit("host.backup.download", f"took {backup.file}", {"backup": backup.id}),
    )


async def _wanted(call: Call) -> HostBackup:
    known = await call.services.host_backups.known()
    for each in known:
        if each.id == call.path["bundle"]:
            return each
    raise Problem(
        "backup-not-found",
        f"there is no backup of the host {call.path['bundle']}",
        remedy="`hostess host backups` shows those there are",
    )


def _view(call: Call, backup: HostBackup) -> HostBackupView:
    under_way = call.services.host_backups.under_way(backup)
    return HostBackupView(
        id=backup.id,
        trigger=backup.trigger,
        state=RUNNING if under_way else backup.state,
        started_at=backup.started_at,
        ended_at=backup.ended_at,
        file=backup.file,
        size=backup.size,
        sha256=backup.checksum,
        problem=call.services.redactor.hide(backup.problem),
        missing=backup.missing,
        progress=call.services.host_backups.progress() if under_way else "",
    )


OPERATIONS = (list_host_backups, create_host_backup, show_host_backup, download_host_backup)
