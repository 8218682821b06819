"""What left the routing table: drained, then SIGTERM, then removed, by tasks that survive a restart of the daemon."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import cast

from hostess.domain.codec import from_json, to_json
from hostess.domain.ports import Clock, Container, Engine, Journal, Router
from hostess.domain.problem import Problem
from hostess.domain.records import Task
from hostess.domain.waits import is_over
from hostess.services.deploying.shutdown import Ending, Shutdown
from hostess.services.past_logs import PastLogs

DRAIN = timedelta(seconds=30)
RETRY = timedelta(seconds=10)
KIND = "retire"

log = logging.getLogger(__name__)


async def leaving(journal: Journal) -> frozenset[str]:
    """Return the ids of the containers that are being retired: nothing may be built on them any more."""
    return frozenset(str(task.payload["container"]) for task in await journal.tasks() if task.kind == KIND)


class Retirement:
    """Retires containers that no table names any more."""

    def __init__(
        self, engine: Engine, journal: Journal, router: Router, shutdown: Shutdown, past_logs: PastLogs, clock: Clock
    ) -> None:
        self._past_logs = past_logs
        self._engine = engine
        self._journal = journal
        self._router = router
        self._shutdown = shutdown
        self._clock = clock
        self._under_way: dict[int, asyncio.Task[Problem | None]] = {}
        self._wake = asyncio.Event()

    async def retire(self, containers: Sequence[Container]) -> None:
        """Write down that *containers* must go; the work is done by `run`."""
        for container in containers:
            ending = await self._shutdown.of(container)
            address = container.address
            payload = {
                "container": container.id,
                "name": container.name,
                "targets": [f"{address}:{port}" for port in ending.ports] if address else [],
                "ending": to_json(ending),
            }
            await self._journal.add_task(KIND, payload, self._clock.now())
        self._wake.set()

    async def gone(self, containers: Sequence[Container]) -> None:
        """Retire *containers*, those too that are being retired already, and return when none is left.

        A Problem when one could not be retired; that is tried again all the same.
        """
        known = await leaving(self._journal)
        await self.retire([container for container in containers if container.id not in known])
        ids = {container.id for container in containers}
        tasks = [task for task in await self._journal.tasks() if task.kind == KIND and task.payload["container"] in ids]
        for problem in await asyncio.gather(*(asyncio.shield(self._begun(task)) for task in tasks)):
            if problem is not None:
                raise problem

    async def hand_over(self, container: Container, deployment: str) -> None:
        """Stop a replica whose successor must not run beside it; it stays there, to be started again if need be."""
        if container.id in await leaving(self._journal):
            await self.gone([container])
            return
        ending = await self._shutdown.of(container)
        await self._shutdown.before_end(container, ending, deployment)
        await self._engine.stop(container.id, ending.grace)

    async def run(self) -> None:
        """Carry out the tasks, all side by side, until cancelled; what fails is tried again."""
        try:
            while True:
                self._wake.clear()
                for task in await self._due():
                    self._begun(task)
                try:
                    async with asyncio.timeout(RETRY.total_seconds()):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            left = list(self._under_way.values())
            for attempt in left:
                attempt.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _begun(self, task: Task) -> asyncio.Task[Problem | None]:
        """Return the attempt at a task that is under way, begun now if there is none."""
        if task.id not in self._under_way:
            attempt = asyncio.create_task(self._attempt(task.id, task.payload))
            self._under_way[task.id] = attempt
            attempt.add_done_callback(lambda _: self._under_way.pop(task.id, None))
        return self._under_way[task.id]

    async def _due(self) -> list[Task]:
        now = self._clock.now()
        try:
            open_tasks = await self._journal.tasks()
        except Problem as problem:
            log.warning("what has to be retired is not known right now: %s", problem)
            return []
        return [task for task in open_tasks if task.kind == KIND and is_over(task.due_at, now, RETRY)]

    async def _attempt(self, task: int, payload: Mapping[str, object]) -> Problem | None:
        """Retire one container; what goes wrong, known or not, is returned and costs the others nothing."""
        try:
            await self._carry_out(task, payload)
            await self._journal.finish_task(task)
        except Exception as error:
            bug = None if isinstance(error, Problem) else error
            log.warning("could not retire %s yet: %s", payload.get("name"), error, exc_info=bug)
            with suppress(Problem):  # it stays due then
                await self._journal.postpone(task, self._clock.now() + RETRY, str(error))
            return (
                error if isinstance(error, Problem) else Problem("internal-error", f"a replica did not stop: {error}")
            )
        return None

    async def _carry_out(self, task: int, payload: Mapping[str, object]) -> None:
        container = await self._engine.container(str(payload["container"]))
        ending = from_json(Ending, payload.get("ending", {}))
        if container is None:  # its address may be another's by now, whose requests a drain would cut
            await self._shutdown.without(ending)
            return
        targets = [str(target) for target in cast("list[object]", payload["targets"])]
        if targets:
            await self._router.drained(targets, DRAIN)
        if ending.command and not payload.get("told"):
            # A command that a crash cuts off is not begun anew: written down before it runs. A job knows its run by its id.
            await self._journal.amend_task(task, {**payload, "told": True})
        if ending.job or not payload.get("told"):
            await self._shutdown.before_end(container, ending)
        await self._engine.stop(container.id, ending.grace)
        await self._past_logs.keep(container)
        await self._engine.remove(container.id)
