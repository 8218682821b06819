"""Maintenance and pauses of an environment: what is closed, by whom, and until when."""

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from hostess.domain.routing.closures import PAUSE_REQUESTS, PAUSE_SECONDS, RETRY_AFTER, Closing, Closure
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.services.routing.closures import Target


def _network(text: str) -> str:
    return str(ip_network(text))


def _told(text: str) -> str:
    if not text.replace("\n", " ").isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


Message = Annotated[str, Field(max_length=1000), AfterValidator(_told)]
Network = Annotated[str, Field(max_length=64), AfterValidator(_network)]


class ClosureView(View):
    """One closure. *service* is empty where it is all of the environment; *until* is when a pause ends by itself."""

    kind: str
    service: str
    since: datetime
    actor: str
    message: str
    retry_after: int | None
    allow: tuple[str, ...]
    requests: int | None
    until: datetime | None


class ClosureList(View):
    """What is closed: maintenance first."""

    items: tuple[ClosureView, ...]


class OneService(Given):
    """*service*: this one alone; without it all of the environment."""

    service: str = Field(default="", max_length=63)


class NewMaintenance(OneService):
    """Clients of the networks *allow* still come through; the others are told *message* and to come back in *retry_after* seconds."""

    message: Message = ""
    retry_after: int = Field(default=RETRY_AFTER, ge=1, le=86_400)
    allow: tuple[Network, ...] = Field(default=(), max_length=100)


class NewPause(OneService):
    """Requests wait for *seconds* at most, then the pause is over; beyond *requests* that wait, others are refused."""

    seconds: int = Field(default=PAUSE_SECONDS, ge=1, le=600)
    requests: int = Field(default=PAUSE_REQUESTS, ge=1, le=100_000)


@op(f"GET {PLACE}/closures", "read", returns=ClosureList)
async def list_closures(call: Call, _: Nothing) -> ClosureList:
    """List maintenance and pauses of an environment."""
    return await _list(call)


@op(f"PUT {PLACE}/maintenance", "deploy", given=NewMaintenance, returns=ClosureList)
async def begin_maintenance(call: Call, given: NewMaintenance) -> ClosureList:
    """Answer requests to a service, or to all of an environment, with a page and status 503."""
    now = call.services.clock.now()
    closure = Closure(
        call.project,
        call.environment,
        Closing.MAINTENANCE,
        given.service,
        now,
        call.caller.name,
        message=given.message,
        retry_after=given.retry_after,
        allow=given.allow,
    )
    return await _closed(call, closure)


@op(f"DELETE {PLACE}/maintenance", "deploy", given=OneService, returns=ClosureList)
async def end_maintenance(call: Call, given: OneService) -> ClosureList:
    """End the maintenance of a service, or all of an environment."""
    return await _opened(call, Closing.MAINTENANCE, given.service)


@op(f"PUT {PLACE}/pause", "deploy", given=NewPause, returns=ClosureList)
async def begin_pause(call: Call, given: NewPause) -> ClosureList:
    """Let requests to a service, or to all of an environment, wait; it ends by itself."""
    now = call.services.clock.now()
    closure = Closure(
        call.project,
        call.environment,
        Closing.PAUSE,
        given.service,
        now,
        call.caller.name,
        requests=given.requests,
        until=now + timedelta(seconds=given.seconds),
    )
    return await _closed(call, closure)


@op(f"DELETE {PLACE}/pause", "deploy", given=OneService, returns=ClosureList)
async def end_pause(call: Call, given: OneService) -> ClosureList:
    """End the pause of a service, or all of an environment: what waits goes on."""
    return await _opened(call, Closing.PAUSE, given.service)


async def _closed(call: Call, closure: Closure) -> ClosureList:
    await call.services.closures.close(closure)
    said = f"{closure.kind} of {closure.service or 'all'} in {call.environment}"
    await call.audit(f"{closure.kind}.on", said, {"service": closure.service})
    return await _list(call)


async def _opened(call: Call, kind: Closing, service: str) -> ClosureList:
    gone = await call.services.closures.open(kind, Target(call.project, call.environment, service))
    said = f"ended {kind} of {service or 'all'} in {call.environment}"
    await call.audit(f"{kind}.off", said, {"service": service, "ended": [closure.service for closure in gone]})
    return await _list(call)


async def _list(call: Call) -> ClosureList:
    found = await call.services.closures.of(call.project, call.environment)
    return ClosureList(items=tuple(map(_view, found)))


def _view(closure: Closure) -> ClosureView:
    pause = closure.kind is Closing.PAUSE
    return ClosureView(
        kind=closure.kind,
        service=closure.service,
        since=closure.since,
        actor=closure.actor,
        message=closure.message,
        retry_after=None if pause else closure.retry_after,
        allow=closure.allow,
        requests=closure.requests if pause else None,
        until=closure.until,
    )


OPERATIONS = (list_closures, begin_maintenance, end_maintenance, begin_pause, end_pause)
