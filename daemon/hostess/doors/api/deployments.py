"""Deployments: looked at, followed, cancelled, and begun (rollback, restart, scale)."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from hostess.domain.codec import to_json
from hostess.domain.ports import Redactor
from hostess.domain.problem import Problem
from hostess.domain.records import Step
from hostess.domain.releases.release import Deployment, Kind, State, final
from hostess.doors.api.operation import EVENTS, TEXT, Call, Given, Nothing, Several, View, op
from hostess.doors.api.streams import Sent, last_number, send_events, wants_events
from hostess.services.tokens import Action

LOOK_AGAIN = 0.2
PAGE = 100
MOST = 2**31 - 1
NOTHING = "(nothing is kept of what it said: see transcripts.keep, .age and .size in the settings)"


class StepView(View):
    """One journalled step."""

    name: str
    detail: Mapping[str, Any]
    begun_at: datetime
    ended_at: datetime | None
    outcome: str


class DeploymentView(View):
    """A deployment. *problem*, of one that failed: code, phase, what, serving, remedy, tail, and mistakes in hostess.yml."""

    id: str
    project: str
    environment: str
    kind: Kind
    state: State
    commit: str
    ref: str
    actor: str
    created_at: datetime
    finished_at: datetime | None
    release: int | None
    phase: str
    problem: Mapping[str, Any] | None
    seconds: Mapping[str, float]


class DeploymentDetail(DeploymentView):
    """A deployment with its steps."""

    steps: tuple[StepView, ...]


class TakenDown(View):
    """A deployment of which nothing runs any more; *volumes_kept* have permanent data."""

    volumes_kept: tuple[str, ...]


class DeploymentList(View):
    """Deployments, newest first. *next*: what to give as `after` for the page that follows, None at the end."""

    items: tuple[DeploymentView, ...]
    next: str | None


class DeploymentFilter(Given):
    """Which deployments to list."""

    project: str | None = None
    env: str | None = None
    state: Several = ()
    limit: int = Field(default=20, ge=1, le=100)
    after: str | None = None


class RollbackTo(Given):
    """The release to go back to; none: the one that was live before."""

    release: Annotated[int, Field(ge=1, le=MOST)] | None = None


class RestartOf(Given):
    """The services to restart; none: all but databases."""

    services: tuple[str, ...] = ()


class ScaleTo(Given):
    """How many replicas of each service."""

    services: Mapping[str, int] = Field(min_length=1)


@op("GET /v1/deployments", "read", given=DeploymentFilter, returns=DeploymentList)
async def list_deployments(call: Call, given: DeploymentFilter) -> DeploymentList:
    """List deployments, newest first."""
    states = [_state(word) for word in given.state]
    if given.project is not None:
        await call.require_project(given.project, "read")
    found: list[Deployment] = []
    after = given.after
    while len(found) <= given.limit:
        page = await call.services.journal.deployments(given.project, given.env, states, PAGE, after)
        found += [deployment for deployment in page if call.sees(deployment.project)]
        if len(page) < PAGE:
            break
        after = page[-1].id
    shown = found[: given.limit]
    return DeploymentList(
        items=tuple(_view(deployment, call.services.redactor) for deployment in shown),
        next=shown[-1].id if len(found) > given.limit else None,
    )


@op("GET /v1/deployments/{deployment}", "read", returns=DeploymentDetail)
async def show_deployment(call: Call, _: Nothing) -> DeploymentDetail:
    """Show one deployment with its steps; the beginning of its id is enough."""
    found = await _found(call, "read")
    steps = await call.services.journal.steps(found.id)
    view = _view(found, call.services.redactor)
    return DeploymentDetail(**view.model_dump(), steps=tuple(_step(step, call.services.redactor) for step in steps))


@op("GET /v1/deployments/{deployment}/log", "logs", media=(TEXT, EVENTS))
async def deployment_log(call: Call, _: Nothing) -> web.StreamResponse:
    """Return what a deployment said.

    As text: all lines so far. As `text/event-stream`: every line as it comes, its number as the id (send `Last-Event-ID` to go
    on after it), and at last `event: end` with the deployment.
    """
    found = await _found(call, "logs")
    if wants_events(call.request):
        return await send_events(call.request, _following(call, found.id))
    lines = call.services.transcripts.read(found.id)
    text = "".join(f"{line}\n" for line in lines or ([NOTHING] if final(found.state) else []))
    hidden = await asyncio.to_thread(call.services.redactor.hide, text)  # a long one takes a second
    return web.Response(text=hidden, content_type="text/plain")


@op("POST /v1/deployments/{deployment}/cancel", "deploy", returns=DeploymentView)
async def cancel_deployment(call: Call, _: Nothing) -> DeploymentView:
    """Stop a deployment; answers when its build and its containers are really gone."""
    found = await _found(call, "deploy")
    ended = await call.services.deployments.cancel(found.id)
    await call.services.journal.tell(
        "audit.deployment.cancelled",
        f"{call.caller.name}: cancelled deployment {found.id}",
        call.services.clock.now(),
        project=found.project,
        environment=found.environment,
        data={"actor": call.caller.name, "deployment": found.id},
    )
    return _view(ended, call.services.redactor)


@op("DELETE /v1/deployments/{deployment}", "deploy", returns=TakenDown)
async def remove_deployment(call: Call, _: Nothing) -> TakenDown:
    """Stop all that a live deployment made run, and remove data that is not permanent; a rollback brings it back."""
    found = await _found(call, "deploy")
    kept = await call.services.environments.take_down(found)
    await call.services.journal.tell(
        "audit.deployment.removed",
        f"{call.caller.name}: took down {found.environment}: v{found.release} (deployment {found.id})",
        call.services.clock.now(),
        project=found.project,
        environment=found.environment,
        data={"actor": call.caller.name, "deployment": found.id, "volumes_kept": list(kept)},
    )
    return TakenDown(volumes_kept=kept)


PLACE = "/v1/projects/{project}/environments/{environment}"


@op(f"POST {PLACE}/rollback", "deploy", given=RollbackTo, returns=DeploymentView, status=202)
async def roll_back(call: Call, given: RollbackTo) -> DeploymentView:
    """Begin a rollback; follow it by its log."""
    begun = await call.services.deployments.rollback(call.project, call.environment, given.release, call.caller.name)
    return await begun_view(call, begun, "rollback", release=given.release)


@op(f"POST {PLACE}/restart", "deploy", given=RestartOf, returns=DeploymentView, status=202)
async def restart(call: Call, given: RestartOf) -> DeploymentView:
    """Begin a restart with today's secrets; follow it by its log."""
    begun = await call.services.deployments.restart(call.project, call.environment, given.services, call.caller.name)
    return await begun_view(call, begun, "restart", services=list(given.services))


@op(f"POST {PLACE}/scale", "deploy", given=ScaleTo, returns=DeploymentView, status=202)
async def scale(call: Call, given: ScaleTo) -> DeploymentView:
    """Begin a change of replica counts; follow it by its log."""
    begun = await call.services.deployments.scale(call.project, call.environment, given.services, call.caller.name)
    return await begun_view(call, begun, "scale", services=dict(given.services))


async def begun_view(call: Call, deployment: str, kind: str, **asked: object) -> DeploymentView:
    """Write down who began a deployment; return it."""
    data = {"deployment": deployment, **asked}
    await call.audit(f"deployment.{kind}", f"began {kind} {deployment}", data)
    found = await call.services.journal.deployment(deployment)
    if found is None:
        raise _absent(deployment)
    return _view(found, call.services.redactor)


async def _following(call: Call, deployment: str) -> AsyncGenerator[Sent]:
    """Yield the lines after the last one that the client has, then the end."""
    services = call.services
    told = min(last_number(call.request) or 0, services.transcripts.count(deployment))
    while True:
        # A deployment that still waits in the queue has said nothing, and following it ends at once: look again until it is final.
        found = await services.journal.deployment(deployment)
        async for number, line in services.transcripts.follow(deployment, told):
            told = number
            yield Sent(services.redactor.hide(line), id=str(number))
        if found is None or final(found.state):
            break
        await services.clock.sleep(LOOK_AGAIN)
    if not told and last_number(call.request) is None and found is not None:
        yield Sent(NOTHING, id="0")
    found = await services.journal.deployment(deployment)
    if found is not None:
        yield Sent(_view(found, services.redactor).model_dump_json(), event="end")


async def _found(call: Call, action: Action) -> Deployment:
    given = call.path["deployment"]
    try:
        found = await call.services.journal.deployment(given)
    except Problem as problem:
        if problem.code == "deployment-ambiguous" and call.caller.token.projects:
            raise _absent(given) from None  # it names the ids of projects that the caller may not know of
        raise
    if found is None:
        raise _absent(given)
    call.require(action, found.project, absent=_absent(given))
    return found


def _absent(deployment: str) -> Problem:
    return Problem(
        "deployment-not-found", f"there is no deployment {deployment}", remedy="see `hostess deployments list`"
    )


def _state(word: str) -> State:
    try:
        return State(word)
    except ValueError:
        raise Problem("invalid-request", f"state: {word} is none of {', '.join(State)}") from None


def _view(deployment: Deployment, redactor: Redactor) -> DeploymentView:
    members = to_json(deployment)
    return DeploymentView.model_validate(
        {name: members[name] for name in DeploymentView.model_fields}
        | {"problem": _hidden(members["problem"], redactor)}
    )


def _step(step: Step, redactor: Redactor) -> StepView:
    return StepView(
        name=step.name,
        detail=_hidden(to_json(step.detail), redactor),
        begun_at=step.begun_at,
        ended_at=step.ended_at,
        outcome=step.outcome,
    )


def _hidden(value: Any, redactor: Redactor) -> Any:  # noqa: ANN401 -- JSON has no better type
    """Return a JSON value with known secrets hidden in all its texts."""
    match value:
        case str():
            return redactor.hide(value)
        case list():
            return [_hidden(each, redactor) for each in value]
        case dict():
            return {name: _hidden(each, redactor) for name, each in value.items()}
    return value


OPERATIONS = (
    list_deployments,
    show_deployment,
    deployment_log,
    cancel_deployment,
    remove_deployment,
    roll_back,
    restart,
    scale,
)
