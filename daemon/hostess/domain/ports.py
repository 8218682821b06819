"""What the services need from outside, in our words. Adapters implement these; tests/contract holds them to it.

Every method that waits for something outside is a coroutine. Adapters turn their library's errors into Problems.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, Unpack

from hostess.domain.push import Say
from hostess.domain.records import Event, Place, Project, Secret, Step, Task, Token
from hostess.domain.release import Deployment, Moving, Release, State

# ---- the container engine ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Everything needed to create one container.

    *cpu* in cores, *memory* in bytes. *volumes* maps volume name to path inside. *aliases* are its DNS names on *network*;
    *address* is a fixed IPv4 address there. *restart*: whether the engine restarts it when it exits or at boot.
    Adapters always add: no-new-privileges, NET_RAW and MKNOD dropped, a pids limit, a capped log, an init process.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    network: str
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    address: str | None = None
    cpu: float | None = None
    memory: int | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    restart: bool = False
    stop_grace: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine reports it. *state* is the engine's word: created, running, paused, restarting, exited, dead.

    *address* is the address it has now (or, when it was given a fixed one, that), on its one network; "" when it has none.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    state: str
    address: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: datetime | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a container wrote; *stream* is "stdout" or "stderr"."""

    at: datetime
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """One image to build. *context* yields the build context as a tar stream (uncompressed), in chunks, on a worker thread.

    *dockerfile* is its path inside the context. *memory* in bytes, *cpus* in cores.
    """

    tag: str
    context: Callable[[], Iterable[bytes]]
    dockerfile: str
    args: Mapping[str, str]
    labels: Mapping[str, str]
    cpus: float
    memory: int
    timeout: timedelta
    no_cache: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A local image."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the engine is: *cpus* in cores, *memory* in bytes; *root* is the folder where it keeps images and volumes."""

    version: str
    api: str
    cpus: float
    memory: int
    root: str


class Engine(Protocol):
    """The container engine (Docker)."""

    async def facts(self) -> EngineFacts:
        """Return what the engine is; Problem "engine-unreachable" when it does not answer."""

    async def image(self, reference: str) -> Image | None:
        """Return the local image of that name or id, or None."""

    async def images(self, labels: Mapping[str, str]) -> list[Image]:
        """Return the local images that carry all these labels."""

    async def pull(self, reference: str, say: Say) -> Image:
        """Fetch an image from its registry; Problem "image-not-found" or "registry-unreachable"."""

    async def remove_image(self, reference: str) -> None:
        """Remove a tag or an untagged id; an absent one, or one still in use, is no error."""

    async def tag(self, image: str, tag: str) -> None:
        """Give a local image another name."""

    async def build(self, order: BuildOrder, say: Say) -> str:
        """Build an image and return its id; Problem "build-failed" (with tail), "build-timeout", "base-image-not-found".

        Cancelling the coroutine ends the build in the engine, too.
        """

    async def make_network(self, name: str, subnet: str, labels: Mapping[str, str]) -> None:
        """Create a bridge network with that subnet (CIDR); one of that name that is there already is no error."""

    async def networks(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return name -> subnet of the networks that carry all these labels."""

    async def remove_network(self, name: str) -> None:
        """Remove a network; an absent one is no error."""

    async def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume; one of that name that is there already is no error."""

    async def volumes(self, labels: Mapping[str, str]) -> list[str]:
        """Return the names of the volumes that carry all these labels."""

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; an absent one is no error."""

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id; it is not started. Problem "image-not-found", "name-taken"."""

    async def start(self, container: str) -> None:
        """Start a container; one that runs already is no error. Problem "container-start-failed" with the engine's reason."""

    async def stop(self, container: str, grace: timedelta) -> None:
        """Send the stop signal, after *grace* kill; return when it has stopped. An absent or stopped one is no error."""

    async def kill(self, container: str) -> None:
        """Kill at once; an absent or stopped one is no error."""

    async def remove(self, container: str) -> None:
        """Remove a container with its nameless volumes, killing it if it runs; an absent one is no error."""

    async def wait(self, container: str) -> int:
        """Return the exit code once it has exited; of one that has exited already, at once."""

    async def container(self, container: str) -> Container | None:
        """Return one container as it is now, or None when it is gone."""

    async def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """Return all containers, stopped ones too, that carry all these labels, oldest first."""

    async def logs(self, container: str, tail: int) -> list[LogLine]:
        """Return its last lines, at most *tail*; none when it is gone."""

    def follow(self, container: str, tail: int, since: datetime | None = None) -> AsyncIterator[LogLine]:
        """Yield its last *tail* lines (no older than *since*), then each new one until it ends or the iterator is closed."""

    async def execute(self, container: str, command: Sequence[str], timeout: timedelta) -> tuple[int, str]:
        """Run a command inside; return exit code and the end of its output (at most 16 KB).

        At *timeout* it is killed inside the container, too, and the exit code is 124.
        """


# ---- git repositories --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """Bounds on a pushed tree."""

    files: int = 100_000
    bytes: int = 2 * 1024**3
    file_bytes: int = 1024**3
    path: int = 4096


class Repositories(Protocol):
    """The bare repositories, one per project, read with dulwich; refs are moved by compare-and-swap."""

    async def create(self, project: str) -> None:
        """Make `<data_dir>/repos/<project>.git` with the hook and settings that pushes need; an existing one is refreshed."""

    async def remove(self, project: str) -> None:
        """Delete a repository; an absent one is no error."""

    async def commit_of(self, project: str, revision: str) -> str | None:
        """Return the commit id (40 hex) that an object id, ref or tag stands for; None when it is no commit."""

    async def read_file(self, project: str, commit: str, path: str, limit: int) -> bytes | None:
        """Return a file of the commit, None when absent; Problem "file-too-large" beyond *limit* bytes."""

    async def tree_id(self, project: str, commit: str, path: str) -> str | None:
        """Return the id of the tree (or blob) at *path* ("." = root), None when absent. Equal ids mean equal content."""

    async def check_tree(self, project: str, commit: str, limits: TreeLimits) -> None:
        """Problem when the tree breaks a bound, holds an unsafe path, a submodule, an LFS pointer or a symlink that escapes."""

    def context(self, project: str, commit: str, path: str, dockerfile: str) -> Iterable[bytes]:
        """Yield the tree at *path* as a tar stream, symlinks kept, `.dockerignore` honoured by Docker's rules. Blocking: use a thread."""

    async def ref(self, project: str, ref: str) -> str | None:
        """Return the object id a ref points to."""

    async def move_ref(self, project: str, ref: str, old: str, new: str) -> bool:
        """Move a ref if it still is *old* (ZERO: absent); *new* ZERO deletes. False when it was something else."""

    async def contains(self, project: str, descendant: str, ancestor: str) -> bool:
        """Whether *ancestor* can be reached from *descendant*."""

    async def title(self, project: str, commit: str) -> str:
        """Return the first line of the commit's message."""

    async def tag_of(self, project: str, commit: str) -> str | None:
        """Return a tag that points at the commit, if any (the first by name)."""


# ---- the proxy ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Where one host (and path prefix) is routed. *targets* are "address:port". *release* is for the access log and pages."""

    host: str
    project: str
    service: str
    release: str
    targets: tuple[str, ...]
    path: str = "/"


class Router(Protocol):
    """The proxy, as the daemon sees it."""

    async def publish(self, routes: Sequence[Upstreams]) -> int:
        """Make these routes the whole table, acknowledged by every worker; return its generation. Problem "proxy-unreachable"."""

    async def in_flight(self, targets: Sequence[str]) -> int:
        """Return how many requests (upgraded connections too) the workers together hold at these targets."""

    async def drained(self, targets: Sequence[str], within: timedelta) -> int:
        """Wait until nothing is in flight at these targets; after *within* cut what is left, and return how many were cut."""

    async def prove(self, host: str, path: str) -> tuple[int, str]:
        """Ask for a page through the proxy's own listener; return its status, and the proxy's own error code ("" = the app's answer)."""


# ---- state -------------------------------------------------------------------------------------------------------------


class Journal(Protocol):
    """The one durable state. Every method is one transaction, synced to disk before it returns."""

    async def instance(self) -> str:
        """Return this installation's id: 12 hex digits, made at the first start."""

    async def note(self, name: str) -> str | None:
        """Return a small fact about this installation (the vault's sentinel), or None."""

    async def set_note(self, name: str, value: str) -> None:
        """Store such a fact, replacing an older one."""

    # projects and environments
    async def create_project(self, name: str, now: datetime) -> bool:
        """Create a project; False when it is there already."""

    async def projects(self) -> list[Project]:
        """Return all projects by name."""

    async def remove_project(self, name: str) -> None:
        """Forget a project and all that hangs on it."""

    async def open_place(self, project: str, environment: str, subnets: Sequence[str], now: datetime) -> Place:
        """Return the environment; make it with the first of *subnets* that no other has. Problem "subnets-exhausted"."""

    async def places(self, project: str | None = None) -> list[Place]:
        """Return the environments of a project, or all."""

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

    async def begin_step(self, deployment: str, name: str, detail: Mapping[str, object], now: datetime) -> int:
        """Write down that a step begins; return its id."""

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
        of the environment, *tasks* are added. Problem "host-taken" when another environment has one of them.
        """

    async def live(self, project: str, environment: str) -> Release | None:
        """Return the live release."""

    async def release(self, project: str, environment: str, number: int) -> Release | None:
        """Return one release that was live once."""

    async def releases(self, project: str, environment: str, limit: int) -> list[Release]:
        """Return releases, newest first; those whose switch was taken back are left out."""

    async def amend(self, release: Release) -> None:
        """Replace the record of a release (post_deploy, scale) without any other change."""

    async def revert(self, project: str, environment: str, number: int | None, hosts: Mapping[str, str]) -> None:
        """Take a switch back: *number* (None: nothing) is live again with these *hosts*."""

    async def host_owners(self, hosts: Iterable[str]) -> dict[str, tuple[str, str, str]]:
        """Return host -> (project, environment, service) of those that are taken."""

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

    async def finish_task(self, task: int) -> None:
        """Forget a task that is done."""

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

    async def events(self, after: int = 0, project: str | None = None, limit: int = 100) -> list[Event]:
        """Return events with an id above *after*, oldest first; with after < 0 the newest *limit* of them."""


class Vault(Protocol):
    """Wraps secrets: AES-GCM, bound to where they belong, so that a sealed value is worth nothing in another row."""

    def seal(self, value: str, bound_to: str) -> str:
        """Return the value encrypted, as text."""

    def open(self, sealed: str, bound_to: str) -> str:
        """Return the value; Problem "secret-unreadable" when key or binding differ."""

    def digest(self, text: str) -> str:
        """Return a keyed digest (HMAC-SHA-256, 32 hex digits) that tells nothing about *text*."""


class Clock(Protocol):
    """Time and chance."""

    def now(self) -> datetime:
        """Return the time in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    def token(self, bits: int) -> str:
        """Return lower-case hex chance of so many bits."""


class Meter(Protocol):
    """What the host has."""

    def free_disk(self, path: str) -> int:
        """Return the free bytes of the file system that holds *path*."""

    def memory(self) -> tuple[int, int]:
        """Return total and available memory in bytes."""

    def cpus(self) -> int:
        """Return the number of cores this process may use."""

    def subnets(self) -> list[str]:
        """Return the networks (CIDR) that the host has addresses or routes in."""


class Redactor(Protocol):
    """One in front of every sink: hides known secret values."""

    def learn(self, values: Iterable[str]) -> None:
        """Remember values to hide; those shorter than 6 characters are left out."""

    def hide(self, text: str) -> str:
        """Return the text with every known value replaced by "[hidden]"."""


# ---- probing and telling -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found; *evidence* is a short sentence for people ("answered 500", "refused the connection")."""

    ok: bool
    evidence: str


class Prober(Protocol):
    """Asks a replica from outside how it is."""

    async def http(self, address: str, port: int, path: str, host: str, timeout: timedelta) -> Answer:
        """GET *path* with that Host header: well when the status is 200 to 299. Never raises."""

    async def tcp(self, address: str, port: int, timeout: timedelta) -> bool:
        """Whether the port accepts a connection."""


class Transcripts(Protocol):
    """The kept output of deployments: redacted lines, live for whoever follows."""

    def write(self, deployment: str, line: str) -> None:
        """Append one line and hand it to the followers."""

    def close(self, deployment: str) -> None:
        """Nothing more will come: followers end."""

    def read(self, deployment: str) -> list[str]:
        """Return all lines so far."""

    def follow(self, deployment: str, after: int = 0) -> AsyncIterator[tuple[int, str]]:
        """Yield (number, line) from line *after* on, and go on until it is closed."""


class Resolver(Protocol):
    """Looks up where a host name points."""

    async def addresses(self, host: str, timeout: timedelta) -> tuple[str, ...]:
        """Return its IPv4 and IPv6 addresses; none when it does not exist or no answer came in time."""
