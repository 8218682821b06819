"""A stack: hostess.yml as checked, complete values. Made by `file.parse`; who holds one need check nothing again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class ServiceType(StrEnum):
    """The six service types (spec section 2)."""

    FASTAPI = "fastapi"
    NEXTJS = "nextjs"
    STATIC = "static"
    CUSTOM = "custom"
    POSTGRES = "postgres"
    REDIS = "redis"


class Visibility(StrEnum):
    """Who can reach a service or a port from outside."""

    PUBLIC = "public"
    TEAM = "team"
    PRIVATE = "private"


class Condition(StrEnum):
    """What a dependent waits for: services become healthy, jobs complete."""

    HEALTHY = "healthy"
    COMPLETED = "completed"


class OnFailure(StrEnum):
    """What a failed hook means for the release."""

    ABORT = "abort"
    ROLLBACK = "rollback"
    CONTINUE = "continue"


class Run(StrEnum):
    """When a job runs."""

    ON_DEPLOY = "on_deploy"
    ONCE = "once"
    MANUAL = "manual"
    CRON = "cron"
    LIFECYCLE = "lifecycle"


class Concurrency(StrEnum):
    """What happens when a job is to run while it runs: it does not, both run, or the new run takes the old one's place."""

    FORBID = "forbid"
    ALLOW = "allow"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Build:
    """An image made from the pushed tree: *source* and *dockerfile* are relative, "/"-joined, without ".." (dockerfile below source).

    *secrets*: id in the Dockerfile -> name of the secret.
    """

    source: str
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port that the container listens on; the first of a service is its primary one."""

    number: int
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class Health:
    """How a replica shows that it is well: an HTTP path, or a command run inside; exactly one is set."""

    http: str | None = None
    command: tuple[str, ...] = ()
    port: int | None = None
    interval: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=5)
    retries: int = 3


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits: *cpu* in cores, *memory* and *storage* in bytes; storage is for databases and watched, not reserved."""

    cpu: float
    memory: int
    storage: int | None = None


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many; fixed when low == high. *target_cpu* is a percentage of the limit.

    With *low* 0 it sleeps when nobody has asked for it for *sleep_after*; awake it is scaled by requests, of which each replica
    should have *target_requests* in flight.
    """

    low: int = 1
    high: int = 1
    target_cpu: int = 70
    target_requests: int = 20
    sleep_after: timedelta = timedelta(minutes=5)

    @property
    def fixed(self) -> bool:
        """Whether nothing scales it."""
        return self.low == self.high

    @property
    def scales(self) -> bool:
        """Whether its load scales it: its CPU, or its requests where it may sleep."""
        return self.low < self.high

    @property
    def may_sleep(self) -> bool:
        """Whether it needs no replica while nobody asks for it."""
        return self.low == 0


@dataclass(frozen=True, slots=True)
class Hook:
    """A lifecycle command: argv, or the name of a job with `run: lifecycle`."""

    command: tuple[str, ...] = ()
    job: str | None = None
    timeout: timedelta = timedelta(minutes=5)
    on_failure: OnFailure = OnFailure.ABORT


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The four hooks (spec section 4.1)."""

    init: Hook | None = None
    migrate: Hook | None = None
    post_deploy: Hook | None = None
    shutdown: Hook | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A persistent directory of a custom service."""

    name: str
    path: str
    size: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A single read-only file put into the container; exactly one of source, content and secret is set."""

    name: str
    path: str
    source: str | None = None
    content: str | None = None
    secret: str | None = None
    mode: int = 0o444


@dataclass(frozen=True, slots=True)
class Backups:
    """When and how a service is backed up; *schedule* is a preset's name or five cron fields.

    *heartbeat* is the URL that is fetched after each good backup, "" for none. *drill* is SQL that must work in what was restored.
    """

    schedule: str
    retention: int = 7
    pitr: bool = False
    command: tuple[str, ...] = ()
    restore_command: tuple[str, ...] = ()
    heartbeat: str = ""
    drill: tuple[str, ...] = ()


class Protocol(StrEnum):
    """What a service speaks behind the proxy: HTTP/1.1, or HTTP/2 without TLS (gRPC)."""

    HTTP1 = "http1"
    H2C = "h2c"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many *requests* one client may send *per* so much time, and how many of them at once."""

    requests: int
    per: timedelta
    burst: int


@dataclass(frozen=True, slots=True)
class Buffer:
    """Where a request's body waits until it is whole: up to so many bytes in memory, a longer one on disk, up to so many."""

    memory: int = 2**20
    disk: int = 2**30


@dataclass(frozen=True, slots=True)
class Remembered:
    """For how long browsers that have come by TLS come by nothing else (RFC 6797); *subdomains* and *preload* widen that."""

    max_age: timedelta = timedelta(days=365)
    subdomains: bool = False
    preload: bool = False


@dataclass(frozen=True, slots=True)
class Proxy:
    """What a service asks of the proxy; each default asks for nothing.

    *path* is the prefix at its hosts. *basic_auth* maps who may come to the secret with the password. *canonical_host* is the one of
    its domains that all others lead to. *error_pages* is a folder of the repository. *redirect_https* are the hosts at which plain
    HTTP leads to HTTPS where everybody trusts their certificate, None: all of them.
    """

    path: str = "/"
    strip_prefix: bool = False
    response_timeout: timedelta | None = None
    max_body: int | None = None
    buffer_requests: Buffer | None = None
    compress: bool = False
    basic_auth: Mapping[str, str] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    rate_limit: RateLimit | None = None
    canonical_host: str = ""
    error_pages: str = ""
    expose_release: bool = False
    slow_start: timedelta = timedelta(0)
    protocol: Protocol = Protocol.HTTP1
    redirect_https: tuple[str, ...] | None = None
    hsts: Remembered | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A database's way in from outside, for clients of the networks *allow*; none given: for all."""

    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One service, every default filled in.

    *permanent*: its data outlives deployments and environments; *retention_written*: because the file says so, not by default.
    """

    name: str
    type: ServiceType
    resources: Resources
    build: Build | None = None
    image: str | None = None
    source: str | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    domains: tuple[str, ...] = ()
    visibility: Visibility = Visibility.PRIVATE
    ports: tuple[Port, ...] = ()
    replicas: Replicas = field(default_factory=Replicas)
    health: Health | None = None
    permanent: bool = False
    retention_written: bool = False
    persistence: tuple[Mount, ...] = ()
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    backups: Backups | None = None
    databases: Mapping[str, tuple[str, ...]] | None = None
    special: Mapping[str, object] = field(default_factory=dict)
    proxy: Proxy | None = None

    @property
    def is_database(self) -> bool:
        """Whether Hostess runs it as a managed database."""
        return self.type in {ServiceType.POSTGRES, ServiceType.REDIS}

    @property
    def opening(self) -> Opening | None:
        """Its way in from outside, where it is a database that has one."""
        found = self.special.get("external")
        return found if isinstance(found, Opening) else None

    @property
    def is_worker(self) -> bool:
        """Whether nothing is routed to it and nothing listens (CONTRACT section 6)."""
        return not self.is_database and not self.ports

    @property
    def is_singleton(self) -> bool:
        """Whether two of it must never run at once: databases, what persists data, workers with exactly one replica."""
        alone = self.is_worker and self.replicas.fixed and self.replicas.high == 1
        return self.is_database or bool(self.persistence) or alone

    @property
    def public_ports(self) -> tuple[Port, ...]:
        """The ports that get a host name of their own, in the file's order; those that ask for sign-in, too."""
        return tuple(port for port in self.ports if port.visibility is not Visibility.PRIVATE)

    @property
    def team_ports(self) -> tuple[int, ...]:
        """The numbers of the ports that ask for sign-in."""
        return tuple(port.number for port in self.ports if port.visibility is Visibility.TEAM)


@dataclass(frozen=True, slots=True)
class Job:
    """A command that ends."""

    name: str
    run: Run
    command: tuple[str, ...]
    resources: Resources
    build: Build | None = None
    image: str | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    schedule: str | None = None
    timeout: timedelta = timedelta(minutes=5)
    retries: int = 1
    concurrency: Concurrency = Concurrency.FORBID


@dataclass(frozen=True, slots=True)
class Environment:
    """What the file says of one environment: branch patterns, its own domains and replica counts."""

    name: str
    branches: tuple[str, ...] = ()
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    replicas: Mapping[str, Replicas] = field(default_factory=dict)
    ephemeral: bool = False
    ttl: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """The whole file. *notices* are sentences for the person who pushed (defaults taken, legacy spellings)."""

    services: Mapping[str, Service]
    name: str | None = None
    description: str = ""
    jobs: Mapping[str, Job] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
