"""The daemon's end of the proxy's control socket. Standard library only; needs an asyncio loop."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostess_proxy.control import wire
from hostess_proxy.tables.kinds import UNKNOWN_KEY

_ANSWER_SECONDS = 15.0
_PUBLISH_SECONDS = 40.0  # more than the supervisor gives to a worker that hangs or is about to start


class ProxyError(Exception):
    """What can go wrong between daemon and proxy."""


class ProxyUnreachableError(ProxyError):
    """No live proxy answers at the socket; whether it did what was asked is not known."""


class TableRefusedError(ProxyError):
    """The table is not valid, or could not be saved; the old one goes on. *place* is where it is wrong."""

    def __init__(self, what: str, place: str) -> None:
        super().__init__(f"{place}: {what}" if place else what)
        self.what = what
        self.place = place

    @property
    def is_new_to_it(self) -> bool:
        """Whether the table asks for something that the proxy has never heard of."""
        return self.what == UNKNOWN_KEY


class ProxyOutdatedError(ProxyError):
    """The proxy that runs is older than what was asked of it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy as `run/proxy.json` describes it: addresses as "host:port", "" where it does not listen."""

    pid: int
    http: str
    https: str
    workers: tuple[int, ...]
    inside: str = ""
    postgres: str = ""
    redis: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """How many requests a release has answered, how many with 5xx, and how many *within* each of the bounds of seconds.

    *environment* is "" where the table names none, and where the proxy is older and counts all environments together.
    """

    project: str
    service: str
    release: str
    count: int
    errors: int
    within: tuple[int, ...]
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A route without targets (by *host* and *path*) for which requests are held, and the service behind it."""

    project: str
    service: str
    host: str
    path: str


@dataclass(frozen=True, slots=True)
class Failed:
    """How many requests a *target* has failed of late, and how the last one; *out*: the proxy leaves it out for that.

    *kind* is "connect", "closed" or "invalid", or what a newer proxy tells.
    """

    target: str
    count: int
    kind: str
    out: bool


@dataclass(frozen=True, slots=True)
class Load:
    """What all workers have seen at one target: requests *in_flight* (upgraded connections and relays too), and how many were *begun*.

    *seconds* are those that all of them together have taken. A worker that ends takes its part of the last two along.
    """

    in_flight: int
    begun: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ProxyClient:
    """Talks to the proxy at the unix socket *path*; each call opens a connection of its own."""

    path: Path

    async def publish(self, table: Mapping[str, Any]) -> int:
        """Make *table* (the JSON of docs/proxy.md) the whole table; return its generation.

        When this returns the table is on disk and every worker serves it. TableRefusedError: nothing has changed.
        ProxyUnreachableError: publish again.
        """
        answer = await self._ask("publish", _PUBLISH_SECONDS, table=dict(table))
        return int(answer["generation"])

    async def in_flight(self, targets: Sequence[str]) -> int:
        """Return how many requests (upgraded connections too) all workers hold at these targets."""
        answer = await self._ask("in_flight", _ANSWER_SECONDS, targets=list(targets))
        return int(answer["in_flight"])

    async def drained(self, targets: Sequence[str], within: float, upgraded_within: float | None = None) -> int:
        """Wait until nothing is in flight at these targets; return how many had to be cut.

        Requests are cut after *within* seconds, upgraded connections (WebSockets) after *upgraded_within* (the same where
        None). The table should not name these targets any more.
        """
        longest = max(within, upgraded_within or 0.0)
        answer = await self._ask(
            "drain", longest + _ANSWER_SECONDS, targets=list(targets), within=within, upgraded_within=upgraded_within
        )
        return int(answer["cut"])

    async def stats(self) -> dict[str, Any]:
        """Return counters: generation, requests, connections, in_flight by target, and the same for each worker."""
        return await self._ask("stats", _ANSWER_SECONDS)

    async def loads(self) -> dict[str, Load]:
        """Return what each target of the table has had to do so far. ProxyOutdatedError: this proxy does not count it."""
        answer = await self._ask("loads", _ANSWER_SECONDS)
        return {target: Load(int(now), int(begun), took) for target, (now, begun, took) in answer["loads"].items()}

    async def wanted(self, within: float = 30.0) -> list[Wanted]:
        """Wait until requests are held for services that sleep, and return these; nothing after *within* seconds without any.

        Call it again and again: a service is named once a second while somebody waits for it, and released by a table with its
        targets.
        """
        answer = await self._ask("wanted", within + _ANSWER_SECONDS, within=within)
        return [Wanted(*map(str, route)) for route in answer["routes"]]

    async def failing(self, within: float = 30.0) -> list[Failed]:
        """Wait until targets fail requests, and return these; nothing after *within* seconds without any.

        Call it again and again: each failure is told once. ProxyOutdatedError: this proxy does not tell it.
        """
        answer = await self._ask("failing", within + _ANSWER_SECONDS, within=within)
        return [
            Failed(target, int(count), str(kind), bool(out)) for target, (count, kind, out) in answer["targets"].items()
        ]

    async def answers(self) -> tuple[tuple[float, ...], list[Answered]]:
        """Return the bounds of seconds, and what each release has answered. ProxyOutdatedError: this proxy does not tell it."""
        answer = await self._ask("answers", _ANSWER_SECONDS)
        found = [_answered(each) for each in answer.get("places", answer["answers"])]
        return tuple(map(float, answer["bounds"])), found

    async def metrics(self) -> str:
        """Return what the proxy has counted, as text for Prometheus."""
        return str((await self._ask("metrics", _ANSWER_SECONDS))["text"])

    async def workers(self, within: float = _ANSWER_SECONDS) -> list[int]:
        """Return the process ids of the workers that serve now."""
        answer = await self._ask("workers", within)
        return [int(pid) for pid in answer["workers"]]

    async def resize(self, workers: int) -> list[int]:
        """Have so many workers from now on; return the process ids of those that serve."""
        answer = await self._ask("workers", _PUBLISH_SECONDS, count=workers)
        return [int(pid) for pid in answer["workers"]]

    async def upgrade(self, within: float = 20.0) -> int:
        """Let the program that is installed now take over; return its process id. ProxyError: the one that runs goes on."""
        return int((await self._ask("upgrade", within + _ANSWER_SECONDS, within=within))["pid"])

    async def _ask(self, op: str, seconds: float, /, **arguments: object) -> dict[str, Any]:
        try:
            async with wire.connection(self.path) as caller:
                answer = await caller.ask(op, seconds, **arguments)
        except wire.RemoteError as error:
            if error.code == "unknown-op":
                raise ProxyOutdatedError(str(error)) from error
            if error.code in {"invalid-table", "table-not-saved"}:
                raise TableRefusedError(error.what, error.place) from error
            raise ProxyError(str(error)) from error
        except wire.GoneError as error:
            raise ProxyUnreachableError(str(error)) from error
        return {key: value for key, value in answer.items() if key not in {"id", "ok"}}


async def alive(path: Path, within: float = 2.0) -> bool:
    """Whether a proxy answers at the unix socket *path*, so that it can be taken over instead of starting another."""
    try:
        await ProxyClient(path).workers(within)
    except ProxyError:
        return False
    return True


def running(data_dir: Path) -> Running | None:
    """Return what `run/proxy.json` says, None when it is absent or unreadable. Whether it is alive, `alive` tells."""
    try:
        raw = json.loads((data_dir / "run" / "proxy.json").read_text(encoding="utf-8"))
        workers = tuple(int(pid) for pid in raw["workers"])
        others = {name: str(raw.get(name, "")) for name in ("inside", "postgres", "redis")}
        return Running(int(raw["pid"]), str(raw["http"]), str(raw["https"]), workers, **others)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _answered(told: Mapping[str, Any]) -> Answered:
    project, service, release, *environment = map(str, json.loads(told["names"]))
    within = tuple(map(int, told["within"]))
    return Answered(project, service, release, int(told["count"]), int(told["errors"]), within, "".join(environment))
