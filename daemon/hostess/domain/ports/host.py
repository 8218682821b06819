"""The host, time, secrets at rest, and the small things that ask and tell."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hostess.domain.host_figures import HostFigures
from hostess.domain.transcripts import Kept


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


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system: *device* tells it from others, *size* and *free* (for anybody but root) are bytes."""

    device: int
    size: int
    free: int


class Meter(Protocol):
    """What the host has."""

    def file_system(self, path: str) -> FileSystem:
        """Return what holds *path*; of a folder that is not there, its nearest parent's."""

    def free_disk(self, path: str) -> int:
        """Return the free bytes of the file system that holds *path*."""

    def memory(self) -> tuple[int, int]:
        """Return total and available memory in bytes."""

    def cpus(self) -> int:
        """Return the number of cores this process may use."""

    def figures(self) -> HostFigures:
        """Return what is used of the host now; cheap, as it is asked for every few seconds."""

    def subnets(self) -> list[str]:
        """Return the networks (CIDR) that the host has addresses or routes in."""


class Redactor(Protocol):
    """One in front of every sink: hides known secret values."""

    def learn(self, values: Iterable[str]) -> None:
        """Remember values to hide; those shorter than 6 characters are left out."""

    def hide(self, text: str) -> str:
        """Return the text with every known value replaced by "[hidden]"."""


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
    """The kept output of deployments: redacted lines, live for whoever follows. Of very long ones beginning and end are kept."""

    def write(self, deployment: str, line: str) -> None:
        """Append one line and hand it to the followers."""

    def close(self, deployment: str) -> None:
        """Nothing more will come: followers end."""

    def read(self, deployment: str) -> list[str]:
        """Return all lines so far; in place of those left out, one that says how many they were."""

    def count(self, deployment: str) -> int:
        """Return the number of the last line so far."""

    def follow(self, deployment: str, after: int = 0) -> AsyncIterator[tuple[int, str]]:
        """Yield (number, line) from line *after* on, and go on until it is closed."""

    def kept(self) -> list[Kept]:
        """Return what is on the disk, but for those that are not closed."""

    def remove(self, deployment: str) -> None:
        """Delete one that is closed; an absent one is no error."""


class PastLogFiles(Protocol):
    """What containers wrote that are gone, by project, environment and service; bounded in number and age."""

    def put(self, place: tuple[str, str, str], name: str, text: str, now: datetime) -> None:
        """Keep a text; names sort by time. OSError."""

    def texts(self, place: tuple[str, str, str]) -> dict[str, str]:
        """Return name -> text, the oldest first."""

    def forget(self, project: str, environment: str = "") -> None:
        """Remove all of a project, or of one of its environments."""


class Firewall(Protocol):
    """Leads callers inside stacks to the proxy: what they send to a virtual address arrives at its listener for the inside.

    And keeps stacks apart, also in the moments in which the engine does not.
    """

    async def lead(self, instance: str, networks: Sequence[str]) -> bool:
        """Lead the virtual addresses of exactly these networks (CIDR), for callers of the same network; False if this host cannot.

        Asking again costs next to nothing; what something else has taken away meanwhile is put back within a minute.
        """

    async def keep_apart(self, instance: str, networks: Sequence[str]) -> bool:
        """Let nothing pass from one of exactly these networks (CIDR) to another environment's; False if this host cannot. As cheap."""

    async def clear(self) -> None:
        """Leave nothing behind of that."""
