"""The canary of an environment: its share, and its end, as the live release or not."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from hostess.domain.records import Canary, Share
from hostess.doors.api.deployments import PLACE, DeploymentView, begun_view
from hostess.doors.api.operation import Call, Given, Nothing, View, op


class CanaryView(View):
    """A release that is tried out. *services* are those that it has replicas of, *well* those of which one gets requests.

    With *auto* it gets more and is made live by itself, or is taken back; *judgement* says what it was last found to be.
    """

    release: int
    commit: str
    services: tuple[str, ...]
    well: tuple[str, ...]
    percent: int
    header: str
    values: tuple[str, ...]
    since: datetime
    actor: str
    auto: bool
    judgement: str


class CanaryList(View):
    """The canary of an environment, if there is one."""

    items: tuple[CanaryView, ...]


Value = Annotated[str, Field(max_length=200, pattern=r"^[!-~](?:[ -~]*[!-~])?$")]


class NewShare(Given):
    """So many *percent* of clients, and those whose *header* has one of *values*; with *auto* more by itself, until it is live."""

    percent: int = Field(ge=0, le=100)
    header: str = Field(default="", max_length=64, pattern=r"^(?:[A-Za-z0-9-]+)?$")
    values: tuple[Value, ...] = Field(default=(), max_length=100)
    auto: bool = False


@op(f"GET {PLACE}/canary", "read", returns=CanaryList)
async def list_canaries(call: Call, _: Nothing) -> CanaryList:
    """Show the canary of an environment, if there is one."""
    found = await call.services.journal.canary(call.project, call.environment)
    return CanaryList(items=() if found is None else (await _view(call, found),))


@op(f"PUT {PLACE}/canary", "deploy", given=NewShare, returns=CanaryView)
async def share_canary(call: Call, given: NewShare) -> CanaryView:
    """Give the canary another share of the requests."""
    share = Share(given.percent, given.header, given.values, given.auto)
    changed = await call.services.canaries.set(call.project, call.environment, share)
    await call.audit("canary.set", f"gave the canary {given.percent} %", {"percent": given.percent})
    return await _view(call, changed)


@op(f"POST {PLACE}/canary/promote", "deploy", returns=DeploymentView, status=202)
async def promote_canary(call: Call, _: Nothing) -> DeploymentView:
    """Begin to make the canary the live release; follow it by its log."""
    begun = await call.services.canaries.promote(call.project, call.environment, call.caller.name)
    return await begun_view(call, begun, "promote")


@op(f"DELETE {PLACE}/canary", "deploy", returns=CanaryView)
async def stop_canary(call: Call, _: Nothing) -> CanaryView:
    """Stop the canary; its replicas finish what they hold."""
    stopped = await call.services.canaries.stop(call.project, call.environment)
    await call.audit(
        "canary.stopped", f"stopped the canary {stopped.release.title}", {"release": stopped.release.number}
    )
    return await _view(call, stopped)


async def _view(call: Call, canary: Canary) -> CanaryView:
    return CanaryView(
        release=canary.release.number,
        commit=canary.release.commit,
        services=canary.services,
        well=tuple(sorted(await call.services.routing.served_by(canary))),
        percent=canary.share.percent,
        header=canary.share.header,
        values=canary.share.values,
        since=canary.since,
        actor=canary.actor,
        auto=canary.advance is not None,
        judgement=call.services.canaries.judgement(canary),
    )


OPERATIONS = (list_canaries, share_canary, promote_canary, stop_canary)
