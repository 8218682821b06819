"""One Compose service as an entry of hostess.yml."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hostess.domain.docker_compose import kinds as compose_kinds
from hostess.domain.docker_compose import values as compose_values
from hostess.domain.docker_compose.env import Peer, rewritten
from hostess.domain.docker_compose.health import Probe, health, probe
from hostess.domain.docker_compose.kinds import Database
from hostess.domain.docker_compose.mounts import Mounts, mounts
from hostess.domain.docker_compose.reading import items, mapping, scalar
from hostess.domain.docker_compose.values import Published, Surroundings, argv, duration, pairs
from hostess.domain.hostess_yml.build import PORTS
from hostess.domain.hostess_yml.reading import Tree
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.hostess_yml.yaml_text import Data

Entry = dict[str, Data]

_TAKEN = frozenset(
    (
        *(
            "image",
            "build",
            "command",
            "entrypoint",
            "environment",
            "env_file",
            "ports",
            "expose",
            "volumes",
            "depends_on",
        ),
        *("healthcheck", "deploy", "scale", "mem_limit", "cpus", "configs", "secrets", "stop_grace_period", "links"),
    )
)
_NEEDLESS = frozenset(
    (
        *("container_name", "hostname", "restart", "networks", "logging", "tty", "stdin_open", "init", "pull_policy"),
        *("develop", "labels", "profiles", "extends", "attach", "annotations", "mem_reservation", "memswap_limit"),
        *("shm_size", "stop_signal", "platform", "runtime", "oom_kill_disable", "ulimits", "cpu_shares"),
    )
)
_MOST_REPLICAS = 100
_SMALL = 512
_LONGEST_GRACE = timedelta(hours=24)
_POLICIES = ("--maxmemory-policy", "maxmemory_policy")


@dataclass(frozen=True, slots=True)
class Given:
    """A Compose service as far as it can be told without the others. *is_job* when it ends and others wait for that."""

    old: str
    name: str
    body: Mapping[str, Tree]
    type: ServiceType
    code: Entry
    database: Database | None
    ports: tuple[Published, ...]
    probe: Probe | None
    mounts: Mounts
    is_job: bool

    @property
    def place(self) -> str:
        """Where it stands in the Compose file, for notes."""
        return f"services.{self.old}"

    @property
    def is_public(self) -> bool:
        """Whether Compose publishes a port of it that speaks HTTP."""
        return self.database is None and any(map(_is_shown, self.ports))

    def peer(self) -> Peer:
        """Return what others need to know."""
        return Peer(self.name, self.type, tuple(port.number for port in self.ports), _credentials(self))


def given(old: str, name: str, data: Mapping[str, Tree], code: Entry, *, is_job: bool, around: Surroundings) -> Given:
    """Return a service of the Compose file *data* under its new *name*; *code* is its `build` or `image`."""
    body = mapping(mapping(data.get("services")).get(old))
    place = f"services.{old}"
    image = code.get("image")
    database = compose_kinds.database(image) if isinstance(image, str) else None
    ports = tuple(compose_values.ports(body, around, place))
    found = None if database else probe(body, around)
    if not ports and found is not None and found.port:
        ports = (Published(found.port, outside=False),)
    mounted = Mounts() if database else mounts(body, data, around, place)
    kind = database.type if database else _application(body, code, around, listens=bool(ports))
    if mounted.folders and kind in {ServiceType.FASTAPI, ServiceType.NEXTJS}:
        around.note(place, f"is of type custom, not {kind}: only custom services keep folders")
        ports = ports or (Published(PORTS[kind], outside=False),)
        kind = ServiceType.CUSTOM
    return Given(old, name, body, kind, code, database, ports, found, mounted, is_job)


def entry(
    service: Given, peers: Mapping[str, Peer], waits_for: Mapping[str, str], around: Surroundings, *, shown: bool
) -> Entry:
    """Return the service as hostess.yml writes it.

    *waits_for* maps the names of its dependencies in the Compose file to the new ones; *shown*: whether any service is public.
    """
    if service.database:
        return _database(service, around)
    told: Entry = {} if service.is_job else {"type": service.type.value}
    told |= service.code
    for key in ("entrypoint", "command"):
        words = argv(service.body.get(key), around)
        if words:
            told[key] = list(words)
    if service.is_job and "command" not in told:
        told["command"] = told.pop("entrypoint")
    if not service.is_job:
        told |= _ports(service, around, shown=shown)
    env = rewritten(pairs(service.body.get("environment")), peers, waits_for, around)
    told |= {"env": env} if env else {}
    told |= _env_files(service, around)
    told |= {"files": service.mounts.files} if service.mounts.files else {}
    told |= {"depends_on": list(waits_for.values())} if waits_for else {}
    limits = compose_values.limits(service.body, around)
    if not service.is_job:
        told |= _running(service, around)
    told |= {"resources": limits} if limits else {}
    _tell_rest(service, around)
    return told


def _application(body: Mapping[str, Tree], code: Entry, around: Surroundings, *, listens: bool) -> ServiceType:
    build = code.get("build")
    context = build.get("source") if isinstance(build, Mapping) else None
    if not isinstance(context, str):
        return ServiceType.CUSTOM
    command = [*(argv(body.get("entrypoint"), around) or []), *(argv(body.get("command"), around) or [])]
    return compose_kinds.application(around.checkout, context, command=command, listens=listens)


def _credentials(service: Given) -> dict[str, str]:
    """Return what the database is called and opened with in the Compose file, as it is written there."""
    if service.database is None:
        return {}
    env = pairs(service.body.get("environment"))
    known = {"port": str(PORTS[service.type])}
    prefixes = ("POSTGRES", "POSTGRESQL") if service.type is ServiceType.POSTGRES else ("REDIS", "VALKEY")
    for prefix in prefixes:
        for what, key in (
            ("user", "USER"),
            ("user", "USERNAME"),
            ("password", "PASSWORD"),
            ("database", "DB"),
            ("database", "DATABASE"),
        ):
            known |= {what: value} if (value := env.get(f"{prefix}_{key}")) else {}
    known.setdefault("database", known.get("user", ""))
    words = _words(service.body)
    if "--requirepass" in words[:-1]:
        known["password"] = words[words.index("--requirepass") + 1]
    return known


def _words(body: Mapping[str, Tree]) -> list[str]:
    """Return a command's words with their variables as they are written."""
    return [word for item in items(body.get("command")) for word in (scalar(item) or "").split()]


def _database(service: Given, around: Surroundings) -> Entry:
    database = service.database or Database(service.type)
    told: Entry = {"type": service.type.value, "resources": "small"}
    special: dict[str, Data] = {"version": database.version} if database.version else {}
    if database.extensions:
        special["extensions"] = list(database.extensions)
    if service.type is ServiceType.REDIS:
        special |= _eviction(service, around)
    if database.lost:
        around.note(service.place, database.lost)
    for key in ("env_file", "configs", "secrets"):
        if service.body.get(key) is not None:
            around.note(
                service.place, f"{key} is left out: user, password and name of the database are made by Hostess"
            )
    if any("initdb" in around.text(item) for item in items(service.body.get("volumes"))):
        around.note(service.place, "scripts for a new database are left out: run them as a job or a migration")
    if service.type is ServiceType.POSTGRES and service.body.get("command") is not None:
        around.note(service.place, "command is left out: Hostess starts it itself")
    return told | ({"special": special} if special else {})


def _eviction(service: Given, around: Surroundings) -> dict[str, Data]:
    words = [around.text(word) for word in _words(service.body)]
    flags = dict(itertools.pairwise(words))
    told: dict[str, Data] = {}
    size = compose_values.memory(flags.get("--maxmemory"), around)
    if size is not None and size <= _SMALL:
        told["maxmemory"] = f"{size}Mi"
    elif size is not None:
        around.note(service.place, f"maxmemory is left out: it is above the memory of preset small ({_SMALL}Mi)")
    if _POLICIES[0] in flags:
        told[_POLICIES[1]] = flags[_POLICIES[0]]
    return told


def _is_shown(port: Published) -> bool:
    return port.outside and compose_kinds.speaks_http(port.number)


def _ports(service: Given, around: Surroundings, *, shown: bool) -> Entry:
    """Return `ports` and `visibility`: what Compose publishes is public, as far as it speaks HTTP."""
    for port in service.ports:
        if port.outside and not _is_shown(port):
            around.note(service.place, f"port {port.number} is private: only HTTP is routed from outside")
    numbers: Sequence[Data] = [
        port.number if _is_shown(port) or not service.is_public else {"port": port.number, "visibility": "private"}
        for port in service.ports
    ]
    usual = service.type is not ServiceType.CUSTOM and numbers == [PORTS[service.type]]
    told: Entry = {"ports": numbers} if numbers and not usual else {}
    if service.is_public:
        return told | ({} if service.type is ServiceType.NEXTJS else {"visibility": "public"})
    return told | ({"visibility": "private"} if service.type is ServiceType.NEXTJS and shown else {})


def _env_files(service: Given, around: Surroundings) -> Entry:
    paths: list[Data] = []
    for item in items(service.body.get("env_file")) or [service.body.get("env_file")]:
        written = around.text(item.get("path")) if isinstance(item, dict) else around.text(item)
        path = around.located(written)
        name = written.rpartition("/")[2]
        if path and around.checkout.is_file(path) and not name.startswith(".env"):
            paths.append(path)
        elif written:
            hint = "write its values under env, secret ones as ${secret:NAME}"
            around.note(service.place, f"env_file {written} is left out, as it is not part of the repository: {hint}")
    return {"env_file": paths} if paths else {}


def _running(service: Given, around: Surroundings) -> Entry:
    """Return how the service is watched, how many run, what it keeps and how it ends."""
    port = service.ports[0].number if service.ports else PORTS[service.type]
    check = health(service.body, service.probe, service.type, port, around)
    told: Entry = {"health": check} if check else {}
    wanted = around.text(mapping(service.body.get("deploy")).get("replicas") or service.body.get("scale"))
    if re.fullmatch(r"[1-9]\d{0,4}", wanted, re.ASCII) and wanted != "1":
        told["replicas"] = min(int(wanted), _MOST_REPLICAS)
    if service.mounts.folders:
        told["persistence"] = service.mounts.persistence()
    grace = duration(service.body.get("stop_grace_period"), timedelta(seconds=1), _LONGEST_GRACE)
    return told | ({"lifecycle": {"shutdown": {"timeout": grace}}} if grace else {})


def _tell_rest(service: Given, around: Surroundings) -> None:
    """Tell the keys that mean something and have no place in hostess.yml."""
    rest = [key for key in service.body if key not in _TAKEN | _NEEDLESS and not key.startswith("x-")]
    if rest:
        around.note(service.place, f"{', '.join(rest)} cannot be carried over")
    build = mapping(service.body.get("build"))
    lost = [
        key for key in build if key not in {"context", "dockerfile", "args", "tags", "labels", "cache_from", "cache_to"}
    ]
    if lost and "build" in service.code:
        around.note(service.place, f"build.{', build.'.join(lost)} cannot be carried over")
