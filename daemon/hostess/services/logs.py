"""What the replicas of a service write: the last lines, or on and on across replacements, with bounded memory."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hostess.domain import labels
from hostess.domain.ports import Clock, Container, Engine, LogLine, Redactor
from hostess.domain.problem import Problem
from hostess.services.keeping.replicas import Replicas
from hostess.services.past_logs import Past, replica_of

LOOK_AGAIN = 2.0
WAITING = 500
ALL = 10_000


@dataclass(frozen=True, slots=True)
class Written:
    """A line and who wrote it; *replica* is "v3.1": release and replica."""

    at: datetime
    replica: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose lines: at most *tail* of each replica, none older than *since*; with *previous* of replicas that are gone, too."""

    project: str
    environment: str
    service: str
    tail: int = 100
    since: datetime | None = None
    previous: bool = False


class Logs:
    """Reads logs from the engine; known secrets are hidden."""

    def __init__(self, engine: Engine, replicas: Replicas, redactor: Redactor, clock: Clock) -> None:
        self._engine = engine
        self._replicas = replicas
        self._redactor = redactor
        self._clock = clock

    async def recent(self, wanted: Wanted) -> list[Written]:
        """Return the last lines of the replicas there are, stopped ones too, by time."""
        containers = await self._containers(wanted)
        logs = await asyncio.gather(*(self._engine.logs(container.id, wanted.tail) for container in containers))
        kept = []
        if wanted.previous:
            kept = await self._replicas.past_logs.of(wanted.project, wanted.environment, wanted.service)
        # Many lines take seconds, in which everybody else has to be answered, too.
        return await asyncio.to_thread(self._shown, wanted, list(zip(containers, logs, strict=True)), kept)

    def _shown(
        self, wanted: Wanted, there: Iterable[tuple[Container, Sequence[LogLine]]], gone: Iterable[Past]
    ) -> list[Written]:
        """Return what is wanted of these lines, without secrets, by time."""
        found = [(replica_of(container), line) for container, lines in there for line in lines]
        found += [(past.replica, line) for past in gone for line in past.lines[-wanted.tail :] if wanted.tail]
        shown = [
            self._written(replica, line) for replica, line in found if wanted.since is None or line.at > wanted.since
        ]
        return sorted(shown, key=lambda line: line.at)

    async def follow(self, wanted: Wanted) -> AsyncGenerator[Written]:
        """Yield the last lines, then each new one, of later replicas too, until closed."""
        queue: asyncio.Queue[Written] = asyncio.Queue(WAITING)
        watcher = asyncio.create_task(self._watch(wanted, queue))
        getter = asyncio.create_task(queue.get())
        try:
            while True:
                await asyncio.wait({getter, watcher}, return_when=asyncio.FIRST_COMPLETED)
                if not getter.done():
                    watcher.result()
                    return
                line = getter.result()
                getter = asyncio.create_task(queue.get())
                yield line
        finally:
            watcher.cancel()
            getter.cancel()
            await asyncio.wait({watcher, getter})

    async def _watch(self, wanted: Wanted, queue: asyncio.Queue[Written]) -> None:
        seen: set[str] = set()
        tail = wanted.tail
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for container in await self._containers(wanted):
                        if container.id not in seen:
                            seen.add(container.id)
                            group.create_task(self._pump(container, tail, wanted.since, queue))
                    tail = ALL  # of a replica that came later nothing was shown yet
                    await self._clock.sleep(LOOK_AGAIN)
        except ExceptionGroup as several:
            found, _ = several.split(Problem)
            raise _first(found) if found is not None else several from None

    async def _pump(
        self, container: Container, tail: int, since: datetime | None, queue: asyncio.Queue[Written]
    ) -> None:
        async for line in self._engine.follow(container.id, tail, since):
            if since is None or line.at > since:
                await queue.put(self._written(replica_of(container), line))

    async def _containers(self, wanted: Wanted) -> list[Container]:
        return [
            container
            for container in await self._replicas.of_place(wanted.project, wanted.environment)
            if labels.is_replica(container.labels) and container.labels.get(labels.SERVICE) == wanted.service
        ]

    def _written(self, replica: str, line: LogLine) -> Written:
        return Written(line.at, replica, line.stream, self._redactor.hide(line.text))


def _first(several: ExceptionGroup[Problem]) -> Problem:
    first = several.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
