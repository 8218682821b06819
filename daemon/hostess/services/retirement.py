"""What left the routing table: drained, then SIGTERM, then removed, by tasks that survive a restart of the daemon."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import cast

from hostess.domain.ports import Clock, Container, Engine, Journal, Router
from hostess.domain.problem import Problem
from hostess.domain.records import Task
from hostess.domain.release import Workload
from hostess.services.replicas import DEFAULT_GRACE, Replicas, grace_of

DRAIN = timedelta(seconds=30)
RETRY = timedelta(seconds=10)
KIND = "retire"

log = logging.getLogger(__name__)


async def leaving(journal: Journal) -> frozenset[str]:
    """Return the ids of the containers that are being retired: nothing may be built on them any more."""
    return frozenset(str(task.payload["container"]) for task in await journal.tasks() if task.kind == KIND)


class Retirement:
    """Retires containers that no table names any more."""

    def __init__(self, engine: Engine, journal: Journal, router: Router, replicas: Replicas, clock: Clock) -> None:
        self._engine = engine
        self._journal = journal
        self._router = router
        self._replicas = replicas
        self._clock = clock
        self._under_way: set[int] = set()
        self._wake = asyncio.Event()

    async def retire(self, containers: Sequence[Container], workloads: Mapping[str, Workload]) -> None:
        """Write down that *containers* must go; the work is done by `run`. *workloads* (of the old release) tell ports and grace."""
        for container in containers:
            workload = workloads.get(container.labels.get("sh.hostess.service", ""))
            grace = grace_of(workload) if workload else DEFAULT_GRACE
            ports = workload.ports if workload else ()
            payload = {
                "container": container.id,
                "name": container.name,
                "targets": [f"{container.address}:{port}" for port in ports] if container.address else [],
                "grace": grace.total_seconds(),
                "command": list(workload.shutdown.command) if workload and workload.shutdown else [],
            }
            await self._journal.add_task(KIND, payload, self._clock.now())
        self._wake.set()

    async def run(self) -> None:
        """Carry out the tasks, all side by side, until cancelled; what fails is tried again."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                for task in await self._due():
                    self._under_way.add(task.id)
                    group.create_task(self._attempt(task.id, task.payload))
                try:
                    async with asyncio.timeout(RETRY.total_seconds()):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _due(self) -> list[Task]:
        now = self._clock.now()
        try:
            open_tasks = await self._journal.tasks()
        except Problem as problem:
            log.warning("what has to be retired is not known right now: %s", problem)
            return []
        return [t for t in open_tasks if t.kind == KIND and t.id not in self._under_way and t.due_at <= now]

    async def _attempt(self, task: int, payload: Mapping[str, object]) -> None:
        """Retire one container; what goes wrong, known or not, costs the others nothing."""
        try:
            await self._carry_out(payload)
            await self._journal.finish_task(task)
        except Exception as error:
            bug = None if isinstance(error, Problem) else error
            log.warning("could not retire %s yet: %s", payload.get("name"), error, exc_info=bug)
            with suppress(Problem):  # it stays due then
                await self._journal.postpone(task, self._clock.now() + RETRY, str(error))
        finally:
            self._under_way.discard(task)

    async def _carry_out(self, payload: Mapping[str, object]) -> None:
        container = str(payload["container"])
        if await self._engine.container(container) is None:
            return  # its address may be another's by now, whose requests a drain would cut
        targets = [str(target) for target in cast("list[object]", payload["targets"])]
        if targets:
            await self._router.drained(targets, DRAIN)
        grace = timedelta(seconds=float(cast("float", payload["grace"])))
        command = [str(word) for word in cast("list[object]", payload.get("command", []))]
        if command:
            await self._shut_down(container, command, grace)
        await self._engine.stop(container, grace)
        await self._engine.remove(container)

    async def _shut_down(self, container: str, command: Sequence[str], grace: timedelta) -> None:
        try:
            await self._engine.execute(container, command, grace)
        except Problem as problem:
            log.warning("the shutdown command of %s did not run: %s", container[:12], problem)
