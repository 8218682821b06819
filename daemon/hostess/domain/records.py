"""What the journal remembers besides releases and deployments: small frozen rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from hostess.domain.releases.release import Release


@dataclass(frozen=True, slots=True)
class Project:
    """A project; it exists from its first push or from `projects create`. *description* is for people, "" for none."""

    name: str
    created_at: datetime
    description: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An environment of a project: its network, and the number of the release that is live there."""

    project: str
    environment: str
    network: str
    subnet: str
    live: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """What somebody has set for an environment beside hostess.yml, above which it stands. None: nothing was set."""

    project: str
    environment: str
    branches: tuple[str, ...] | None = None
    ephemeral: bool | None = None
    ttl: timedelta | None = None
    auto_delete: bool | None = None
    protected: bool | None = None


@dataclass(frozen=True, slots=True)
class LiveDomain:
    """A host that leads to a service of an environment since *actor* said so, beside hostess.yml."""

    host: str
    project: str
    environment: str
    service: str
    since: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Step:
    """One journalled step of a deployment. *outcome* is empty while it runs, then "done" or "failed"."""

    id: int
    deployment: str
    name: str
    detail: Mapping[str, object]
    begun_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's row: the value is sealed and opened only by the vault."""

    project: str
    environment: str
    name: str
    version: int
    sealed: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """An API token's row: only the SHA-256 of the token is kept. No *projects* means all of them."""

    id: str
    name: str
    digest: str
    role: str
    projects: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """Something that must still be done, across restarts (drain, stop and remove containers)."""

    id: int
    kind: str
    payload: Mapping[str, object]
    due_at: datetime
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for people and watchers. It carries no secret."""

    id: int
    at: datetime
    project: str
    environment: str
    kind: str
    message: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job. *outcome* is empty while it runs, then "done", "failed", "timeout", "cancelled" or "interrupted".

    *trigger* says what started it: "deploy", "schedule", "manual", "init", "shutdown". *spec* is the job's digest, by which `once`
    knows itself again.
    """

    id: str
    project: str
    environment: str
    job: str
    trigger: str
    spec: str
    started_at: datetime
    attempt: int = 1
    deployment: str = ""
    ended_at: datetime | None = None
    outcome: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """Whose requests go to it: so many *percent* of clients, and those whose *header* has one of these values.

    With *auto* it gets more and is made live by itself, or is taken back when it answers worse than what is live.
    """

    percent: int
    header: str = ""
    values: tuple[str, ...] = ()
    auto: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What a release has answered: how many requests, how many with 5xx, how many *within* each of the proxy's bounds of seconds."""

    count: int = 0
    errors: int = 0
    within: tuple[int, ...] = ()


class Counted(NamedTuple):
    """By what answers are counted; *environment* is "" where a proxy counts all environments of a project together."""

    project: str
    environment: str
    service: str
    release: str


@dataclass(frozen=True, slots=True)
class Advance:
    """When a canary that goes on by itself got its share, and what the *live* release and its *own* had answered until then."""

    since: datetime
    live: Answers = Answers()
    own: Answers = Answers()


@dataclass(frozen=True, slots=True)
class Canary:
    """The one canary of an environment. *services* are those that it has replicas of, started by *deployment*."""

    release: Release
    services: tuple[str, ...]
    deployment: str
    share: Share
    since: datetime
    actor: str
    advance: Advance | None = None

    @property
    def tried(self) -> Release:
        """Its release with the services alone that it has replicas of."""
        workloads = {name: self.release.workloads[name] for name in self.services}
        return replace(self.release, workloads=workloads, jobs={})
