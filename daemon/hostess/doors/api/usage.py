"""What the host and services used, ten minutes to an item."""

from datetime import datetime, timedelta

from pydantic import Field

from hostess.domain.usage_history import UsageSpan
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, View, op


class UsageView(View):
    """Ten minutes: *cpu* in cores and *memory* in bytes, of all replicas together, on average and at the peak of one reading."""

    began: datetime
    readings: int
    cpu: float
    cpu_peak: float
    memory: int
    memory_peak: int


class UsageList(View):
    """The oldest first; of the last one not all is known yet."""

    items: tuple[UsageView, ...]


class UsageWanted(Given):
    """Of so many *hours* until now."""

    hours: int = Field(default=24, ge=1, le=24 * 30)


@op("GET /v1/host/usage", "read", given=UsageWanted, returns=UsageList)
async def host_usage(call: Call, given: UsageWanted) -> UsageList:
    """Tell what the whole host used; who sees all projects may know."""
    call.require("read", None)
    return await _found(call, ("", "", ""), given.hours)


@op(f"GET {PLACE}/services/{{service}}/usage", "read", given=UsageWanted, returns=UsageList)
async def service_usage(call: Call, given: UsageWanted) -> UsageList:
    """Tell what the replicas of a service used; nothing for a service that has not run within that time."""
    return await _found(call, (call.project, call.environment, call.path["service"]), given.hours)


async def _found(call: Call, key: tuple[str, str, str], hours: int) -> UsageList:
    since = call.services.clock.now() - timedelta(hours=hours)
    return UsageList(items=tuple(map(_view, await call.services.history.of(*key, since))))


def _view(span: UsageSpan) -> UsageView:
    return UsageView(
        began=span.began,
        readings=span.readings,
        cpu=round(span.cpu, 3),
        cpu_peak=round(span.cpu_peak, 3),
        memory=span.memory,
        memory_peak=span.memory_peak,
    )


OPERATIONS = (host_usage, service_usage)
