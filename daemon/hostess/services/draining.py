"""What replicas write, sent on to drains as it comes. A drain that is away costs lines, counted, and nothing else.

Each drain has a bounded backlog and a sender of its own; reading never waits for one. How far each has come in each container's
log is written down, so that a new life of the daemon goes on there; what was under way when it died may come twice.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from hostess.domain import labels
from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.drains import Backlog, Drained
from hostess.domain.ports import Clock, Container, Engine, Journal, LogLine, Redactor
from hostess.domain.ports.drains import Drain
from hostess.domain.problem import Problem
from hostess.services.past_logs import PastLogs

NOTE = "how far drains have come"
LOOK_AGAIN = 5.0
TAIL = 10_000
MOST = 8 * 1024 * 1024
"""Bytes that wait for one drain."""
BATCH, BATCH_SIZE = 500, 512 * 1024
LINGER = 0.5
"""Seconds in which lines gather for a batch."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SAVE_EVERY = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Come:
    """How far a drain has come, as it is written down: containers that are not in *done* are sent from *at* on."""

    at: datetime
    done: Mapping[str, datetime]


@dataclass
class _Way:
    """To one drain: what waits, and how far it has come (container -> time of its last line).

    *begun* is how far it had come when this life began; what is not in it is sent from *since* on.
    """

    drain: Drain
    since: datetime
    begun: Mapping[str, datetime] = field(default_factory=dict)
    done: dict[str, datetime] = field(default_factory=dict)
    backlog: Backlog = field(default_factory=lambda: Backlog(MOST))
    news: asyncio.Event = field(default_factory=asyncio.Event)
    told: int = 0
    away: bool = False

    @property
    def key(self) -> str:
        """What it is called in the journal: its URL may hold a secret."""
        return sha256(self.drain.target.url.encode()).hexdigest()[:16]

    def after(self, container: str) -> datetime:
        """Return after when a container's lines are to be sent in this life; noted for the next one, until any is."""
        begun = self.begun.get(container, self.since)
        self.done.setdefault(container, begun)
        return begun

    def add(self, line: Drained) -> None:
        """Let a line wait; one that was sent in a life before does not."""
        if line.at > self.begun.get(line.container, self.since):
            self.backlog.add(line)
            self.news.set()


class Draining:
    """Follows every replica of the installation, and sends what it writes to each drain."""

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        drains: Sequence[Drain],
        past_logs: PastLogs,
        redactor: Redactor,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._drains = drains
        self._past_logs = past_logs
        self._redactor = redactor
        self._clock = clock
        self._ways: list[_Way] = []
        self._following: dict[str, asyncio.Task[None]] = {}
        self._read: dict[str, datetime] = {}
        """How far each container's log was read in this life."""
        self._written: Mapping[str, Mapping[str, datetime]] | None = None
        self._unsaved = False
        self._looked = clock.now()

    async def run(self) -> None:
        """Drain until cancelled; without a drain there is nothing to do."""
        if not self._drains:
            return
        self._ways, self._following, self._read = await self._remembered(), {}, {}
        try:
            async with asyncio.TaskGroup() as group:
                for way in self._ways:
                    group.create_task(self._send(way))
                group.create_task(self._save_now_and_then())
                while True:
                    try:
                        await self._look(group)
                    except Problem as problem:
                        log.debug("what runs is not known right now: %s", problem)
                    await self._clock.sleep(LOOK_AGAIN)
        finally:
            await asyncio.shield(self._try_to_save())
            await asyncio.gather(*(way.drain.close() for way in self._ways), return_exceptions=True)

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """Follow what is not followed yet, or again: a container that was started anew, an engine that is back."""
        now, owned = self._clock.now(), labels.of_instance(await self._journal.instance())
        there = [each for each in await self._engine.containers(owned) if labels.is_replica(each.labels)]
        for container in there:
            task = self._following.get(container.id)
            if task is None or (task.done() and container.state == "running"):
                self._following[container.id] = group.create_task(self._follow(container))
        self._looked = now
        ids = {each.id for each in there}
        self._following = {name: task for name, task in self._following.items() if name in ids or not task.done()}
        self._read = {name: at for name, at in self._read.items() if name in self._following}
        for way in self._ways:
            way.done = {name: at for name, at in way.done.items() if name in self._following}

    async def _follow(self, container: Container) -> None:
        since = self._read.setdefault(container.id, min(way.after(container.id) for way in self._ways))
        try:
            await self._past_logs.learn(container)
            async with aclosing(self._engine.follow(container.id, TAIL, since)) as lines:  # type: ignore[type-var]  # a generator
                async for line in lines:
                    if line.at > since:  # engines tell those of that moment, too
                        self._read[container.id] = line.at
                        for way in self._ways:
                            way.add(drained(container, line))
        except Exception as error:  # gone, or the engine is away: it is looked at again
            bug = None if isinstance(error, Problem | OSError) else error
            log.log(logging.ERROR if bug else logging.DEBUG, "a log is not read: %s", error, exc_info=bug)

    # ---- sending -----------------------------------------------------------------------------------------------------

    async def _send(self, way: _Way) -> None:
        """Send what waits for one drain, for ever."""
        while True:
            await way.news.wait()
            await self._clock.sleep(LINGER)
            way.news.clear()
            while batch := way.backlog.take(BATCH, BATCH_SIZE):
                await self._deliver(way, await asyncio.to_thread(self._hidden, batch))
                for line in batch:
                    way.done[line.container] = line.at

    async def _deliver(self, way: _Way, batch: Sequence[Drained]) -> None:
        """Return once a drain has taken lines, however long that takes, or has said that it never will."""
        pause = FIRST_PAUSE
        while True:
            lost = way.backlog.lost
            try:
                await way.drain.send([*_told(lost - way.told, batch[0]), *batch])
            except Problem as problem:
                if problem.code == "drain-refused":
                    log.warning("%d lines are dropped: %s", len(batch), problem)
                    way.backlog.lost += len(batch)
                    return
                await self._went(way, problem)
                await self._clock.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                await self._came_back(way, lost - way.told)
                way.told = lost
                return

    async def _went(self, way: _Way, problem: Problem) -> None:
        if not way.away:
            way.away = True
            log.warning("%s; when there is no more room for what waits, the oldest lines are dropped", problem)
            await self._tell("drain.away", f"{problem}; lines wait for it")

    async def _came_back(self, way: _Way, lost: int) -> None:
        if way.away:
            way.away = False
            log.info("the drain %s takes lines again; %d were dropped", way.drain.target, lost)
            await self._tell("drain.back", f"the drain {way.drain.target} takes lines again; {lost} were dropped")

    async def _tell(self, kind: str, message: str) -> None:
        with suppress(Problem):  # a full disk: it is in the daemon's log already
            await self._journal.tell(kind, message, self._clock.now())

    def _hidden(self, batch: Sequence[Drained]) -> list[Drained]:
        return [replace(line, text=self._redactor.hide(line.text)) for line in batch]

    # ---- how far -----------------------------------------------------------------------------------------------------

    async def _remembered(self) -> list[_Way]:
        """Return the ways as they were left; one that is new begins now, and sends nothing of before."""
        known, now = await self._known(), self._clock.now()
        ways = []
        for drain in self._drains:
            way = _Way(drain, now)
            if (come := known.get(way.key)) is not None:
                way.since, way.begun, way.done = come.at, come.done, {**come.done}
            ways.append(way)
        return ways

    async def _known(self) -> Mapping[str, _Come]:
        raw = await self._journal.note(NOTE)
        try:
            return from_json(dict[str, _Come], json.loads(raw)) if raw else {}
        except (ValueError, CodecError):
            log.warning("how far drains have come cannot be read: what replicas wrote before now is not sent")
            return {}

    async def _save_now_and_then(self) -> None:
        while True:
            await self._try_to_save()
            await self._clock.sleep(SAVE_EVERY)

    async def _try_to_save(self) -> None:
        try:
            await self._save()
        except Problem as problem:  # a full disk
            if not self._unsaved:
                log.warning("how far drains have come is not written down, so lines may be sent twice: %s", problem)
            self._unsaved = True
        else:
            self._unsaved = False

    async def _save(self) -> None:
        """Write down how far each drain has come; a container that is first seen later is sent from then on."""
        done = {way.key: {**way.done} for way in self._ways}
        if done == self._written:
            return
        come = {key: _Come(self._looked, each) for key, each in done.items()}
        await self._journal.set_note(NOTE, json.dumps(to_json(come)))
        self._written = done


def _told(count: int, before: Drained) -> list[Drained]:
    """Return a line about those that were dropped since the last one that told of any."""
    if not count:
        return []
    text = f"hostess dropped {count} lines of all apps: this drain was away, too slow, or refused them"
    return [
        replace(
            before, container="", project="hostess", environment="", service="drain", release="", replica="",
            stream="stderr", text=text,
        )
    ]  # fmt: skip


def drained(container: Container, line: LogLine) -> Drained:
    """Return a line with who wrote it."""
    about = container.labels
    return Drained(
        line.at,
        container.id,
        about.get(labels.PROJECT, ""),
        about.get(labels.ENVIRONMENT, ""),
        about.get(labels.SERVICE, ""),
        about.get(labels.RELEASE, ""),
        about.get(labels.REPLICA, ""),
        line.stream,
        line.text,
    )
