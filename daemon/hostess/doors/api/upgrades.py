"""Upgrades of databases to a later major."""

from pydantic import Field

from hostess.doors.api.deployments import PLACE, DeploymentView, begun_view
from hostess.doors.api.operation import Call, Given, Nothing, View, op

UPGRADE = f"{PLACE}/services/{{service}}/upgrade"


class UpgradeTo(Given):
    """The version, as special.version has it."""

    version: str = Field(pattern=r"^(16|17|18)(\.\d{1,3})?$")


class DroppedView(View):
    """The volumes that were removed."""

    volumes: tuple[str, ...]


@op(f"POST {UPGRADE}", "admin", given=UpgradeTo, returns=DeploymentView, status=202)
async def upgrade(call: Call, given: UpgradeTo) -> DeploymentView:
    """Begin to bring a postgres to a later major; follow it by its log."""
    service = call.path["service"]
    begun = await call.services.upgrades.begin(call.project, call.environment, service, given.version, call.caller.name)
    return await begun_view(call, begun, "upgrade", service=service, version=given.version)


@op(f"DELETE {UPGRADE}", "admin", returns=DroppedView)
async def drop_old_data(call: Call, _: Nothing) -> DroppedView:
    """Delete the volumes that upgrades of a database have left."""
    service = call.path["service"]
    gone = await call.services.upgrades.drop_old(call.project, call.environment, service)
    await call.audit("service.old-data", f"deleted the data of {service} before its upgrades", {"volumes": gone})
    return DroppedView(volumes=tuple(gone))


OPERATIONS = (upgrade, drop_old_data)
