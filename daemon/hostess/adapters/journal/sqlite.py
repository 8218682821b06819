"""The journal on SQLite: one connection, owned by one thread; every call is one transaction, on disk before it returns."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar, Unpack

from sqlite_utils import Database

from hostess.adapters.journal import (
    addresses,
    closures,
    deployments,
    environments,
    projects,
    releases,
    runs,
    secrets,
    tasks,
)
from hostess.adapters.journal import domains as domains_given
from hostess.adapters.journal.backups import BackupRows
from hostess.adapters.journal.canaries import CanaryRows
from hostess.adapters.journal.database import JournalFile
from hostess.adapters.journal.issuances import SqliteIssuances
from hostess.adapters.journal.keyed_requests import KeyedRequestRows
from hostess.adapters.journal.locks import LockRows
from hostess.adapters.journal.registries import RegistryRows
from hostess.adapters.journal.ssh_keys import SshKeyRows
from hostess.adapters.journal.usage import UsageRows
from hostess.adapters.journal.wal import WalRows
from hostess.adapters.journal.webhooks import WebhookRows
from hostess.domain.problem import Problem
from hostess.domain.records import (
    EnvironmentSettings,
    Event,
    JobRun,
    LiveDomain,
    Place,
    Project,
    Secret,
    Step,
    Task,
    Token,
)
from hostess.domain.releases.release import Deployment, Moving, Release, State
from hostess.domain.routing.closures import Closure

P = ParamSpec("P")
T = TypeVar("T")


class SqliteJournal(
    BackupRows, CanaryRows, KeyedRequestRows, LockRows, RegistryRows, SshKeyRows, UsageRows, WalRows, WebhookRows
):
    """`Journal` (domain/ports.py) in one file. Made by `open`; the caller closes it.

    A call that is cancelled while it waits is carried out whole or not at all. Problem "journal-failed" when SQLite cannot read or
    write (a full disk): nothing of that call is kept then, and later calls may succeed.
    """

    def __init__(self, file: JournalFile, thread: ThreadPoolExecutor) -> None:
        self._file = file
        self._thread = thread
        self.issuances = SqliteIssuances(self._do)

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the journal at *path*, making it when there is none; Problems as those of `JournalFile`."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        try:
            return cls(await asyncio.get_running_loop().run_in_executor(thread, JournalFile, path), thread)
        except BaseException:
            thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Finish what was begun and close the file; a second call does nothing."""
        thread, file = self._thread, self._file
        try:
            closing = asyncio.get_running_loop().run_in_executor(thread, file.close)
        except RuntimeError:  # shut down already
            return
        thread.shutdown(wait=False)
        await closing

    async def _do(self, work: Callable[Concatenate[Database, P], T], *args: P.args, **fields: P.kwargs) -> T:
        """Carry *work* out as one transaction in the journal's thread."""

        def transaction() -> T:
            database = self._file.database
            try:
                with database.atomic():
                    return work(database, *args, **fields)
            except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
                raise  # a mistake of ours
            except sqlite3.DatabaseError as error:
                raise _failed(error) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    # ---- the installation, projects and environments ----

    async def instance(self) -> str:
        """Return this installation's id."""
        return await self._do(projects.fact, "instance") or ""

    async def note(self, name: str) -> str | None:
        """Return a small fact, or None."""
        return await self._do(projects.fact, f"note {name}")

    async def set_note(self, name: str, value: str) -> None:
        """Store a small fact."""
        await self._do(projects.set_fact, f"note {name}", value)

    async def create_project(self, name: str, now: datetime) -> bool:
        """Create a project; False when it is there already."""
        return await self._do(projects.create, name, now)

    async def describe_project(self, name: str, description: str) -> None:
        """Say what a project is."""
        await self._do(projects.describe, name, description)

    async def projects(self) -> list[Project]:
        """Return all projects by name."""
        return await self._do(projects.every)

    async def remove_project(self, name: str) -> None:
        """Forget a project and all that hangs on it; open tasks stay."""
        await self._do(projects.remove, name)

    async def open_place(self, project: str, environment: str, subnets: Sequence[str], now: datetime) -> Place:
        """Return the environment, made with a subnet of its own if need be; Problem "project-not-found" too."""
        return await self._do(projects.open_place, project, environment, subnets, now)

    async def places(self, project: str | None = None) -> list[Place]:
        """Return the environments of a project, or all."""
        return await self._do(projects.places, project)

    async def remove_place(self, project: str, environment: str, keep: Collection[str]) -> None:
        """Forget an environment; the credentials of the services *keep* stay."""
        await self._do(environments.remove, project, environment, keep)

    async def put_environment(self, settings: EnvironmentSettings) -> None:
        """Write settings down; Problem "project-not-found"."""
        await self._do(environments.put, settings)

    async def environment_settings(self, project: str) -> list[EnvironmentSettings]:
        """Return the settings of a project's environments."""
        return await self._do(environments.several, project)

    async def put_closure(self, closure: Closure) -> None:
        """Write a closure down; Problem "project-not-found"."""
        await self._do(closures.put, closure)

    async def drop_closures(self, gone: Collection[Closure]) -> None:
        """Forget closures, as they are."""
        await self._do(closures.drop, gone)

    async def closures(self) -> list[Closure]:
        """Return all closures."""
        return await self._do(closures.every)

    async def put_domain(self, domain: LiveDomain) -> None:
        """Write a domain down; Problem "environment-not-found", "host-taken"."""
        await self._do(domains_given.put, domain)

    async def drop_domain(self, project: str, host: str) -> LiveDomain | None:
        """Forget a domain and return it."""
        return await self._do(domains_given.drop, project, host)

    async def domains(self) -> list[LiveDomain]:
        """Return all domains that were given by command."""
        return await self._do(domains_given.every)

    async def addresses(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return the virtual addresses of all services."""
        return await self._do(addresses.every)

    async def give_addresses(
        self,
        project: str,
        environment: str,
        services: Collection[str],
        pool: Sequence[str],
        spare: Collection[str] = (),
    ) -> bool:
        """Give services addresses, for good; Problem "addresses-exhausted"."""
        return await self._do(addresses.give, project, environment, services, pool, spare)

    # ---- deployments and their steps ----

    async def add_deployment(self, deployment: Deployment) -> None:
        """Write a new deployment down; Problem "project-not-found"."""
        await self._do(deployments.add, deployment)

    async def deployment(self, deployment: str) -> Deployment | None:
        """Return one by the beginning of its id; Problem "deployment-ambiguous"."""
        return await self._do(deployments.find, deployment)

    async def deployments(
        self,
        project: str | None = None,
        environment: str | None = None,
        states: Iterable[State] = (),
        limit: int = 100,
        before: str | None = None,
    ) -> list[Deployment]:
        """Return deployments, newest first; Problem "deployment-not-found" for an unknown *before*."""
        return await self._do(deployments.page, (project, environment), states, limit, before)

    async def move(self, deployment: str, to: State, now: datetime, **fields: Unpack[Moving]) -> Deployment:
        """Move a deployment along its legal moves; Problem "deployment-not-found", IllegalMoveError."""
        return await self._do(deployments.move, deployment, to, now, **fields)

    async def begin_step(
        self, deployment: str, name: str, detail: Mapping[str, object], now: datetime, phase: str | None = None
    ) -> int:
        """Write down that a step begins, and the phase it belongs to; Problem "deployment-not-found"."""
        return await self._do(deployments.begin_step, deployment, name, detail, now, phase)

    async def end_step(self, step: int, outcome: str, now: datetime) -> None:
        """Write down how it ended; LookupError when it never began."""
        await self._do(deployments.end_step, step, outcome, now)

    async def steps(self, deployment: str) -> list[Step]:
        """Return the steps of a deployment in order."""
        return await self._do(deployments.steps, deployment)

    # ---- releases ----

    async def next_number(self, project: str, environment: str) -> int:
        """Return a release number that was never used there; Problem "project-not-found"."""
        return await self._do(projects.burn, project, environment, "release")

    async def switch(
        self, deployment: str, release: Release, hosts: Mapping[str, str], tasks: Sequence[Task], now: datetime
    ) -> None:
        """Make the switch; on Problem "host-taken", "environment-not-found", "deployment-not-found" nothing is changed."""
        await self._do(releases.switch, deployment, release, hosts, tasks, now)

    async def live(self, project: str, environment: str) -> Release | None:
        """Return the live release."""
        return await self._do(releases.live, project, environment)

    async def release(self, project: str, environment: str, number: int) -> Release | None:
        """Return one release that was live once, even if its switch was taken back."""
        return await self._do(releases.one, project, environment, number)

    async def releases(self, project: str, environment: str, limit: int, below: int | None = None) -> list[Release]:
        """Return releases, newest first, without those whose switch was taken back; with *below* those of lower numbers alone."""
        return await self._do(releases.newest, project, environment, limit, below)

    async def amend(self, release: Release) -> None:
        """Replace the record of a release; Problem "release-not-found"."""
        await self._do(releases.amend, release)

    async def resize(self, live: Release, service: str, replicas: int) -> bool:
        """Give a service of the live release another number of replicas."""
        return await self._do(releases.resize, live, service, replicas)

    async def replace_image(self, release: Release, name: str, image: str) -> None:
        """Write down another image of a service or job of a release."""
        await self._do(releases.replace_image, release, name, image)

    async def revert(self, project: str, environment: str, number: int | None, hosts: Mapping[str, str]) -> None:
        """Take a switch back; on Problem "release-not-found", "host-taken" nothing is changed."""
        await self._do(releases.revert, project, environment, number, hosts)

    async def take_down(self, project: str, environment: str) -> None:
        """Let nothing be live, and no host be taken."""
        await self._do(releases.take_down, project, environment)

    async def host_owners(self, hosts: Iterable[str]) -> dict[str, tuple[str, str, str]]:
        """Return host -> (project, environment, service) of those that are taken."""
        return await self._do(releases.host_owners, hosts)

    # ---- images built, and tasks ----

    async def built(self, key: str) -> str | None:
        """Return the id of the image built from this content key."""
        return await self._do(tasks.built, key)

    async def remember_build(self, key: str, image: str, project: str, now: datetime) -> None:
        """Write down which image a content key gave; Problem "project-not-found"."""
        await self._do(tasks.remember_build, key, image, project, now)

    async def add_task(self, kind: str, payload: Mapping[str, object], due_at: datetime) -> int:
        """Add a task; return its id."""
        return await self._do(tasks.add, kind, payload, due_at)

    async def tasks(self) -> list[Task]:
        """Return all open tasks, the one due first first."""
        return await self._do(tasks.every)

    async def postpone(self, task: int, due_at: datetime, error: str) -> None:
        """Note a failed attempt and when to try again."""
        await self._do(tasks.postpone, task, due_at, error)

    async def amend_task(self, task: int, payload: Mapping[str, object]) -> None:
        """Replace what a task says; one that is finished stays so."""
        await self._do(tasks.amend, task, payload)

    async def finish_task(self, task: int) -> None:
        """Forget a task that is done."""
        await self._do(tasks.finish, task)

    # ---- runs of jobs ----

    async def put_run(self, run: JobRun) -> None:
        """Write a run down, or replace the one with its id; Problem "project-not-found"."""
        await self._do(runs.put, run)

    async def runs(self, project: str, environment: str, job: str | None = None, limit: int = 100) -> list[JobRun]:
        """Return runs, newest first."""
        return await self._do(runs.several, project, environment, job, limit)

    async def open_runs(self) -> list[JobRun]:
        """Return the runs that have not ended."""
        return await self._do(runs.still_open)

    async def done_once(self, project: str, environment: str, job: str, spec: str) -> bool:
        """Whether a run of the job with this spec ended well."""
        return await self._do(runs.done_once, project, environment, job, spec)

    async def forget_once(self, project: str, environment: str, job: str) -> None:
        """Let a `once` job run again."""
        await self._do(runs.forget_once, project, environment, job)

    # ---- secrets and tokens ----

    async def put_secret(
        self, project: str, environment: str, name: str, seal: Callable[[int], str], now: datetime
    ) -> int:
        """Store a new version; *seal* is called in the journal's thread. Problem "project-not-found"."""
        return await self._do(secrets.put, (project, environment, name), seal, now)

    async def secrets(self, project: str, environment: str) -> list[Secret]:
        """Return the newest version of each secret, by name."""
        return await self._do(secrets.newest, project, environment)

    async def remove_secret(self, project: str, environment: str, name: str) -> bool:
        """Remove all versions; False when there was none."""
        return await self._do(secrets.remove, project, environment, name)

    async def add_token(self, token: Token) -> None:
        """Store a token's row."""
        await self._do(secrets.add_token, token)

    async def token(self, digest: str) -> Token | None:
        """Return the token with this SHA-256."""
        return await self._do(secrets.token, digest)

    async def tokens(self) -> list[Token]:
        """Return all tokens, the oldest first."""
        return await self._do(secrets.tokens)

    async def revoke_token(self, token: str) -> bool:
        """Delete a token by id; False when there is none."""
        return await self._do(secrets.revoke_token, token)

    async def used_token(self, token: str, now: datetime) -> None:
        """Note when a token was last used."""
        await self._do(secrets.used_token, token, now)

    # ---- events ----

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
        return await self._do(tasks.tell, Event(0, now, project, environment, kind, message, data or {}))

    async def events(self, after: int = 0, project: str | None = None, limit: int = 100, kind: str = "") -> list[Event]:
        """Return events above *after*, oldest first; with after < 0 the newest."""
        return await self._do(tasks.events, after, project, limit, kind)


def _failed(error: sqlite3.DatabaseError) -> Problem:
    return Problem(
        "journal-failed",
        f"the journal could not be read or written: {error}",
        serving="what runs goes on running",
        remedy="is the disk full or failing? `hostess doctor` looks",
    )
