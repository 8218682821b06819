"""The one durable state."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, Unpack

from hostess.domain.ports.backups import BackupRecords
from hostess.domain.ports.forges import WebhookRecords
from hostess.domain.ports.issuances import IssuanceJournal
from hostess.domain.ports.keyed_requests import KeyedRequestRecords
from hostess.domain.ports.registries import RegistryRecords
from hostess.domain.ports.ssh_keys import SshKeyRecords
from hostess.domain.ports.usage_history import UsageRecords
from hostess.domain.ports.wal import WalRecords
from hostess.domain.records import (
    Advance,
    Canary,
    EnvironmentSettings,
    Event,
    JobRun,
    LiveDomain,
    Place,
    Project,
    Secret,
    Share,
    Step,
    Task,
    Token,
)
from hostess.domain.releases.lock import Lock
from hostess.domain.releases.release import Deployment, Moving, Release, State
from hostess.domain.routing.closures import Closure


class Journal(
    BackupRecords,
    KeyedRequestRecords,
    RegistryRecords,
    SshKeyRecords,
    UsageRecords,
    WalRecords,
    WebhookRecords,
    Protocol,
):
    """The one durable state. Every method is one transaction, synced to disk before it returns."""

    @property
    def issuances(self) -> IssuanceJournal:
        """Return its part about orders for certificates."""

    async def instance(self) -> str:
        """Return this installation's id: 12 hex digits, made at the first start."""

    async def note(self, name: str) -> str | None:
        """Return a small fact about this installation (the vault's sentinel), or None."""

    async def set_note(self, name: str, value: str) -> None:
        """Store such a fact, replacing an older one."""

    # projects and environments
    async def create_project(self, name: str, now: datetime) -> bool:
        """Create a project; False when it is there already."""

    async def describe_project(self, name: str, description: str) -> None:
        """Say what a project is; Problem "project-not-found"."""

    async def projects(self) -> list[Project]:
        """Return all projects by name."""

    async def remove_project(self, name: str) -> None:
        """Forget a project and all that hangs on it."""

    async def open_place(self, project: str, environment: str, subnets: Sequence[str], now: datetime) -> Place:
        """Return the environment; make it with the first of *subnets* that no other has. Problem "subnets-exhausted"."""

    async def places(self, project: str | None = None) -> list[Place]:
        """Return the environments of a project, or all."""

    async def remove_place(self, project: str, environment: str, keep: Collection[str]) -> None:
        """Forget an environment and all that hangs on it, but its events and the credentials of the services *keep*."""

    async def put_environment(self, settings: EnvironmentSettings) -> None:
        """Write down what was set for an environment, in place of what was."""

    async def environment_settings(self, project: str) -> list[EnvironmentSettings]:
        """Return what was set for the environments of a project, by name."""

    # what is closed by hand
    async def put_closure(self, closure: Closure) -> None:
        """Write a closure down, in place of one of the same kind for the same service. Problem "project-not-found"."""

    async def drop_closures(self, closures: Collection[Closure]) -> None:
        """Forget these; one that was replaced since stays."""

    async def closures(self) -> list[Closure]:
        """Return all closures there are, of all environments."""

    # what keeps deployments out
    async def put_lock(self, lock: Lock) -> None:
        """Write a lock down, in place of any of its environment. Problem "project-not-found"."""

    async def drop_lock(self, project: str, environment: str) -> Lock | None:
        """Forget the lock of an environment and return it; None when there was none."""

    async def lock(self, project: str, environment: str) -> Lock | None:
        """Return the lock of an environment."""

    # domains that were given to services by command
    async def put_domain(self, domain: LiveDomain) -> None:
        """Write a domain down, or move it within its project. Problem "environment-not-found", "host-taken"."""

    async def drop_domain(self, project: str, host: str) -> LiveDomain | None:
        """Forget a domain of a project and return it; None when there was none."""

    async def domains(self) -> list[LiveDomain]:
        """Return all of them, by name."""

    # canaries
    async def put_canary(self, canary: Canary) -> None:
        """Write a canary down, in place of any of its environment; the next switch there ends it."""

    async def share_canary(self, canary: Canary, share: Share, advance: Advance | None = None) -> bool:
        """Give a canary another share, and say how it goes on by itself (None: it does not); False when it is no more."""

    async def drop_canary(self, project: str, environment: str) -> None:
        """Forget the canary of an environment, if there is one."""

    async def canary(self, project: str, environment: str) -> Canary | None:
        """Return the canary of an environment."""

    async def canaries(self) -> list[Canary]:
        """Return all canaries."""

    # addresses of services
    async def addresses(self) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """Return (project, environment) -> service -> its virtual address."""

    async def give_addresses(
        self,
        project: str,
        environment: str,
        services: Collection[str],
        pool: Sequence[str],
        spare: Collection[str] = (),
    ) -> bool:
        """Give each of *services* an address of *pool* that it keeps; return whether one was given.

        Where all are taken, one goes that belongs to a service that is neither among them nor in *spare*. Problem
        "addresses-exhausted" when there is none.
        """

    # deployments and their steps
    async def add_deployment(self, deployment: Deployment) -> None:
        """Write a new deployment down."""

    async def deployment(self, deployment: str) -> Deployment | None:
        """Return one; an unambiguous beginning of its id is enough."""

    async def deployments(
        self,
        project: str | None = None,
        environment: str | None = None,
        states: Iterable[State] = (),
        limit: int = 100,
        before: str | None = None,
    ) -> list[Deployment]:
        """Return deployments, newest first, older than the one with id *before*; no *states* means all."""

    async def move(self, deployment: str, to: State, now: datetime, **fields: Unpack[Moving]) -> Deployment:
        """Move a deployment along `release.NEXT` (the same state again is allowed: then only *fields* change) and return it.

        *fields*: release, phase, problem, seconds, cancel. A final state sets finished_at. IllegalMoveError otherwise.
        """

    async def begin_step(
        self, deployment: str, name: str, detail: Mapping[str, object], now: datetime, phase: str | None = None
    ) -> int:
        """Write down that a step begins; return its id. A *phase* becomes the deployment's."""

    async def end_step(self, step: int, outcome: str, now: datetime) -> None:
        """Write down how it ended: "done" or "failed"."""

    async def steps(self, deployment: str) -> list[Step]:
        """Return the steps of a deployment in order."""

    # releases
    async def next_number(self, project: str, environment: str) -> int:
        """Return a release number that was never used there, and burn it."""

    async def switch(
        self, deployment: str, release: Release, hosts: Mapping[str, str], tasks: Sequence[Task], now: datetime
    ) -> None:
        """Make the switch, in one transaction.

        The release is saved and live in its environment, the deployment SWITCHED, *hosts* (host -> service) are exactly those
        of the environment, *tasks* are added, a canary of it is one no more. Problem "host-taken" when another environment has one of
        them, by its release or by command.
        """

    async def live(self, project: str, environment: str) -> Release | None:
        """Return the live release."""

    async def release(self, project: str, environment: str, number: int) -> Release | None:
        """Return one release that was live once."""

    async def releases(self, project: str, environment: str, limit: int, below: int | None = None) -> list[Release]:
        """Return releases, newest first; those whose switch was taken back are left out. With *below* those of lower numbers alone."""

    async def amend(self, release: Release) -> None:
        """Replace the record of a release without any other change."""

    async def resize(self, live: Release, service: str, replicas: int) -> bool:
        """Give a service of the live release another number of replicas than *live* says; False when that is not what is live now."""

    async def replace_image(self, release: Release, name: str, image: str) -> None:
        """Write down another image of a service or job of a release, where it is still the one that *release* has."""

    async def revert(self, project: str, environment: str, number: int | None, hosts: Mapping[str, str]) -> None:
        """Take a switch back: *number* (None: nothing) is live again with these *hosts*."""

    async def take_down(self, project: str, environment: str) -> None:
        """Let nothing be live there, and no host be taken; what was live stays a release to return to."""

    async def host_owners(self, hosts: Iterable[str]) -> dict[str, tuple[str, str, str]]:
        """Return host -> (project, environment, service) of those that are taken, by a release or by command."""

    # images built
    async def built(self, key: str) -> str | None:
        """Return the id of the image built from this content key."""

    async def remember_build(self, key: str, image: str, project: str, now: datetime) -> None:
        """Write down which image a content key gave."""

    # tasks that survive restarts
    async def add_task(self, kind: str, payload: Mapping[str, object], due_at: datetime) -> int:
        """Add a task; return its id."""

    async def tasks(self) -> list[Task]:
        """Return all open tasks, the one due first first."""

    async def postpone(self, task: int, due_at: datetime, error: str) -> None:
        """Note a failed attempt and when to try again."""

    async def amend_task(self, task: int, payload: Mapping[str, object]) -> None:
        """Replace what a task says; one that is finished stays so."""

    async def finish_task(self, task: int) -> None:
        """Forget a task that is done."""

    # runs of jobs
    async def put_run(self, run: JobRun) -> None:
        """Write a run down, or replace the one with its id."""

    async def runs(self, project: str, environment: str, job: str | None = None, limit: int = 100) -> list[JobRun]:
        """Return runs, newest first."""

    async def open_runs(self) -> list[JobRun]:
        """Return the runs that have not ended."""

    async def done_once(self, project: str, environment: str, job: str, spec: str) -> bool:
        """Whether a run of the job with this spec ended well since the last `forget_once`."""

    async def forget_once(self, project: str, environment: str, job: str) -> None:
        """Let a `once` job run again at the next deployment."""

    # secrets
    async def put_secret(
        self, project: str, environment: str, name: str, seal: Callable[[int], str], now: datetime
    ) -> int:
        """Store a new version of a secret; *seal* gets the version and returns the sealed value. Return the version."""

    async def secrets(self, project: str, environment: str) -> list[Secret]:
        """Return the newest version of each secret, by name; names with ":" are credentials made by Hostess."""

    async def remove_secret(self, project: str, environment: str, name: str) -> bool:
        """Remove all versions; False when there was none."""

    # tokens
    async def add_token(self, token: Token) -> None:
        """Store a token's row."""

    async def token(self, digest: str) -> Token | None:
        """Return the token with this SHA-256 (hex)."""

    async def tokens(self) -> list[Token]:
        """Return all tokens."""

    async def revoke_token(self, token: str) -> bool:
        """Delete a token by id; False when there is none."""

    async def used_token(self, token: str, now: datetime) -> None:
        """Note when a token was last used (at most once a minute is enough)."""

    # events
    async def tell(
        self,
        kind: str,
        message: str,
        now: datetime,
        *,
        project: str = "",
        environment: str = "",
        data: Mapping[str, object] | None = None,
    ) -> Event:
        """Append an event."""

    async def events(self, after: int = 0, project: str | None = None, limit: int = 100, kind: str = "") -> list[Event]:
        """Return events with an id above *after*, oldest first; with after < 0 the newest *limit* of them.

        *kind*: of this kind alone, or of those that begin with it and a dot ("audit": all of "audit. ..."); "" for all.
        """
