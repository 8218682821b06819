"""The container engine, in our words."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from hostess.domain.ports.backups import Shell
from hostess.domain.ports.terminal import Terminal
from hostess.domain.registries import RegistryLogin
from hostess.domain.releases.push import Say

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Everything needed to create one container.

    *cpu* in cores, *memory* in bytes. *volumes* maps volume name to path inside, *files* path inside to (mode, content), *owners*
    the path of a volume to who owns that folder ("1000:1000", or names that the image knows). *aliases* are its DNS names on
    *network*; *address* is a fixed IPv4 address there. *hosts* maps names to the addresses that it finds for them before it asks
    DNS. *restart*: whether the engine restarts it when it exits or at boot. *user* ("uid:gid") runs it instead of the image's own.
    *oom_score* (-1000 to 1000): the higher, the sooner it is killed when the host has no memory left.
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
    hosts: Mapping[str, str] = field(default_factory=dict)
    cpu: float | None = None
    memory: int | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    restart: bool = False
    stop_grace: timedelta = timedelta(seconds=10)
    user: str | None = None
    oom_score: int = 900


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine reports it. *state* is the engine's word: created, running, paused, restarting, exited, dead.

    *address* is the address it has now (or, when it was given a fixed one, that), on its one network; "" when it has none.
    *restarts* is how often the engine has started it again by itself since somebody last had it started; *finished_at* is when it
    last ended, also where it runs again.
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
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """What happened to a container: "start", "die" (with *exit_code*), "oom" or "kill".

    "oom": the kernel killed a process of it for want of memory; "kill": somebody had the engine send it a signal, as each stop does.
    """

    at: datetime
    what: str
    container: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a container wrote; *stream* is "stdout" or "stderr"."""

    at: datetime
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class BuildSecrets:
    """What a build may read while it runs, id -> value. Steps of a build are never taken from the cache of another *owner*."""

    owner: str
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """One image to build. *context* yields the build context as a tar stream (uncompressed), in chunks, on a worker thread.

    *dockerfile* is its path inside the context. *memory* in bytes, *cpus* in cores. *secrets*: None where its Dockerfile asks for none.
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
    secrets: BuildSecrets | None = None


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

    async def pull(self, reference: str, say: Say, login: RegistryLogin | None = None) -> Image:
        """Fetch an image from its registry; Problem "image-not-found" or "registry-unreachable"."""

    async def sign_in(self, login: RegistryLogin) -> None:
        """See whether a registry takes a login; Problem "registry-refused" or "registry-unreachable". Nothing is kept."""

    async def remove_image(self, reference: str) -> None:
        """Remove a tag or an untagged id; an absent one, or one still in use, is no error."""

    async def tag(self, image: str, tag: str) -> None:
        """Give a local image another name."""

    async def build(self, order: BuildOrder, say: Say) -> str:
        """Build an image and return its id; Problem "build-failed" (with tail), "build-timeout", "base-image-not-found".

        Cancelling the coroutine ends the build in the engine, too.
        """

    async def export(self, image: str, path: str, take: Callable[[Iterable[bytes]], None]) -> None:
        """Hand the folder *path* of an image to *take* as a tar stream (its members begin with the folder's own name), on a thread.

        Nothing of the image is run. Problem "image-not-found", "path-not-found"; what *take* raises passes through.
        """

    async def trim_build_cache(self, keep: int) -> int:
        """Remove what was not used for longest from the cache of builds until it takes *keep* bytes; return the bytes removed."""

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
        """Create a container and return its id; it is not started. Problem "image-not-found", "name-taken", "owner-unknown"."""

    async def start(self, container: str) -> None:
        """Start a container; one that runs already is no error. Problem "container-start-failed" with the engine's reason."""

    async def keep_running(self, container: str) -> None:
        """Let the engine restart it from now on when it ends by itself or the host boots; an absent one is no error."""

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

    def events(
        self, labels: Mapping[str, str], since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[ContainerEvent]:
        """Yield what happens to containers that carry all these labels, from *since* on, until the iterator is closed.

        With *until*, a moment that has passed, only what happened before, as far as the engine remembers: it keeps some hundred events.
        Problem "engine-unreachable" when the engine goes away.
        """

    async def execute(
        self, container: str, command: Sequence[str], timeout: timedelta, stdin: str = ""
    ) -> tuple[int, str]:
        """Run a command inside; return exit code and the end of its output (at most 16 KB).

        *stdin* (at most 100 KB) is what it reads; no process list shows it. Where there is one, the image needs a shell.
        At *timeout* the command is killed inside the container, too, and the exit code is 124.
        """

    async def within(self, container: str, mark: str, work: Callable[[Shell], T]) -> T:
        """Return what *work* returns, which runs commands inside on a thread of its own.

        When it fails or is cancelled, commands of it that still run are killed; *mark* is how `end_commands` finds those that a
        killed daemon has left.
        """

    def terminal(
        self, container: str, command: Sequence[str], mark: str, *, tty: bool
    ) -> AbstractAsyncContextManager[Terminal]:
        """Give a command inside that somebody talks to, with a terminal or without; leaving ends it. Problem "container-not-running".

        *mark* is how `end_commands` finds it.
        """

    async def end_commands(self, container: str, mark: str) -> None:
        """Kill the commands inside that carry *mark*; none, and a container that is gone, is no error."""
