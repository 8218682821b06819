"""The services of an environment: what runs, and what they write."""

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from aiohttp import web
from pydantic import Field

from hostess.domain import labels, quantities
from hostess.domain.crash_loops import Health, health_of
from hostess.domain.ports import Container
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.domain.routing.live_domains import attached
from hostess.domain.routing.routes import path_of
from hostess.domain.storage import Fill, fill_of
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import EVENTS, TEXT, Call, Given, Nothing, View, op
from hostess.doors.api.pending import pending_restart, running_secrets
from hostess.doors.api.problems import InvalidRequest
from hostess.doors.api.streams import Sent, send_events, send_lines, wants_events
from hostess.doors.api.wiring import ApiServices
from hostess.services.keeping.retirement import leaving
from hostess.services.logs import ALL, Logs, Wanted, Written

SHORT = 12


class PortView(View):
    """A port; *urls* are those it is reached at from outside, best first; with *sign_in* by who has a token that may see it."""

    number: int
    urls: tuple[str, ...]
    sign_in: bool


class ContainerView(View):
    """A replica. *state* is the engine's word, or unhealthy; *health* starting, healthy, unhealthy, restarting, crash-looping, stopped.

    *cpu* (cores, of late) and *memory* (bytes) are what it uses; None where that is not known. *requests_failed* is how many requests
    of late got no proper answer of it, as the proxy tells, *last_failure* how the last one did not (connect, closed, invalid; "" for none).
    """

    id: str
    replica: str
    release: str
    state: str
    health: str
    restarts: int
    exit_code: int | None
    out_of_memory: bool
    started_at: datetime | None
    cpu: float | None
    memory: int | None
    requests_failed: int
    last_failure: str


class StorageView(View):
    """Bytes on the disk: *size* is what the service declares, *used* None until it is measured. *state*: fine, warning, critical."""

    used: int | None
    size: int
    state: str


class ScalingView(View):
    """Between which bounds a service is scaled by its load, and why it has as many replicas as it has ("" when nothing is known)."""

    min: int
    max: int
    target_cpu: int
    why: str


class ServiceView(View):
    """A service of the live release.

    *state*: running, degraded (some replicas are missing or unhealthy), unhealthy, crash-looping (what was left ended again and again,
    and is stopped), down, asleep.
    """

    name: str
    type: str
    state: str
    wanted: int
    running: int
    release: int
    commit: str
    image: str
    ports: tuple[PortView, ...]
    urls: tuple[str, ...]
    containers: tuple[ContainerView, ...]
    pending_restart: bool
    storage: StorageView | None
    scaling: ScalingView | None


class ServiceList(View):
    """Services in the order of the file; none when nothing is live."""

    items: tuple[ServiceView, ...]


class LogsWanted(Given):
    """Which lines: the last *tail* of each replica; *since* is a time, or a duration such as 10m.

    *previous*: of replicas that are gone, too, as far as that is kept; not while they are followed.
    """

    tail: int = Field(default=100, ge=0, le=10_000)
    since: str = ""
    follow: bool = False
    timestamps: bool = False
    previous: bool = False


@op(f"GET {PLACE}/services", "read", returns=ServiceList)
async def list_services(call: Call, _: Nothing) -> ServiceList:
    """List the services of the live release and their replicas."""
    return ServiceList(items=await services_of(call.services, call.project, call.environment))


@op(f"GET {PLACE}/services/{{service}}/logs", "logs", given=LogsWanted, media=(TEXT, EVENTS))
async def service_logs(call: Call, given: LogsWanted) -> web.StreamResponse:
    """Return what the replicas of a service wrote, as text or (Accept: text/event-stream) as events with the line as JSON.

    With several replicas each line of text begins with release and replica. The id of an event is the line's time;
    `Last-Event-ID` goes on after it.
    """
    services = call.services
    resumed = call.request.headers.get("Last-Event-ID", "")
    since = _since(resumed or given.since, services.clock.now())
    tail = ALL if resumed else given.tail  # what came meanwhile belongs to what goes on, however much it is
    wanted = Wanted(call.project, call.environment, call.path["service"], tail, since, given.previous)
    await _learn(services, await _release(call, wanted))
    logs = Logs(services.engine, services.replicas, services.redactor, services.clock)
    if wants_events(call.request):
        return await send_events(call.request, _events(logs, wanted, follow=given.follow))
    if given.follow:
        return await send_lines(call.request, _lines(logs, wanted, timestamps=given.timestamps))
    found = await logs.recent(wanted)
    named = len({line.replica for line in found}) > 1
    text = "".join(f"{_line(line, timestamps=given.timestamps, named=named)}\n" for line in found)
    return web.Response(text=text, content_type="text/plain")


async def services_of(services: ApiServices, project: str, environment: str) -> tuple[ServiceView, ...]:
    """Return the services of what is live."""
    release = await services.journal.live(project, environment)
    if release is None:
        return ()
    release = attached(release, await services.journal.domains())
    gone = await leaving(services.journal)
    containers = [c for c in await services.replicas.of_place(project, environment) if labels.is_replica(c.labels)]
    pending = await pending_restart(services, release)
    return tuple(
        _view(services, release, workload, (containers, gone), pending=workload.name in pending)
        for workload in release.workloads.values()
    )


def _view(
    services: ApiServices,
    release: Release,
    workload: Workload,
    found: tuple[list[Container], frozenset[str]],
    *,
    pending: bool,
) -> ServiceView:
    containers, gone = found
    unwell = services.checkups.unwell
    own = [c for c in containers if c.labels.get(labels.SERVICE) == workload.name]
    there = [
        c.id for c in own if c.state == "running" and c.labels.get(labels.SPEC) == workload.spec and c.id not in gone
    ]
    well = sum(container not in unwell for container in there)
    path = path_of(workload).rstrip("/")
    ports = tuple(
        PortView(
            number=port,
            urls=tuple(f"{services.public_url(host)}{path}" for host in workload.hosts.get(port, ()))
            or ((services.opened_url(workload),) if workload.opened else ()),
            sign_in=port in workload.sign_in,
        )
        for port in workload.ports
    )
    looping = any(c.labels.get(labels.SPEC) == workload.spec and services.loops.rests(c.id) for c in own)
    none = str(Health.CRASH_LOOPING) if looping else "down"
    short = "degraded" if well else "unhealthy" if there else none
    return ServiceView(
        name=workload.name,
        type=str(workload.type),
        state="asleep" if workload.asleep else "running" if well >= workload.replicas else short,
        wanted=workload.replicas,
        running=len(there),
        release=release.number,
        commit=release.commit,
        image=workload.image.removeprefix("sha256:")[:SHORT],
        ports=ports,
        urls=tuple(port.urls[0] for port in ports if port.urls),
        containers=tuple(_container(services, container) for container in own),
        pending_restart=pending,
        storage=_storage(services, release, workload),
        scaling=_scaling(services, release, workload),
    )


def _scaling(services: ApiServices, release: Release, workload: Workload) -> ScalingView | None:
    bounds = workload.scaling
    if bounds is None:
        return None
    decided = services.autoscaler.decided(release.project, release.environment, workload.name)
    return ScalingView(
        min=bounds.low, max=bounds.high, target_cpu=bounds.target_cpu, why=decided.why if decided else ""
    )


def _storage(services: ApiServices, release: Release, workload: Workload) -> StorageView | None:
    if workload.storage is None:
        return None
    use = services.storage.of(release.project, release.environment, workload)
    return StorageView(
        used=use and use.used, size=workload.storage, state=str(fill_of(use.percent) if use else Fill.FINE)
    )


def _container(services: ApiServices, container: Container) -> ContainerView:
    unwell, using = services.checkups.unwell, services.usage.of(container)
    failed = services.failed.of(container.address)
    return ContainerView(
        id=container.id[:SHORT],
        replica=container.labels.get(labels.REPLICA, ""),
        release=container.labels.get(labels.RELEASE, ""),
        state="unhealthy" if container.state == "running" and container.id in unwell else container.state,
        health=str(
            health_of(
                container.state,
                well=container.id not in unwell,
                proved=services.checkups.proved(container.id),
                looping=services.loops.lasts(container),
            )
        ),
        restarts=container.restarts,
        exit_code=container.exit_code,
        out_of_memory=container.oom_killed,
        started_at=container.started_at,
        cpu=round(using.cpu, 3) if using is not None and using.cpu is not None else None,
        memory=using.memory if using is not None else None,
        requests_failed=failed.requests if failed else 0,
        last_failure=failed.kind if failed else "",
    )


async def _release(call: Call, wanted: Wanted) -> Release:
    """Return the live release; Problem "service-not-found" when it lacks the service."""
    release = await call.services.journal.live(wanted.project, wanted.environment)
    if release is None or wanted.service not in release.workloads:
        known = (
            f"its services are {', '.join(release.workloads)}" if release else "deploy first: `git push hostess main`"
        )
        raise Problem(
            "service-not-found",
            f"{wanted.project} ({wanted.environment}) has no service {wanted.service}",
            remedy=known,
        )
    return release


async def _learn(services: ApiServices, release: Release) -> None:
    """Make every secret of the environment known to the redactor, those of today and those that run."""
    stored = await services.secrets.values(release.project, release.environment, credentials=True)
    services.redactor.learn({*stored.values(), *await running_secrets(services, release)})


async def _events(logs: Logs, wanted: Wanted, *, follow: bool) -> AsyncGenerator[Sent]:
    async for line in logs.follow(wanted) if follow else _each(await logs.recent(wanted)):
        data = {"at": line.at.isoformat(), "replica": line.replica, "stream": line.stream, "text": line.text}
        yield Sent(json.dumps(data), id=line.at.isoformat())
    yield Sent("{}", event="end")


async def _lines(logs: Logs, wanted: Wanted, *, timestamps: bool) -> AsyncGenerator[str]:
    async for line in logs.follow(wanted):
        yield _line(line, timestamps=timestamps, named=True)


async def _each(lines: list[Written]) -> AsyncGenerator[Written]:
    for line in lines:
        yield line


def _line(line: Written, *, timestamps: bool, named: bool) -> str:
    parts = [line.at.isoformat() if timestamps else "", f"{line.replica} |" if named else "", line.text]
    return " ".join(part for part in parts[:-1] if part) + (" " if timestamps or named else "") + line.text


def _since(text: str, now: datetime) -> datetime | None:
    """Return the time that *text* means: an ISO 8601 time, or a duration before *now*."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return now - quantities.parse_duration(text)
    except (ValueError, OverflowError):
        raise InvalidRequest((f"since: {text} is neither a duration such as 10m nor a time",)) from None


OPERATIONS = (list_services, service_logs)
