"""The host as a whole: is it alive, what is on it, how is it set."""

from datetime import datetime

from hostess import __version__
from hostess.domain.host_figures import Reading
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.storage import Fill, fill_of
from hostess.doors.api.alerts import AlertView, alerts_for
from hostess.doors.api.operation import Call, Nothing, View, op
from hostess.doors.api.workloads import services_of


class Health(View):
    """The daemon answers."""

    status: str
    version: str


class DiskView(View):
    """A file system that Hostess keeps something on, named by a folder; bytes. *state*: fine, warning, critical."""

    folder: str
    used: int
    size: int
    state: str


class StrainView(View):
    """For how much of the last minute, in percent, work waited for *resource* (cpu, memory, io): *some* of it, or all (*full*)."""

    resource: str
    some: float
    full: float


class UseView(View):
    """What is used of the host. *cpu*: how busy its cores were of late, in percent, None just after the start; sizes are bytes.

    *files* are open, of *files_limit*; *own_files* by the daemon. *strain* is empty where the kernel does not tell.
    """

    at: datetime
    cpu: float | None
    load: float
    memory: int
    memory_available: int
    swap: int
    swap_used: int
    files: int
    files_limit: int
    own_files: int
    own_files_limit: int
    strain: tuple[StrainView, ...]


class HostView(View):
    """The machine and its engine; *engine* is empty when it does not answer."""

    version: str
    instance: str
    engine: str
    cpus: float
    memory: int
    base_domain: str
    disks: tuple[DiskView, ...]
    use: UseView


class PlaceView(View):
    """An environment at a glance. *last* is the newest deployment's state, *closed* says what is in maintenance or paused.

    *locked* says who keeps deployments out, and why; it is empty where nobody does.
    *canary* is the release that is tried out, with its share. *storage* says which databases fill what they declare,
    *unsaved* which ones have no schedule of backups. *failing* says of which replicas the proxy gets no proper answers.
    """

    project: str
    environment: str
    release: int | None
    commit: str
    live_since: datetime | None
    services: int
    running: int
    pending_restart: tuple[str, ...]
    closed: tuple[str, ...]
    locked: str
    canary: str
    storage: tuple[str, ...]
    unsaved: tuple[str, ...]
    failing: tuple[str, ...]
    urls: tuple[str, ...]
    last: str
    last_at: datetime | None


class StatusView(View):
    """One screen. *alerts*: what is wrong, the gravest first."""

    host: HostView
    places: tuple[PlaceView, ...]
    alerts: tuple[AlertView, ...]


class SettingView(View):
    """An effective setting and where it came from."""

    key: str
    value: str
    source: str


class SettingList(View):
    """All settings."""

    items: tuple[SettingView, ...]


class CollectedView(View):
    """What garbage collection removed: ids of images, keys of static sites, how many transcripts.

    *cache* are bytes of the cache of builds, *size* the bytes of all together.
    """

    images: tuple[str, ...]
    size: int
    sites: tuple[str, ...] = ()
    transcripts: int = 0
    cache: int = 0


@op("GET /healthz", None, returns=Health)
async def healthz(call: Call, _: Nothing) -> Health:
    """Answer when the daemon is alive and its journal can be read."""
    await call.services.journal.instance()
    return Health(status="ok", version=__version__)


@op("GET /v1/status", "read", returns=StatusView)
async def status(call: Call, _: Nothing) -> StatusView:
    """Show the host and everything on it that the caller may see, at a glance."""
    places = [place for place in await call.services.journal.places() if call.sees(place.project)]
    return StatusView(
        host=await _host(call),
        places=tuple([await _place(call, place) for place in places]),
        alerts=await alerts_for(call),
    )


@op("GET /v1/config", "admin", returns=SettingList)
async def show_config(call: Call, _: Nothing) -> SettingList:
    """Show the effective settings and where each came from."""
    return SettingList(
        items=tuple(SettingView(key=k, value=v, source=source) for k, v, source in call.services.settings.shown())
    )


@op("POST /v1/gc", "admin", returns=CollectedView)
async def collect_garbage(call: Call, _: Nothing) -> CollectedView:
    """Remove images that no kept release and no container needs, old transcripts, and what of the cache of builds is too much.

    Never volumes, never images that are not Hostess's own.
    """
    collected = await call.services.collector.collect()
    await call.audit("gc", f"collected {len(collected.images)} images", {"size": collected.size})
    return CollectedView(
        images=collected.images,
        size=collected.size,
        sites=collected.sites,
        transcripts=collected.transcripts,
        cache=collected.cache,
    )


async def _host(call: Call) -> HostView:
    services = call.services
    try:
        facts = await services.engine.facts()
        engine, cpus, memory = f"{facts.version} (API {facts.api})", facts.cpus, facts.memory
    except Problem:
        engine, cpus, memory = "", 0.0, 0
    return HostView(
        version=__version__,
        instance=await services.journal.instance(),
        engine=engine,
        cpus=cpus,
        memory=memory,
        base_domain=services.settings.base_domain,
        disks=tuple(
            DiskView(folder=use.name, used=use.used, size=use.size, state=str(fill_of(use.percent)))
            for use in await services.storage.disks()
        ),
        use=_use(services.host.now()),
    )


def _use(reading: Reading) -> UseView:
    figures = reading.figures
    return UseView(
        at=reading.at,
        cpu=None if reading.cpu is None else round(reading.cpu, 1),
        load=figures.load,
        memory=figures.memory,
        memory_available=figures.available,
        swap=figures.swap,
        swap_used=figures.swap_used,
        files=figures.files,
        files_limit=figures.files_limit,
        own_files=figures.own_files,
        own_files_limit=figures.own_files_limit,
        strain=tuple(
            StrainView(resource=name, some=strain.some, full=strain.full) for name, strain in figures.strain.items()
        ),
    )


async def _place(call: Call, place: Place) -> PlaceView:
    services = call.services
    live = await services.journal.live(place.project, place.environment)
    found = await services_of(services, place.project, place.environment)
    newest = await services.journal.deployments(place.project, place.environment, limit=1)
    closures = await services.closures.of(place.project, place.environment)
    lock = await services.journal.lock(place.project, place.environment)
    canary = await services.journal.canary(place.project, place.environment)
    return PlaceView(
        project=place.project,
        environment=place.environment,
        release=place.live,
        commit=live.commit if live else "",
        live_since=live.created_at if live else None,
        services=len(found),
        running=sum(service.state in {"running", "asleep"} for service in found),
        pending_restart=tuple(service.name for service in found if service.pending_restart),
        closed=tuple(f"{closure.kind} of {closure.service or 'all services'}" for closure in closures),
        locked=str(lock) if lock else "",
        canary=f"{canary.release.title}, {canary.share.percent} %" if canary else "",
        storage=tuple(
            f"{service.name} {service.storage.used * 100 // service.storage.size} %"
            for service in found
            if service.storage and service.storage.used is not None and service.storage.state != Fill.FINE
        ),
        unsaved=tuple(
            each.name for each in (live.workloads.values() if live else ()) if each.is_database and not each.backups
        ),
        failing=tuple(
            f"{each.requests_failed} requests to replica v{each.release}.{each.replica} of {service.name} ({each.last_failure})"
            for service in found
            for each in service.containers
            if each.requests_failed
        ),
        urls=tuple(url for service in found for url in service.urls),
        last=str(newest[0].state) if newest else "",
        last_at=newest[0].created_at if newest else None,
    )


OPERATIONS = (healthz, status, show_config, collect_garbage)
