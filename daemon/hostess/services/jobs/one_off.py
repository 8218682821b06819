"""One-off commands (`hostess run`): in a container of their own with a live service's image and environment, gone when they end."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from hostess.domain.hostess_yml.stack import Hook
from hostess.domain.ports import Clock, Container, Engine, Journal, LogLine, Redactor
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.services.keeping.replicas import Replicas
from hostess.services.live import place_of

LONGEST = timedelta(hours=24)
ALL_LINES = 1_000_000


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be run. *env* replaces values for this run only."""

    project: str
    environment: str
    service: str
    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: timedelta = LONGEST


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended; *killed* after its time."""

    exit_code: int
    killed: bool = False


class OneOff:
    """Runs commands. A run belongs to whoever iterates: when that ends, for any reason, the container is killed and removed.

    After a crash of the daemon the reconciler removes it, because nobody holds its mark any more.
    """

    def __init__(self, engine: Engine, replicas: Replicas, journal: Journal, redactor: Redactor, clock: Clock) -> None:
        self._engine = engine
        self._replicas = replicas
        self._journal = journal
        self._redactor = redactor
        self._clock = clock

    async def run(self, command: Command) -> AsyncGenerator[LogLine | Ended]:
        """Yield what it writes, secrets hidden, then, when its container is gone, how it ended.

        Problem "nothing-live", "service-not-found" before the first line.
        """
        release, workload = await self._workload(command)
        place = await place_of(self._journal, command.project, command.environment)
        mark = f"run-{self._clock.token(48)}"
        hook = Hook(command=command.words, timeout=command.timeout)
        self._replicas.hold(mark)
        try:
            container = await self._replicas.start_task(place, release, workload, hook, mark, mark, env=command.env)
            limit = asyncio.create_task(self._kill_after(container, command.timeout))
            try:
                async for line in self._engine.follow(container.id, ALL_LINES):
                    yield LogLine(line.at, line.stream, self._redactor.hide(line.text))
                ended = Ended(await self._engine.wait(container.id), killed=limit.done())
            finally:
                limit.cancel()
                await asyncio.gather(limit, return_exceptions=True)
                await asyncio.shield(self._replicas.remove(container.id))
        finally:
            self._replicas.release(mark)
        yield ended

    async def _kill_after(self, container: Container, timeout: timedelta) -> None:
        await self._clock.sleep(timeout.total_seconds())
        await self._engine.kill(container.id)

    async def check(self, command: Command) -> None:
        """Raise the Problem that `run` would begin with."""
        await self._workload(command)

    async def _workload(self, command: Command) -> tuple[Release, Workload]:
        live = await self._journal.live(command.project, command.environment)
        if live is None:
            raise Problem(
                "nothing-live",
                f"nothing is live in {command.environment} of {command.project}",
                remedy="deploy first: `git push hostess main`",
            )
        if command.service not in live.workloads:
            raise Problem(
                "service-not-found",
                f"{live.title} has no service {command.service}",
                remedy=f"its services are {', '.join(live.workloads)}",
            )
        workload = live.workloads[command.service]
        if workload.static is not None:
            raise Problem("static-service", f"{workload.name} is made of files: no command can run in it")
        return live, workload
