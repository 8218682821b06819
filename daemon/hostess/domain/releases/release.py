"""A release: everything one deployment needs, as one immutable record; and the table of a deployment's legal moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict, Unpack

from hostess.domain.hostess_yml.stack import Backups, Concurrency, Condition, Health, Hook, Replicas, Run, ServiceType
from hostess.domain.routing.route_settings import RouteSettings


class State(StrEnum):
    """Where a deployment is."""

    QUEUED = "queued"
    RUNNING = "running"
    SWITCHED = "switched"
    LIVE = "live"
    DEGRADED = "degraded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    CANARY = "canary"


NEXT: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.SUPERSEDED, State.FAILED}),
    State.RUNNING: frozenset({State.SWITCHED, State.CANARY, State.FAILED, State.CANCELLED}),
    State.SWITCHED: frozenset({State.LIVE, State.DEGRADED, State.FAILED}),
}
"""Legal moves; a state that is no key is final."""


OPEN = tuple(NEXT)
"""The states of a deployment that somebody still works on, or has to finish."""


def final(state: State) -> bool:
    """Whether a deployment in *state* will not move again."""
    return state not in NEXT


class Kind(StrEnum):
    """What asked for the deployment. All kinds take the one path."""

    PUSH = "push"
    ROLLBACK = "rollback"
    RESTART = "restart"
    SCALE = "scale"
    PROMOTE = "promote"
    UPGRADE = "upgrade"
    ROTATION = "rotation"


@dataclass(frozen=True, slots=True)
class StaticSite:
    """The files of a static service: the key of their folder. *spa*: paths that lead to no file are answered with index.html.

    *earlier* is the key that was live before ("" for none): pages of it that are still open find their assets.
    """

    key: str
    spa: bool = False
    earlier: str = ""

    def after(self, old: "StaticSite | None") -> "StaticSite":
        """Return the same site as what follows *old*."""
        if old is None:
            return self
        return replace(self, earlier=old.earlier if old.key == self.key else old.key)


@dataclass(frozen=True, slots=True)
class Inside:
    """What is made inside a managed database while it runs: nothing of it is a part of its container.

    *groups* are its scoped databases: group -> index in redis (in postgres just its place in the file). *extensions* are those
    of postgres; *maxmemory* (bytes, 0 for none) and *policy* are the limits of a redis.
    """

    groups: Mapping[str, int] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    maxmemory: int = 0
    policy: str = "noeviction"


@dataclass(frozen=True, slots=True)
class Opened:
    """A database's way in from outside: at *host*, for clients of the networks *allow* (none given: for all)."""

    host: str
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """One service of a release, ready to be started: image by id, environment sealed, limits in the engine's units.

    *spec* is a keyed digest of everything that makes a container of it: equal specs are interchangeable, so an unchanged service
    is carried over. *volumes* maps volume name to path inside, *owners* such a path to who owns that folder. *hosts* are the names
    routed to each public port, in port order.
    *sealed_env* is the resolved environment, secrets included, encrypted for this project, environment and service;
    *sealed_files* in the same way the files that are put into the container ("" for none).
    A static service has *static*, no image, no replicas and no containers: the proxy serves its files. *inside* is what a managed
    database is to have inside. *sign_in* are those of its public ports at which the proxy asks for a token, *proxy* is what else
    it asks of the proxy. *backups* is when a backup is taken of it, and how many are kept. *storage* are the bytes that a database
    declares to need on the disk; they are watched. *version* is what a postgres's data is of. *scaling*
    is between which bounds it is scaled by its load; None where it is not. *opened* is where a database is reached from outside.
    *databases* are those that its environment names, whether or not it says that it depends on them.
    """

    name: str
    type: ServiceType
    image: str
    spec: str
    sealed_env: str
    replicas: int
    cpu: float
    memory: int
    singleton: bool
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    ports: tuple[int, ...] = ()
    hosts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    health: Health | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    migrate: Hook | None = None
    post_deploy: Hook | None = None
    init: Hook | None = None
    shutdown: Hook | None = None
    restarted: str = ""
    sealed_files: str = ""
    static: StaticSite | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    inside: Inside | None = None
    sign_in: tuple[int, ...] = ()
    proxy: RouteSettings | None = None
    backups: Backups | None = None
    storage: int | None = None
    version: str = ""
    scaling: Replicas | None = None
    opened: Opened | None = None
    databases: tuple[str, ...] = ()

    @property
    def is_database(self) -> bool:
        """Whether it is a managed database."""
        return self.type in {ServiceType.POSTGRES, ServiceType.REDIS}

    @property
    def asleep(self) -> bool:
        """Whether it has no replica until somebody asks for it."""
        return self.scaling is not None and self.replicas == 0


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """One job of a release. *workload* holds image, command, sealed environment and limits; its spec is the job's digest."""

    workload: Workload
    run: Run
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    schedule: str | None = None
    timeout: timedelta = timedelta(minutes=5)
    retries: int = 1
    concurrency: Concurrency = Concurrency.FORBID

    @property
    def name(self) -> str:
        """The job's name."""
        return self.workload.name


@dataclass(frozen=True, slots=True)
class Release:
    """A numbered, complete record of what an environment runs. *file* is the text of hostess.yml it was made from."""

    project: str
    environment: str
    number: int
    commit: str
    created_at: datetime
    workloads: Mapping[str, Workload]
    file: str = ""
    jobs: Mapping[str, ReleaseJob] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """How people name it: "v12"."""
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One attempt to make a release live; the journal holds its steps."""

    id: str
    project: str
    environment: str
    kind: Kind
    state: State
    commit: str
    ref: str
    previous: str
    actor: str
    created_at: datetime
    release: int | None = None
    phase: str = ""
    problem: Mapping[str, object] | None = None
    finished_at: datetime | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    cancel: bool = False


class IllegalMoveError(Exception):
    """A deployment was asked to take a move that NEXT does not have; always a bug of the caller."""


class Moving(TypedDict, total=False):
    """What may change together with a deployment's state."""

    release: int | None
    phase: str
    problem: Mapping[str, object] | None
    seconds: Mapping[str, float]
    cancel: bool


def moved(deployment: Deployment, to: State, now: datetime, **fields: Unpack[Moving]) -> Deployment:
    """Return the deployment in state *to* with *fields* replaced; a final state that is entered sets finished_at.

    The same state again is allowed and changes only *fields*. IllegalMoveError for anything else that NEXT does not have.
    """
    unknown = fields.keys() - Moving.__annotations__.keys()
    if unknown:
        raise TypeError(f"a move cannot set {', '.join(sorted(unknown))}")
    if to is deployment.state:
        return replace(deployment, **fields)
    if to not in NEXT.get(deployment.state, frozenset()):
        raise IllegalMoveError(f"deployment {deployment.id} cannot go from {deployment.state} to {to}")
    return replace(deployment, state=to, finished_at=now if final(to) else None, **fields)
