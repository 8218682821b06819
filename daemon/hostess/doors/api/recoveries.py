"""Recoveries of services to a moment: begun; what comes of one is a backup."""

from pydantic import AwareDatetime

from hostess.doors.api.backups import BackupView, view
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, op


class NewRecovery(Given):
    """To which moment."""

    to: AwareDatetime


@op(f"POST {PLACE}/services/{{service}}/recoveries", "admin", given=NewRecovery, returns=BackupView, status=202)
async def recover_service(call: Call, given: NewRecovery) -> BackupView:
    """Begin to recover what a service had at a moment, as a backup that can be restored; it is done when its state is ok or failed."""
    service = call.path["service"]
    backup = await call.services.backups.recoveries.begin(call.project, call.environment, service, given.to)
    data = {"backup": backup.id, "to": given.to.isoformat()}
    await call.audit("backup.recover", f"began to recover {service} to {given.to.isoformat()}", data)
    return view(call, backup)


OPERATIONS = (recover_service,)
