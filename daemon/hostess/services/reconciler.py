"""Journal against world: finishes or undoes what a crash left half done, and brings back what a live release has lost."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import TypeVar

from hostess.domain import labels
from hostess.domain.plan import PRESENT, plan
from hostess.domain.ports import Clock, Container, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.release import Deployment, Release, State, Workload, final
from hostess.services.deployer import Deployer
from hostess.services.deployments import Settle
from hostess.services.gate import Gate
from hostess.services.migrator import Migrator
from hostess.services.replicas import Replicas
from hostess.services.report import as_record
from hostess.services.routing import Routing
from hostess.services.turns import Turns

OPEN = (State.QUEUED, State.RUNNING, State.SWITCHED)
AGAIN = 2.0

log = logging.getLogger(__name__)

T = TypeVar("T")


class Reconciler:
    """Runs once at boot, before any door opens, and then on a timer."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        deployer: Deployer,
        replicas: Replicas,
        gate: Gate,
        migrator: Migrator,
        routing: Routing,
        turns: Turns,
        clock: Clock,
        settle: Settle,
    ) -> None:
        self._journal = journal
        self._deployer = deployer
        self._replicas = replicas
        self._gate = gate
        self._migrator = migrator
        self._routing = routing
        self._turns = turns
        self._clock = clock
        self._settle = settle
        self._told: set[str] = set()

    async def at_boot(self, held: asyncio.Event) -> None:
        """Bring every deployment that a dead daemon left open to a final state, then make the world equal to what is live.

        *held* is set once the environments concerned are locked: doors may open then. What cannot be finished now (the engine is
        down) is tried again.
        """
        left = defaultdict(list)
        for deployment in reversed(await self._journal.deployments(states=OPEN, limit=1000)):
            left[deployment.project, deployment.environment].append(deployment)
        async with AsyncExitStack() as turns:
            for project, environment in left:
                await turns.enter_async_context(self._turns.turn(project, environment))
            held.set()
            for deployments in left.values():
                for deployment in deployments:
                    while not await self._attempt(f"deployment {deployment.id}", self._finish(deployment)):
                        await self._clock.sleep(AGAIN)
        await self.tick()

    async def tick(self) -> None:
        """Look at every environment that nobody deploys to right now."""
        for place in await self._journal.places():
            if not self._turns.busy(place.project, place.environment):
                async with self._turns.turn(place.project, place.environment):
                    await self._attempt(f"{place.project}/{place.environment}", self._converge(place))
        await self._attempt("the routing table", self._routing.publish())

    async def _attempt(self, what: str, work: Awaitable[T]) -> T | None:
        """Do one piece of work so that its failure costs only itself; a failure is told once, until it has gone."""
        try:
            result = await work
        except Problem as problem:
            if what not in self._told:
                self._told.add(what)
                log.warning("%s could not be looked after: %s; it is tried again", what, problem)
            return None
        self._told.discard(what)
        return result

    # ---- deployments that a crash left open --------------------------------------------------------------------------

    async def _finish(self, deployment: Deployment) -> bool:
        live = await self._journal.live(deployment.project, deployment.environment)
        if deployment.state is State.SWITCHED and live is not None and live.number == deployment.release:
            await self._forward(deployment, live)
        else:
            await self._back(deployment)
        return True

    async def _forward(self, deployment: Deployment, live: Release) -> None:
        """Finish what follows a switch that was written down: the new release is what serves."""
        place = await self._place(deployment)
        await self._routing.publish()
        state = await self._post_deploy(deployment, place, live)
        await self._deployer.retire_stale(place, live, None, [])
        if deployment.ref:
            await self._settle(deployment)
        await self._journal.move(deployment.id, state, self._clock.now(), phase="")
        await self._tell(
            deployment, f"deployment {deployment.id} was finished after a restart: {live.title} is {state}"
        )

    async def _post_deploy(self, deployment: Deployment, place: Place, live: Release) -> State:
        begun = {step.name: step.outcome for step in await self._journal.steps(deployment.id)}
        await self._tasks_left(deployment, live)
        state = State.LIVE
        for workload in live.workloads.values():
            if workload.post_deploy is None or deployment.kind != "push":
                continue
            outcome = begun.get(f"post_deploy:{workload.name}")
            if outcome is None:
                try:
                    await self._migrator.run(place, live, workload, "post_deploy", deployment.id, log.info)
                except Problem as problem:
                    log.warning("%s", problem)
                    state = State.DEGRADED
            elif outcome != "done":
                state = State.DEGRADED
        return state

    async def _back(self, deployment: Deployment) -> None:
        """Nothing has switched: take everything back and say so."""
        place = await self._place(deployment)
        migrated = await self._tasks_left(deployment, None)
        await self._deployer.undo(deployment.id, place)
        problem = Problem(
            "interrupted",
            "the daemon stopped in the middle of this deployment; it was taken back" + migrated,
            remedy="push the same commit again",
        )
        await self._journal.move(
            deployment.id, State.FAILED, self._clock.now(), problem=as_record(problem, deployment.phase)
        )
        await self._tell(deployment, f"deployment {deployment.id} was taken back after a restart")

    async def _tasks_left(self, deployment: Deployment, live: Release | None) -> str:
        """Wait for hooks that still run; return what became of them, as the end of a sentence."""
        said = ""
        for container in await self._replicas.of_place(deployment.project, deployment.environment):
            if container.labels.get(labels.DEPLOYMENT) != deployment.id or labels.is_replica(container.labels):
                continue
            workload = live.workloads.get(container.labels[labels.SERVICE]) if live else None
            code = await self._migrator.settle(container, workload.migrate if workload else None)
            kind = container.labels.get(labels.REPLICA, "hook")
            outcome = "was killed after its time" if code is None else f"ended with exit code {code}"
            said += f"; {kind} of {container.labels[labels.SERVICE]} had been running and {outcome}"
        unknown = [
            s.name for s in await self._journal.steps(deployment.id) if s.name.startswith("migrate:") and not s.outcome
        ]
        if unknown and not said:
            said = f"; how {unknown[0]} ended is not known: look at the database before you push again"
        return said

    # ---- live releases -----------------------------------------------------------------------------------------------

    async def _converge(self, place: Place) -> bool:
        """Make what runs in *place* equal to its live release; return whether anything had to be done."""
        live = await self._journal.live(place.project, place.environment)
        containers = await self._replicas.of_place(place.project, place.environment)
        done = await self._remove_leftovers(containers)
        if live is None:
            return done
        await self._deployer.make_network(place)
        for workload in live.workloads.values():
            present, stopped = _present(workload, containers)
            for container in stopped[: max(0, workload.replicas - len(present))]:
                log.info("starting %s again", container.name)
                await self._replicas.restart(container.id)
                present.append(container)
                done = True
            for number in range(len(present), workload.replicas):
                await self._replace(place, live, workload, number + 1)
                done = True
        if plan(live, live, await self._replicas.of_place(place.project, place.environment)).retired:
            await self._deployer.retire_stale(place, live, live, containers)
            done = True
        return done

    async def _replace(self, place: Place, live: Release, workload: Workload, number: int) -> None:
        log.info("starting a replica of %s that was lost", workload.name)
        mark = f"repair-{self._clock.token(32)}"
        self._routing.hold(mark)
        try:
            container = await self._replicas.start(place, live, workload, number, mark)
            try:
                await self._gate.passed(workload, container)
            except Problem:
                await self._replicas.remove(container.id)
                raise
        finally:
            self._routing.release(mark)

    async def _remove_leftovers(self, containers: list[Container]) -> bool:
        """Remove one-off tasks whose deployment is final, and containers of failed deployments."""
        done = False
        states: dict[str, State | None] = {}
        for container in containers:
            mark = container.labels.get(labels.DEPLOYMENT, "")
            if mark not in states:
                found = await self._journal.deployment(mark) if mark else None
                states[mark] = found.state if found else None
            state = states[mark]
            gone = (
                state in {State.FAILED, State.CANCELLED}
                if labels.is_replica(container.labels)
                else state is None or final(state)
            )
            if gone:
                await self._replicas.remove(container.id)
                done = True
        return done

    async def _place(self, deployment: Deployment) -> Place:
        places = await self._journal.places(deployment.project)
        return next(place for place in places if place.environment == deployment.environment)

    async def _tell(self, deployment: Deployment, message: str) -> None:
        now = self._clock.now()
        await self._journal.tell(
            "deployment.reconciled", message, now, project=deployment.project, environment=deployment.environment
        )


def _present(workload: Workload, containers: list[Container]) -> tuple[list[Container], list[Container]]:
    """Return the containers of a workload that are there for the engine, and those that stopped."""
    same = [
        container
        for container in containers
        if labels.is_replica(container.labels)
        and container.labels.get(labels.SERVICE) == workload.name
        and container.labels.get(labels.SPEC) == workload.spec
    ]
    return [c for c in same if c.state in PRESENT], [c for c in same if c.state not in PRESENT]
