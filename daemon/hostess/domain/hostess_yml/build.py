"""Models to values: fills in what the file leaves out, by the type's rules (spec section 2, with the project's decisions)."""

from collections.abc import Mapping
from datetime import timedelta

from hostess.domain.hostess_yml.blocks import BackupsForm, BackupsPart, HookPart
from hostess.domain.hostess_yml.draft import (
    DATABASES,
    Draft,
    asked_visibility,
    depends_of,
    is_persistent,
    is_worker,
    mounts_of,
    ports_of,
    type_of,
)
from hostess.domain.hostess_yml.environment import EnvironmentPart
from hostess.domain.hostess_yml.forms import (
    BuildPart,
    DependsForm,
    FilePart,
    Part,
    ReplicasForm,
    ResourcesForm,
    ResourcesPart,
)
from hostess.domain.hostess_yml.models import JobPart, ServicePart
from hostess.domain.hostess_yml.proxy import proxy_of
from hostess.domain.hostess_yml.special import ExternalPart, PoolerPart, PostgresSpecial, RedisSpecial, StaticSpecial
from hostess.domain.hostess_yml.stack import (
    Backups,
    Build,
    Concurrency,
    Condition,
    Environment,
    File,
    Health,
    Hook,
    Job,
    Lifecycle,
    Mount,
    OnFailure,
    Opening,
    Port,
    Replicas,
    Resources,
    Run,
    Service,
    ServiceType,
    Stack,
    Visibility,
)
from hostess.domain.hostess_yml.words import PerService, PoolMode, Preset, Retention

_GIB = 2**30
PRESETS: Mapping[Preset, Resources] = {
    Preset.SMALL: Resources(cpu=0.5, memory=_GIB // 2, storage=10 * _GIB),
    Preset.MEDIUM: Resources(cpu=1.0, memory=_GIB, storage=20 * _GIB),
    Preset.LARGE: Resources(cpu=2.0, memory=2 * _GIB, storage=50 * _GIB),
    Preset.XLARGE: Resources(cpu=4.0, memory=4 * _GIB, storage=100 * _GIB),
}
"""The limits behind the presets (spec section 9.1)."""

PORTS: Mapping[ServiceType, int] = {
    ServiceType.FASTAPI: 8000,
    ServiceType.NEXTJS: 3000,
    ServiceType.STATIC: 8080,
    ServiceType.CUSTOM: 8080,
    ServiceType.POSTGRES: 5432,
    ServiceType.REDIS: 6379,
}
"""The port of each type, unless `ports` says otherwise."""

PATHS: Mapping[ServiceType, str] = {ServiceType.FASTAPI: "/health", ServiceType.NEXTJS: "/", ServiceType.STATIC: "/"}
"""The path that health checks ask for by default, for the types that have one."""

BLOCK_INTERVAL = timedelta(seconds=10)
"""The interval of a `health` block that names none; without a block it is 30 s (spec section 8)."""

DATA = "/data"
"""Where `retention: permanent` and `persistence: true` keep a custom service's data."""


def built(draft: Draft, special: Mapping[str, Part | None]) -> Stack:
    """Return the stack; *special* holds the checked `special` of the services that have one."""
    draft_services = {name: _service(draft, name, special.get(name)) for name in draft.services}
    return Stack(
        services=draft_services,
        name=draft.file.name,
        description=draft.file.description or "",
        jobs={name: _job(draft, name, part) for name, part in draft.jobs.items()},
        environments={name: _environment(name, part) for name, part in (draft.file.environments or {}).items()},
        notices=tuple(draft.findings.notices),
    )


def replicas(form: ReplicasForm | None, kind: ServiceType) -> Replicas:
    """Return how many replicas are meant."""
    if form is None:
        return Replicas(0, 1) if kind is ServiceType.STATIC else Replicas()
    if isinstance(form, int):
        return Replicas(form, form)
    usual = Replicas()
    return Replicas(
        form.min,
        form.max,
        form.target_cpu or usual.target_cpu,
        form.target_requests or usual.target_requests,
        form.sleep_after or usual.sleep_after,
    )


def resources(form: ResourcesForm | None, *, disk: bool) -> Resources:
    """Return the limits that are meant; storage only where there is a *disk*."""
    part = form if isinstance(form, ResourcesPart) else ResourcesPart()
    preset = PRESETS[form if isinstance(form, Preset) else part.preset or Preset.MEDIUM]
    storage = (part.storage or preset.storage) if disk else None
    return Resources(part.cpu or preset.cpu, part.memory or preset.memory, storage)


def _service(draft: Draft, name: str, special: Part | None) -> Service:
    part = draft.services[name]
    kind = type_of(part)
    disk = kind in DATABASES or is_persistent(part)
    limits = resources(part.resources, disk=disk)
    return Service(
        name=name,
        type=kind,
        resources=limits if kind in DATABASES else Resources(limits.cpu, limits.memory),
        build=_build(part.build),
        image=part.image,
        source=part.source,
        entrypoint=part.entrypoint,
        command=part.command,
        env=part.env or {},
        env_file=tuple(part.env_file or ()),
        files=_files(part.files),
        depends_on=_depends(draft, part.depends_on),
        domains=tuple(dict.fromkeys(part.domains or ())),
        visibility=draft.visibility(name),
        ports=_ports(draft, name),
        replicas=replicas(part.replicas, kind),
        health=_health(draft, name),
        permanent=(part.retention is not Retention.EPHEMERAL) if disk else False,
        retention_written=part.retention is not None,
        persistence=_mounts(part, limits.storage) if is_persistent(part) else (),
        lifecycle=_lifecycle(part),
        backups=_backups(part.backups),
        databases=_databases(draft, name),
        special=_special(kind, special),
        proxy=proxy_of(part.proxy),
    )


def _job(draft: Draft, name: str, part: JobPart) -> Job:
    return Job(
        name=name,
        run=part.run or Run.ON_DEPLOY,
        command=part.command,
        resources=resources(part.resources, disk=False),
        build=_build(part.build),
        image=part.image,
        entrypoint=part.entrypoint,
        env=part.env or {},
        env_file=tuple(part.env_file or ()),
        files=_files(part.files),
        depends_on=_depends(draft, part.depends_on),
        schedule=part.schedule,
        timeout=part.timeout or timedelta(minutes=5),
        retries=1 if part.retries is None else part.retries,
        concurrency=part.concurrency or Concurrency.FORBID,
    )


def _environment(name: str, part: EnvironmentPart) -> Environment:
    branches = tuple(part.branches or ()) + ((part.branch,) if part.branch else ())
    overrides = (part.services or {}).items()
    return Environment(
        name=name,
        branches=branches,
        domains={service: tuple(dict.fromkeys(hosts)) for service, hosts in (part.domains or {}).items()},
        replicas={
            service: replicas(found.replicas, ServiceType.CUSTOM) for service, found in overrides if found.replicas
        },
        ephemeral=bool(part.ephemeral),
        ttl=part.ttl,
    )


def _build(part: BuildPart | None) -> Build | None:
    if part is None:
        return None
    secrets = part.secrets if isinstance(part.secrets, dict) else {name: name for name in part.secrets or ()}
    return Build(part.source, part.dockerfile or "Dockerfile", part.args or {}, secrets)


def _files(parts: list[FilePart] | None) -> tuple[File, ...]:
    return tuple(
        File(part.name, part.mount, part.source, part.content, part.secret, 0o444 if part.mode is None else part.mode)
        for part in parts or ()
    )


def _depends(draft: Draft, form: DependsForm | None) -> dict[str, Condition]:
    found = {}
    for name, condition, _ in depends_of(form):
        fitting = Condition.COMPLETED if name in draft.job_names else Condition.HEALTHY
        found[name] = condition or fitting
    return found


def _ports(draft: Draft, name: str) -> tuple[Port, ...]:
    part = draft.services[name]
    visibility = draft.visibility(name)
    if type_of(part) in DATABASES:
        return (Port(PORTS[type_of(part)], Visibility.PRIVATE),)
    if part.ports:
        return tuple(Port(port.port, asked_visibility(port) or visibility) for port in ports_of(part))
    return () if is_worker(draft, name) else (Port(PORTS[type_of(part)], visibility),)


def _health(draft: Draft, name: str) -> Health | None:
    """Return the check; None for databases, whose readiness Hostess knows itself, and for custom services that name none."""
    part = draft.services[name]
    kind = type_of(part)
    block = part.health
    if kind in DATABASES:
        return None
    if block is None:
        return Health(http=PATHS[kind]) if kind in PATHS else None
    http = block.http or (None if block.command else PATHS.get(kind))
    if http is None and not block.command:
        return None
    return Health(
        http=http,
        command=block.command or (),
        port=block.port,
        interval=block.interval or BLOCK_INTERVAL,
        timeout=block.timeout or timedelta(seconds=5),
        retries=block.retries or 3,
    )


def _mounts(part: ServicePart, storage: int | None) -> tuple[Mount, ...]:
    written = mounts_of(part)
    if not written:
        return (Mount("data", DATA, storage),)
    return tuple(Mount(mount.name or "data", mount.mount, mount.size or storage, mount.owner) for mount in written)


def _lifecycle(part: ServicePart) -> Lifecycle:
    hooks = part.lifecycle
    if hooks is None:
        return Lifecycle()
    return Lifecycle(_hook(hooks.init), _hook(hooks.migrate), _hook(hooks.post_deploy), _hook(hooks.shutdown))


def _hook(part: HookPart | None) -> Hook | None:
    if part is None:
        return None
    return Hook(part.command or (), part.job, part.timeout or timedelta(minutes=5), part.on_failure or OnFailure.ABORT)


def _backups(form: BackupsForm | None) -> Backups | None:
    if form is None or isinstance(form, str):
        return Backups(form) if form else None
    return _full_backups(form)


def _full_backups(part: BackupsPart) -> Backups:
    return Backups(
        schedule=part.schedule,
        retention=part.retention or 7,
        pitr=bool(part.pitr),
        command=part.command or (),
        restore_command=part.restore_command or (),
        heartbeat=part.heartbeat or "",
        drill=tuple(part.drill or ()),
    )


def _databases(draft: Draft, name: str) -> dict[str, tuple[str, ...]] | None:
    form = draft.services[name].databases
    if form is None:
        return None
    if isinstance(form, PerService):
        return {str(path[1]): (str(path[1]),) for path, part in draft.parts() if refers_to(part, name)}
    return {group: tuple(members) for group, members in form.items()}


def refers_to(part: ServicePart | JobPart, database: str) -> bool:
    """Whether an environment holds a reference to this database."""
    return any(f"${{{database}." in value for value in (part.env or {}).values())


def _special(kind: ServiceType, part: Part | None) -> dict[str, object]:
    if isinstance(part, StaticSpecial | RedisSpecial):
        dumped = part.model_dump(mode="python", exclude={"external"})
        said = {key: value for key, value in dumped.items() if value is not None}
        return {**said, **_external(part)} if isinstance(part, RedisSpecial) else said
    written = part if isinstance(part, PostgresSpecial) else PostgresSpecial()
    if kind is not ServiceType.POSTGRES:
        return {}
    special: dict[str, object] = {"version": written.version or "18"}
    if written.extensions:
        special["extensions"] = tuple(written.extensions)
    if written.pooler:
        pooler = written.pooler if isinstance(written.pooler, PoolerPart) else PoolerPart()
        special["pooler"] = {"mode": pooler.mode or PoolMode.TRANSACTION, "instances": pooler.instances or 1}
    return special | _external(written)


def _external(part: PostgresSpecial | RedisSpecial) -> dict[str, object]:
    allow = part.external.allow if isinstance(part.external, ExternalPart) else None
    return {"external": Opening(tuple(dict.fromkeys(allow or ())))} if part.external else {}
