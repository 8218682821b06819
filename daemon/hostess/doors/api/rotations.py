"""Rotations of the passwords that Hostess makes for databases."""

from pydantic import Field

from hostess.doors.api.deployments import PLACE, DeploymentView, begun_view
from hostess.doors.api.operation import Call, Given, op


class RotationOf(Given):
    """Whose password: that of the scoped database *group*; "" for all of the service."""

    group: str = Field(default="", max_length=100)


@op(f"POST {PLACE}/services/{{service}}/rotation", "secrets", given=RotationOf, returns=DeploymentView, status=202)
async def rotate(call: Call, given: RotationOf) -> DeploymentView:
    """Begin to give a database new passwords, and its consumers with them; follow it by its log."""
    service = call.path["service"]
    begun = await call.services.rotations.begin(call.project, call.environment, service, given.group, call.caller.name)
    return await begun_view(call, begun, "rotation", service=service, group=given.group)


OPERATIONS = (rotate,)
