"""Repairs: what a live release has lost is started again, beside whatever else goes on and never in the way of a deployment."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain import labels
from hostess.domain.ports import Clock, Container, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import PRESENT, waves
from hostess.domain.releases.release import Release, Workload
from hostess.domain.waits import is_over
from hostess.services.databases.setup import DatabaseSetup
from hostess.services.deploying.gate import Gate
from hostess.services.deploying.migrator import Migrator
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.crash_loops import CrashLoops
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import leaving
from hostess.services.routing.publishing import Routing

KIND = "repair"
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=10)
WAKING_PAUSE = 0.05
"""The seconds between probes of a replica that somebody waits for."""

log = logging.getLogger(__name__)


class GaveWayError(Exception):
    """Somebody waits for the environment: what they bring may be the very thing that mends it."""


@dataclass(frozen=True, slots=True)
class _Failed:
    spec: str
    times: int
    again: datetime


class Repairs:
    """Makes what runs in an environment equal to its live release. The caller holds the environment's turn."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        replicas: Replicas,
        gate: Gate,
        migrator: Migrator,
        databases: DatabaseSetup,
        routing: Routing,
        turns: Turns,
        loops: CrashLoops,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._replicas = replicas
        self._gate = gate
        self._migrator = migrator
        self._databases = databases
        self._routing = routing
        self._turns = turns
        self._loops = loops
        self._clock = clock
        self._failed: dict[tuple[str, str, str], _Failed] = {}
        self._own: set[str] = set()

    async def hold_unproved(self) -> None:
        """Route nothing to what a dead daemon had started and had not seen pass its gate."""
        for task in await self._journal.tasks():
            if task.kind == KIND:
                self._routing.hold(str(task.payload["mark"]))

    async def remove_unproved(self) -> None:
        """Remove what a dead daemon, or a repair that could not clean up, has left without having passed its gate."""
        for task in await self._journal.tasks():
            mark = str(task.payload.get("mark"))
            if task.kind == KIND and mark not in self._own:
                await self._drop(task.id, str(task.payload["project"]), str(task.payload["environment"]), mark)

    async def repair(self, place: Place, live: Release) -> bool:
        """Start again what stopped and replace what is lost, but what failed a moment ago; return whether nothing is missing.

        What depends on something comes after it; one that fails costs the others nothing.
        """
        here = (place.project, place.environment)
        self._failed = {k: v for k, v in self._failed.items() if k[:2] != here or k[2] in live.workloads}
        gone = await leaving(self._journal)
        containers = [c for c in await self._replicas.of_place(place.project, place.environment) if c.id not in gone]
        whole = True
        for wave in waves(live.workloads):
            work = [self._attempt(place, live, live.workloads[name], containers) for name in wave]
            whole = all(await asyncio.gather(*work)) and whole
        return whole

    async def replace(self, place: Place, live: Release, workload: Workload, number: int) -> None:
        """Start another replica, that serves when this returns; GaveWayError or a Problem leaves nothing of it behind."""
        await self._replace(place, live, workload, number)

    async def _attempt(self, place: Place, live: Release, workload: Workload, containers: list[Container]) -> bool:
        key = (place.project, place.environment, workload.name)
        before = self._failed.get(key)
        if before is not None and before.spec != workload.spec:
            before = None
        present, stopped = _present(workload, containers)
        if len(present) >= workload.replicas:
            await self._mended(key, before)
            return True
        resting = [each for each in stopped if self._loops.rests(each.id)]
        waits = before is not None and not is_over(before.again, self._clock.now(), LONGEST_PAUSE)
        if waits or len(present) + len(resting) >= workload.replicas:
            return False
        try:
            await self._complete(place, live, workload, present, stopped, resting)
        except GaveWayError:
            return False
        except Problem as problem:
            times = before.times + 1 if before else 1
            self._failed[key] = _Failed(workload.spec, times, self._clock.now() + pause_after(times))
            if times == 1:
                log.warning("%s of %s could not be repaired: %s", workload.name, place.network, problem)
                await self._tell(key, "service.repair-failed", f"a replica of {workload.name} is missing: {problem}")
            return False
        await self._mended(key, before)
        with suppress(Problem):  # the next look does it
            await self._routing.publish()
        return not resting

    async def _mended(self, key: tuple[str, str, str], before: _Failed | None) -> None:
        self._failed.pop(key, None)
        if before is not None:
            await self._tell(key, "service.repaired", f"{key[2]} has all its replicas again")

    async def _complete(
        self,
        place: Place,
        live: Release,
        workload: Workload,
        present: Sequence[Container],
        stopped: Sequence[Container],
        resting: Sequence[Container],
    ) -> None:
        there = len(present) + len(resting)  # what was stopped for its deaths keeps its place until it is tried again
        able = [each for each in stopped if each not in resting]
        for container in able[: max(0, workload.replicas - there)]:
            there += await self._started_again(container)
        for number in range(there, workload.replicas):
            await self._replace(place, live, workload, number + 1)

    async def _started_again(self, container: Container) -> bool:
        """Start a container that stopped; one that cannot be started is removed, and only when it is gone something takes its place."""
        log.info("starting %s again", container.name)
        try:
            await self._replicas.restart(container.id)
        except Problem as problem:
            log.warning("%s cannot be started again and is replaced: %s", container.name, problem)
            await self._replicas.remove(container.id)
        return await self._replicas.exists(container.id)

    async def _replace(self, place: Place, live: Release, workload: Workload, number: int) -> None:
        log.info("starting a replica of %s that was lost", workload.name)
        if self._turns.wanted(place.project, place.environment):
            raise GaveWayError
        async with self._unproved(place) as mark:
            await self._proved(place, live, workload, number, mark)

    async def start_at_once(
        self, place: Place, live: Release, workload: Workload, written: Callable[[], Awaitable[None]]
    ) -> Container:
        """Start the first replica of what somebody waits for, whoever waits for a turn, and have it *written* down.

        It has passed its gate then, and may be routed when this returns; to `keep` it is left to the caller. Nothing is left of it
        when this raises.
        """
        async with self._unproved(place) as mark, self._replicas.held(mark):
            await self._migrator.make_ready(place, live, workload, 1, mark, log.info)
            container = await self._replicas.start(place, live, workload, 1, mark)
            await self._gate.passed(workload, container, longest_pause=WAKING_PAUSE)
            await written()
        return container

    @asynccontextmanager
    async def _unproved(self, place: Place) -> AsyncIterator[str]:
        """Give the mark for a replica that is routed nothing until this is left; after an error or a crash nothing is left of it."""
        mark = f"repair-{self._clock.token(32)}"
        payload = {"mark": mark, "project": place.project, "environment": place.environment}
        self._own.add(mark)
        try:
            task = await self._journal.add_task(KIND, payload, self._clock.now())
            self._routing.hold(mark)
            try:
                yield mark
            except BaseException:
                await asyncio.shield(self._drop(task, place.project, place.environment, mark))
                raise
            await self._journal.finish_task(task)
            self._routing.release(mark)
        finally:
            self._own.discard(mark)

    async def _proved(self, place: Place, live: Release, workload: Workload, number: int, mark: str) -> None:
        await self._unless_wanted(place, self._migrator.make_ready(place, live, workload, number, mark, log.info))
        container = await self._replicas.start(place, live, workload, number, mark)
        await self._unless_wanted(place, self._gate.passed(workload, container))
        if workload.is_database:
            await self._databases.make(live, workload, log.info)
        await self._replicas.keep(container.id)

    async def _unless_wanted(self, place: Place, work: Awaitable[None]) -> None:
        """Wait for *work*; it is given up as soon as somebody waits for the environment (GaveWayError)."""
        working = asyncio.ensure_future(work)
        wanted = asyncio.ensure_future(self._turns.until_wanted(place.project, place.environment))
        try:
            await asyncio.wait({working, wanted}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise GaveWayError
            working.result()
        finally:
            working.cancel()
            wanted.cancel()
            await asyncio.gather(working, wanted, return_exceptions=True)

    async def _drop(self, task: int, project: str, environment: str, mark: str) -> None:
        for container in await self._replicas.of_place(project, environment):
            if container.labels.get(labels.DEPLOYMENT) == mark:
                await self._replicas.remove(container.id)
        await self._journal.finish_task(task)
        self._routing.release(mark)

    async def _tell(self, key: tuple[str, str, str], kind: str, message: str) -> None:
        project, environment, service = key
        data = {"service": service}
        await self._journal.tell(kind, message, self._clock.now(), project=project, environment=environment, data=data)


def pause_after(failures: int) -> timedelta:
    """Return how long a repair that failed so many times in a row is left alone."""
    doubled: int = 2 ** min(failures - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def _present(workload: Workload, containers: Sequence[Container]) -> tuple[list[Container], list[Container]]:
    """Return the containers of a workload that are there for the engine, and those that stopped."""
    same = [
        container
        for container in containers
        if labels.is_replica(container.labels)
        and container.labels.get(labels.SERVICE) == workload.name
        and container.labels.get(labels.SPEC) == workload.spec
    ]
    return [c for c in same if c.state in PRESENT], [c for c in same if c.state not in PRESENT]
