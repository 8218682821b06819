"""Restores of services: begun and looked at."""

from datetime import datetime

from hostess.domain.backups.backup import Restore
from hostess.domain.problem import Problem
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.services.backups.restores import users_of

RESTORES = f"{PLACE}/services/{{service}}/restores"


class NewRestore(Given):
    """What is restored: a backup by id, beginning of it or file name ("": the newest good one that was not made for a restore).

    *source*: the environment that it is of, "" for the same one; *project*: the project, "" for the same one, else one that the caller
    administers, too. *safety*: take a backup of what is live now first. *pause*: requests to those who use the service wait while the
    data is put in place.
    """

    backup: str = ""
    source: str = ""
    project: str = ""
    safety: bool = True
    pause: bool = False


class RestoreView(View):
    """A restore. *state*: running, ok, failed (*problem* says why; the data is as it was). *safety*: the backup taken before it.

    *consumers* (told when it begins): the services that use it; their connections end when the data is put in place.
    """

    id: str
    service: str
    environment: str
    source: str
    backup: str
    safety: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    problem: str
    progress: str
    consumers: tuple[str, ...]


@op(f"POST {RESTORES}", "admin", given=NewRestore, returns=RestoreView, status=202)
async def restore_service(call: Call, given: NewRestore) -> RestoreView:
    """Begin to restore a service from a backup; it is done when its state is ok or failed."""
    services, service = call.services, call.path["service"]
    if given.project:
        await call.require_project(given.project, "admin")
    target = await services.backups.backups.target(call.project, call.environment, service)
    place = given.project or call.project, given.source or call.environment
    backup = await services.backups.backups.find(*place, service, given.backup)
    begun = await services.backups.restores.begin(target, backup, safety=given.safety, pause=given.pause)
    data = {"restore": begun.id, "backup": backup.id, "safety": given.safety}
    await call.audit("backup.restore", f"began to restore {service} from {backup.file}", data)
    return _view(call, begun, users_of(target))


@op(f"GET {RESTORES}/{{restore}}", "read", returns=RestoreView, makes_place=True)
async def show_restore(call: Call, _: Nothing) -> RestoreView:
    """Show one restore."""
    found = await call.services.journal.restores(call.project)
    wanted = (call.environment, call.path["service"], call.path["restore"])
    for each in found:
        if (each.environment, each.service, each.id) == wanted:
            return _view(call, each)
    raise Problem("restore-not-found", f"{call.path['service']} has no restore {call.path['restore']}")


def _view(call: Call, restore: Restore, consumers: tuple[str, ...] = ()) -> RestoreView:
    return RestoreView(
        id=restore.id,
        service=restore.service,
        environment=restore.environment,
        source=restore.source,
        backup=restore.backup,
        safety=restore.safety,
        state=restore.state,
        started_at=restore.started_at,
        ended_at=restore.ended_at,
        problem=call.services.redactor.hide(restore.problem),
        progress=call.services.backups.restores.progress(restore),
        consumers=consumers,
    )


OPERATIONS = (restore_service, show_restore)
