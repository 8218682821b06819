"""The rules within one service or job: what applies to which type, what excludes what, what needs what (spec section 1.6)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from hostess.domain import quantities
from hostess.domain.databases import redis
from hostess.domain.hostess_yml.blocks import BackupsPart
from hostess.domain.hostess_yml.build import resources
from hostess.domain.hostess_yml.draft import (
    DATABASES,
    Draft,
    asked_visibility,
    is_persistent,
    mounts_of,
    ports_of,
    type_of,
)
from hostess.domain.hostess_yml.findings import Findings
from hostess.domain.hostess_yml.forms import (
    FilePart,
    HealthPart,
    Part,
    PortPart,
    ReplicasForm,
    ReplicasPart,
    ResourcesPart,
)
from hostess.domain.hostess_yml.mistakes import Path, listed
from hostess.domain.hostess_yml.models import JobPart, ServicePart
from hostess.domain.hostess_yml.shape import shaped
from hostess.domain.hostess_yml.special import SPECIAL, RedisSpecial
from hostess.domain.hostess_yml.stack import Run, ServiceType, Visibility
from hostess.domain.hostess_yml.words import Retention

_APPS_ONLY = (
    *("build", "image", "source", "entrypoint", "command", "env", "env_file", "files", "domains", "ports"),
    *("lifecycle", "insights", "proxy"),
)
_SOURCES = ("build", "image", "source")
_KEEPS_DATA = DATABASES | {ServiceType.CUSTOM}
ONLY: Mapping[str, frozenset[ServiceType]] = {
    **dict.fromkeys(_APPS_ONLY, frozenset(ServiceType) - DATABASES),
    "persistence": frozenset({ServiceType.CUSTOM}),
    "retention": _KEEPS_DATA,
    "backups": _KEEPS_DATA,
    "databases": DATABASES,
    "special": frozenset(SPECIAL),
}
"""The keys of a service that apply to some types only, and to which."""

_SYSTEM = frozenset(
    ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var")
)
_KERNEL = ("/proc/", "/sys/", "/dev/")

Rule = Callable[[Draft, str, ServicePart], None]


def check_services(draft: Draft) -> None:
    """Note what is wrong within each service."""
    for name, part in draft.services.items():
        rules = _ALWAYS if draft.known_type(name) is None else (*_ALWAYS, *_BY_TYPE)
        for rule in rules:
            rule(draft, name, part)


def check_jobs(draft: Draft) -> None:
    """Note what is wrong within each job."""
    for name, part in draft.jobs.items():
        path = ("jobs", name)
        _one_source(draft.findings, path, part, ("image", "build"))
        _check_files(draft.findings, path, part.files or [], ())
        _check_build_args(draft.findings, path, part)
        _check_resources(draft.findings, path, part, disk=False)
        _check_job_schedule(draft.findings, path, part)


def check_special(draft: Draft) -> dict[str, Part | None]:
    """Return the checked `special` of each service that has one; note its mistakes."""
    found: dict[str, Part | None] = {}
    for name, part in draft.services.items():
        kind = draft.known_type(name)
        if part.special is not None and kind in SPECIAL:
            path = ("services", name, "special")
            found[name] = shaped(SPECIAL[kind], part.special, path, draft.findings)
            _check_redis(draft.findings, path, found[name], part)
    return found


def _check_redis(findings: Findings, path: Path, special: Part | None, part: ServicePart) -> None:
    if not isinstance(special, RedisSpecial):
        return
    if special.maxmemory is not None and special.maxmemory_percent is not None:
        findings.add((*path, "maxmemory_percent"), "excludes maxmemory", "keep one of the two", key=True)
    limit = resources(part.resources, disk=True).memory
    if special.maxmemory is not None and special.maxmemory > limit:
        hint = f"the limit is {quantities.memory_text(limit)}; raise resources"
        findings.add((*path, "maxmemory"), "is more than the memory limit", hint)
    elif redis.cap(special.maxmemory, special.maxmemory_percent, limit) > limit * redis.ROOMY:
        findings.note(
            f"{'.'.join(map(str, path))}: maxmemory is above 90 % of the memory limit: "
            "copies made while saving and the buffers of clients may not fit beside it"
        )


def _applies(draft: Draft, name: str, part: ServicePart) -> None:
    kind = type_of(part)
    for key, kinds in ONLY.items():
        if getattr(part, key) is None or kind in kinds:
            continue
        if key in _SOURCES and kind in DATABASES:
            message, hint = (
                f"does not apply to {kind}: Hostess runs it itself",
                "choose its version with special.version",
            )
        else:
            message, hint = (
                f"does not apply to {kind}",
                f"it is for {listed((k.value for k in ServiceType if k in kinds), 'and')}",
            )
        draft.findings.add(("services", name, key), message, hint, key=True)


def _code(draft: Draft, name: str, part: ServicePart) -> None:
    path = ("services", name)
    if type_of(part) in DATABASES:
        return
    if type_of(part) is ServiceType.STATIC:
        for key in ("build", "image"):
            if getattr(part, key) is not None:
                hint = "use source, or type custom for an image of your own"
                draft.findings.add((*path, key), "does not apply to static", hint, key=True)
        if part.source is None and not any(draft.findings.is_spoilt(*path, key) for key in _SOURCES):
            draft.findings.add(path, "needs source: the folder or page to serve")
        return
    _one_source(draft.findings, path, part, _SOURCES)


def _one_source(findings: Findings, path: Path, part: ServicePart | JobPart, keys: Sequence[str]) -> None:
    given = [key for key in keys if getattr(part, key, None) is not None]
    if len(given) > 1:
        findings.add((*path, given[1]), f"excludes {given[0]}", f"keep one of {listed(given)}", key=True)
    if not given and not any(findings.is_spoilt(*path, key) for key in keys):
        findings.add(path, f"needs one of {listed(keys)}", "say where its code comes from")


def _visibility(draft: Draft, name: str, part: ServicePart) -> None:
    path: Path = ("services", name)
    holders: list[tuple[Path, ServicePart | PortPart]] = [(path, part)]
    holders += [((*path, "ports", index), port) for index, port in enumerate(ports_of(part))]
    for at, holder in holders:
        _check_public(draft.findings, at, holder)
    if type_of(part) in DATABASES and part.visibility is Visibility.TEAM:
        hint = f"databases are private; reach it with `hostess connect {name}`"
        draft.findings.add((*path, "visibility"), f"team does not apply to {type_of(part)}", hint)
    if draft.has_domains(name) and type_of(part) not in DATABASES and not draft.findings.is_spoilt(*path, "ports"):
        _check_reachable(draft, name, part)


def _check_reachable(draft: Draft, name: str, part: ServicePart) -> None:
    """Note a service that has domains, but no port that they could lead to."""
    own = draft.visibility(name)
    visibilities = [asked_visibility(port) or own for port in ports_of(part)] or [own]
    if set(visibilities) != {Visibility.PRIVATE}:
        return
    key = next((key for key in ("visibility", "public") if getattr(part, key) is not None), "ports")
    draft.findings.add(("services", name, key), "is private, but the service has domains", "remove one of the two")


def _check_public(findings: Findings, path: Path, part: ServicePart | PortPart) -> None:
    if part.public is None:
        return
    meant = Visibility.PUBLIC if part.public else Visibility.PRIVATE
    if part.visibility not in {None, meant}:
        findings.add((*path, "public"), f"contradicts visibility: {part.visibility}", "keep visibility", key=True)
    else:
        findings.note(f"`public: {str(part.public).lower()}` is the old spelling of `visibility`; both work")


def _ports(draft: Draft, name: str, part: ServicePart) -> None:
    seen: set[int] = set()
    for index, port in enumerate(ports_of(part)):
        if port.port in seen:
            long = not isinstance((part.ports or [])[index], int)
            path: Path = ("services", name, "ports", index, *(["port"] if long else []))
            draft.findings.add(path, f"{port.port} is listed twice", "list each port once")
        seen.add(port.port)


def _resources(draft: Draft, name: str, part: ServicePart) -> None:
    _check_resources(draft.findings, ("services", name), part, disk=type_of(part) in DATABASES)


def _check_resources(findings: Findings, path: Path, part: ServicePart | JobPart, *, disk: bool) -> None:
    given = part.resources
    if not isinstance(given, ResourcesPart):
        return
    path = (*path, "resources")
    if given.preset is not None and (given.cpu is not None or given.memory is not None):
        findings.add((*path, "preset"), "excludes cpu and memory", "keep the preset or the numbers", key=True)
    elif (given.cpu is None) != (given.memory is None):
        here, other = ("cpu", "memory") if given.memory is None else ("memory", "cpu")
        if not findings.is_spoilt(*path, other):
            findings.add(
                (*path, here), f"needs {other} with it", "or use a preset: small, medium, large, xlarge", key=True
            )
    if given.storage is not None and not disk:
        hint = "for data of a custom service use persistence.size" if isinstance(part, ServicePart) else ""
        findings.add((*path, "storage"), "applies to postgres and redis only", hint, key=True)


def _replicas(draft: Draft, name: str, part: ServicePart) -> None:
    check_replicas(draft, name, part.replicas, ("services", name, "replicas"))


def check_replicas(draft: Draft, name: str, form: ReplicasForm | None, path: Path) -> None:
    """Note what is wrong with the number of replicas of a service, whether written there or in an environment."""
    part = draft.services[name]
    if not isinstance(form, ReplicasPart):
        return
    kind, findings = type_of(part), draft.findings
    for key in ("sleep_after", "target_requests") if form.min else ():
        if getattr(form, key) is not None:
            findings.add((*path, key), "applies to what may sleep", "use min: 0", key=True)
    if form.min > form.max:
        findings.add((*path, "max"), f"is less than min ({form.min})")
    elif kind in DATABASES or is_persistent(part):
        if form.min != form.max:
            what = f"{kind} runs" if kind in DATABASES else "a service with data on disk runs"
            findings.add(path, f"needs a fixed number: {what} on a fixed count", "write replicas: 1")
    elif form.min == 0:
        why = _why_not_zero(draft, name)
        if why:
            findings.add((*path, "min"), f"cannot be 0: the service {why}", "use min: 1")


def _why_not_zero(draft: Draft, name: str) -> str:
    """Return why nothing could wake the service (spec section 7.3), or ""."""
    part, public = draft.services[name], _public_count(draft, name)
    if draft.findings.is_spoilt("services", name, "ports"):
        return ""
    if type_of(part) is ServiceType.CUSTOM and not part.ports and not public:
        return "lists no port to wake it"
    if part.backups is not None:
        return "is backed up by its own command, for which it must run"
    return "has more than one public port" if public > 1 else ""


def _public_count(draft: Draft, name: str) -> int:
    own = draft.visibility(name)
    visibilities = [asked_visibility(port) or own for port in ports_of(draft.services[name])] or [own]
    return sum(visibility is not Visibility.PRIVATE for visibility in visibilities)


def _health(draft: Draft, name: str, part: ServicePart) -> None:
    health, kind = part.health, type_of(part)
    if health is None:
        return
    path = ("services", name, "health")
    if health.http is not None and health.command is not None:
        draft.findings.add((*path, "command"), "excludes http", "keep one of the two", key=True)
    if kind in DATABASES:
        for key in ("http", "command", "port"):
            if getattr(health, key) is not None:
                draft.findings.add((*path, key), f"does not apply to {kind}", "Hostess knows how to ask it", key=True)
        draft.findings.note(f"services.{name}.health has no effect: Hostess checks {kind} itself")
    elif kind is ServiceType.CUSTOM and not _says_how(health) and not _spoilt_how(draft.findings, path):
        draft.findings.add(path, "needs http or command", "custom services have no check of their own")


def _says_how(health: HealthPart) -> bool:
    return health.http is not None or health.command is not None


def _spoilt_how(findings: Findings, path: Path) -> bool:
    return findings.is_spoilt(*path, "http") or findings.is_spoilt(*path, "command")


def _persistence(draft: Draft, name: str, part: ServicePart) -> None:
    path: Path = ("services", name, "persistence")
    kept = part.persistence is not None and part.persistence is not False
    if kept and part.retention is Retention.EPHEMERAL:
        draft.findings.add(path, "excludes retention: ephemeral", "remove one of the two", key=True)
    names: set[str] = set()
    mounts: list[str] = []
    for index, mount in enumerate(mounts_of(part)):
        at = (*path, index) if isinstance(part.persistence, list) else path
        if mount.name is None and isinstance(part.persistence, list):
            draft.findings.add((*at, "name"), "is required in a list of mounts", "name each mount, like data", key=True)
        if mount.name in names:
            draft.findings.add((*at, "name"), "is used by another mount", "give each mount its own name")
        fault = _mount_fault(mount.mount, mounts)
        if fault:
            draft.findings.add((*at, "mount"), fault, "mount a folder of the app's own, like /data")
        names.add(mount.name or "data")
        mounts.append(mount.mount)


def _mount_fault(path: str, others: Iterable[str]) -> str:
    if path == "/" or path in _SYSTEM or path.startswith(_KERNEL):
        return "is a folder of the system"
    if any(path == other or _inside(path, other) or _inside(other, path) for other in others):
        return "overlaps another mount"
    return ""


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _files(draft: Draft, name: str, part: ServicePart) -> None:
    persistent = [mount.mount for mount in mounts_of(part)]
    if is_persistent(part) and not persistent:
        persistent = ["/data"]
    _check_files(draft.findings, ("services", name), part.files or [], persistent)


def _check_files(findings: Findings, path: Path, files: list[FilePart], persistent: Iterable[str]) -> None:
    names: set[str] = set()
    mounts: set[str] = set()
    for index, file in enumerate(files):
        at = (*path, "files", index)
        given = [key for key in ("source", "content", "secret") if getattr(file, key) is not None]
        if len(given) > 1:
            findings.add((*at, given[1]), f"excludes {given[0]}", "keep one of source, content and secret", key=True)
        elif not given and not any(findings.is_spoilt(*at, key) for key in ("source", "content", "secret")):
            findings.add((*at, "name"), "needs one of source, content or secret", key=True)
        if file.name in names:
            findings.add((*at, "name"), "is used by another file", "give each file its own name")
        if file.mount in mounts:
            findings.add((*at, "mount"), "is used by another file")
        if file.mount == "/" or file.mount in _SYSTEM or file.mount.startswith(_KERNEL):
            findings.add((*at, "mount"), "cannot be replaced by a file")
        if any(file.mount == folder or _inside(file.mount, folder) for folder in persistent):
            findings.add((*at, "mount"), "lies in a persistent folder", "mount the file elsewhere")
        names.add(file.name)
        mounts.add(file.mount)


def _build_args(draft: Draft, name: str, part: ServicePart) -> None:
    _check_build_args(draft.findings, ("services", name), part)


def _check_build_args(findings: Findings, path: Path, part: ServicePart | JobPart) -> None:
    for key, value in ((part.build and part.build.args) or {}).items():
        if "${secret:" in value:
            hint = "build arguments stay in the image; use env, which is set when the container runs"
            findings.add((*path, "build", "args", key), "cannot hold a secret", hint)
        elif "${" in value:
            findings.note(
                f"{'.'.join(map(str, path))}.build.args.{key} is passed on as written: build.args are literal"
            )


def _backups(draft: Draft, name: str, part: ServicePart) -> None:
    form, kind = part.backups, type_of(part)
    if form is None or kind not in _KEEPS_DATA:
        return
    path = ("services", name, "backups")
    full = form if isinstance(form, BackupsPart) else BackupsPart.model_construct(schedule=form)
    if kind is ServiceType.CUSTOM and full.command is None and not draft.findings.is_spoilt(*path, "command"):
        draft.findings.add(path, "needs command: how a custom service writes its backup to /backup")
    if kind is ServiceType.CUSTOM and full.command is not None:
        _backup_folder(draft.findings, name, part)
    for key in ("command", "restore_command"):
        if kind in DATABASES and getattr(full, key) is not None:
            hint = "Hostess knows how to back it up"
            draft.findings.add((*path, key), f"does not apply to {kind}", hint, key=True)
    for key in ("pitr", "drill"):
        if getattr(full, key) and kind is not ServiceType.POSTGRES:
            draft.findings.add((*path, key), "applies to postgres only", key=True)


def _backup_folder(findings: Findings, name: str, part: ServicePart) -> None:
    """Find what lies where a backup's command writes: that folder is emptied before and afterwards."""
    listed = isinstance(part.persistence, list)
    places: list[tuple[Path, str]] = [
        (("persistence", index) if listed else ("persistence",), mount.mount)
        for index, mount in enumerate(mounts_of(part))
    ]
    places += [(("files", index), file.mount) for index, file in enumerate(part.files or [])]
    for at, mount in places:
        if mount == "/backup" or _inside(mount, "/backup"):
            hint = "mount it elsewhere: /backup is where command writes"
            findings.add(("services", name, *at, "mount"), "is emptied before and after each backup", hint)


def _check_job_schedule(findings: Findings, path: Path, part: JobPart) -> None:
    cron = part.run is Run.CRON
    if cron and part.schedule is None and not findings.is_spoilt(*path, "schedule"):
        findings.add((*path, "schedule"), "is required with run: cron", 'for example "0 3 * * *"', key=True)
    if part.schedule is not None and not cron and not findings.is_spoilt(*path, "run"):
        findings.add((*path, "schedule"), "needs run: cron", "add run: cron, or remove the schedule", key=True)


_ALWAYS: tuple[Rule, ...] = (_visibility, _ports, _persistence, _files, _build_args)
_BY_TYPE: tuple[Rule, ...] = (_applies, _code, _resources, _replicas, _health, _backups)
