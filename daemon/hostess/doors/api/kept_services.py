"""What is left of services that are not live any more: looked at, and removed for good."""

from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.services.keeping.kept_services import Kept


class KeptView(View):
    """What is left of a service. *credentials*: whether passwords that Hostess made for it are kept."""

    service: str
    volumes: tuple[str, ...]
    containers: tuple[str, ...]
    credentials: bool


class KeptList(View):
    """Services, by name."""

    items: tuple[KeptView, ...]


class Destroyed(View):
    """What went and what stays."""

    service: str
    containers_removed: tuple[str, ...]
    volumes_removed: tuple[str, ...]
    volumes_kept: tuple[str, ...]
    credentials_removed: bool
    credentials_kept: bool


class WithData(Given):
    """*data*: volumes and credentials go, too."""

    data: bool = False


@op(f"GET {PLACE}/kept", "read", returns=KeptList, makes_place=True)
async def list_kept_services(call: Call, _: Nothing) -> KeptList:
    """List what is left of services that the live release does not have."""
    found = await call.services.kept.known(call.project, call.environment)
    return KeptList(items=tuple(map(_view, found)))


@op(f"DELETE {PLACE}/services/{{service}}", "admin", given=WithData, returns=Destroyed, makes_place=True)
async def destroy_service(call: Call, given: WithData) -> Destroyed:
    """Remove what is left of a service; its data only when asked. A service of the live release is refused."""
    name = call.path["service"]
    left = await call.services.kept.destroy(call.project, call.environment, name, data=given.data)
    gone = left.volumes if given.data else ()
    stays = () if given.data else left.volumes
    what = "with its data" if given.data else "without its data"
    data = {"service": name, "data": given.data, "removed": list(gone), "kept": list(stays)}
    await call.audit("service.destroyed", f"destroyed {name} {what}", data)
    return Destroyed(
        service=name,
        containers_removed=left.containers,
        volumes_removed=gone,
        volumes_kept=stays,
        credentials_removed=given.data and bool(left.credentials),
        credentials_kept=not given.data and bool(left.credentials),
    )


def _view(kept: Kept) -> KeptView:
    return KeptView(
        service=kept.service, volumes=kept.volumes, containers=kept.containers, credentials=bool(kept.credentials)
    )


OPERATIONS = (list_kept_services, destroy_service)
