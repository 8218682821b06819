"""Journal against world: finishes or undoes what a crash left half done, and brings back what a live release has lost."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import cast

from hostess.domain import labels
from hostess.domain.hostess_yml.stack import OnFailure
from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place, Step
from hostess.domain.releases.plan import matching, orderly
from hostess.domain.releases.release import OPEN, Deployment, Kind, Release, State, Workload
from hostess.domain.routing.canaries import belongs
from hostess.services.deploying.deployments import Settle
from hostess.services.deploying.launch import in_order
from hostess.services.deploying.migrator import Migrator, hook_of
from hostess.services.deploying.report import as_record
from hostess.services.deploying.turns import Turns
from hostess.services.deploying.undoing import Undoing
from hostess.services.keeping.repairs import Repairs
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import leaving
from hostess.services.live import place_of
from hostess.services.routing.publishing import Routing

AGAIN = 2.0
HOOK_SECONDS = 300.0
PATIENCE = 10.0
"""How long one environment keeps the next look at the others waiting."""

log = logging.getLogger(__name__)


class Reconciler:
    """Runs once at boot, before any door opens, and then on a timer."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        undoing: Undoing,
        replicas: Replicas,
        repairs: Repairs,
        migrator: Migrator,
        routing: Routing,
        turns: Turns,
        clock: Clock,
        settle: Settle,
        drop: Settle,
    ) -> None:
        self._journal = journal
        self._undoing = undoing
        self._replicas = replicas
        self._repairs = repairs
        self._migrator = migrator
        self._routing = routing
        self._turns = turns
        self._clock = clock
        self._settle = settle
        self._drop = drop
        self._told: set[str] = set()
        self._left_open: dict[tuple[str, str], set[str]] = {}
        self._looking: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def at_boot(self, held: asyncio.Event) -> None:
        """Bring every deployment that a dead daemon left open to a final state, then make the world equal to what is live.

        *held* is set once the environments concerned are locked: doors may open then. What cannot be finished now (the engine is
        down) is tried again.
        """
        await self._repairs.hold_unproved()
        await self._attempt("what was left of repairs", self._repairs.remove_unproved())
        left = defaultdict(list)
        for deployment in reversed(await self._journal.deployments(states=OPEN, limit=1000)):
            left[deployment.project, deployment.environment].append(deployment)
        turns = [AsyncExitStack() for _ in left]
        for turn, (project, environment) in zip(turns, left, strict=True):
            await turn.enter_async_context(self._turns.turn(project, environment))
        await self._attempt("the routing table", self._let_go([each for some in left.values() for each in some]))
        held.set()
        async with asyncio.TaskGroup() as group:
            for turn, deployments in zip(turns, left.values(), strict=True):
                group.create_task(self._finish_all(turn, deployments))
        await self.tick()

    async def _finish_all(self, turn: AsyncExitStack, deployments: list[Deployment]) -> None:
        """Finish what was left open in one environment, then let it go; the other environments do not wait for this one."""
        async with turn:
            for deployment in deployments:
                while not await self._attempt(f"deployment {deployment.id}", self._finish(deployment)):
                    await self._clock.sleep(AGAIN)
                self._routing.release(deployment.id)

    async def _let_go(self, left: Iterable[Deployment]) -> None:
        """Route to nothing that went while no daemon was there, before anything can be given its address.

        What was *left* before its switch has passed no gate, and is not routed until it is finished either.
        """
        for deployment in left:
            if deployment.state is not State.SWITCHED and not await self._is_served(deployment):
                self._routing.hold(deployment.id)
        async with asyncio.timeout(PATIENCE):
            await self._routing.publish()

    async def _is_served(self, deployment: Deployment) -> bool:
        """Whether what it has started is a canary, or part of a release that is live now."""
        live = await self._journal.live(deployment.project, deployment.environment)
        canary = await self._journal.canary(deployment.project, deployment.environment)
        tried = canary is not None and canary.deployment == deployment.id
        return tried or (live is not None and await self._serves(deployment, live))

    async def tick(self) -> None:
        """Look at every environment that nobody deploys to right now, side by side; one that takes long goes on after this returns."""
        await self._attempt("what was left of repairs", self._repairs.remove_unproved())
        settled = await self._settled()
        for place in await self._journal.places():
            key = (place.project, place.environment)
            if not self._turns.busy(*key) and key not in self._looking:
                looking = self._looking[key] = asyncio.create_task(self._look_after(place, key in settled))
                looking.add_done_callback(partial(self._looked, key))
        if self._looking:
            await asyncio.wait(list(self._looking.values()), timeout=PATIENCE)
        await self._attempt("the routing table", self._routing.publish())

    async def stop(self) -> None:
        """Give up what is being repaired."""
        looking = list(self._looking.values())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    def _looked(self, key: tuple[str, str], _: asyncio.Task[None]) -> None:
        self._looking.pop(key)

    async def _settled(self) -> set[tuple[str, str]]:
        """Return the environments in which exactly what is live runs, by two questions to the engine: idle hosts cost next to nothing."""
        found: set[tuple[str, str]] = set()
        await self._attempt("what runs", self._look_around(found))
        return found

    async def _look_around(self, found: set[tuple[str, str]]) -> None:
        containers, networks = await self._replicas.everywhere(), await self._replicas.networks()
        gone = await leaving(self._journal)
        for place in await self._journal.places():
            key = (place.project, place.environment)
            canary = await self._journal.canary(*key)
            there = [container for container in containers.get(key, []) if not belongs(canary, container)]
            live = await self._journal.live(*key)
            # What sleeps has no container that would keep its network from being pruned.
            if orderly(live, there, gone) and (live is None or place.network in networks):
                found.add(key)

    async def _look_after(self, place: Place, settled: bool) -> None:  # noqa: FBT001 -- a fact about the place
        async with self._turns.turn(place.project, place.environment):
            await self._attempt(f"deployments to {place.network}", self._finish_forgotten(place))
            if not settled:
                await self._attempt(f"{place.project}/{place.environment}", self._converge(place))

    async def _attempt(self, what: str, work: Awaitable[object]) -> bool:
        """Do one piece of work so that its failure costs only itself; return whether it went well. It is told once, until it does."""
        try:
            await work
        except Exception as error:
            if what not in self._told:
                self._told.add(what)
                bug = None if isinstance(error, Problem) else error
                log.warning("%s could not be looked after: %s; it is tried again", what, error, exc_info=bug)
            return False
        self._told.discard(what)
        return True

    # ---- deployments that a crash left open --------------------------------------------------------------------------

    async def _finish_forgotten(self, place: Place) -> None:
        """Finish what ended without its record being written (a full disk): still open at two looks, though nobody had the turn."""
        key = (place.project, place.environment)
        left = await self._journal.deployments(*key, OPEN)
        before, self._left_open[key] = self._left_open.get(key, set()), {deployment.id for deployment in left}
        for deployment in reversed(left):
            if deployment.id in before:
                await self._finish(deployment)

    async def _finish(self, deployment: Deployment) -> None:
        live = await self._journal.live(deployment.project, deployment.environment)
        canary = await self._journal.canary(deployment.project, deployment.environment)
        if canary is not None and canary.deployment == deployment.id:
            await self._settle(deployment)
            await self._journal.move(deployment.id, State.CANARY, self._clock.now(), phase="")
        elif deployment.state is State.SWITCHED and live is not None and live.number == deployment.release:
            await self._forward(deployment, live)
        elif live is not None and await self._serves(deployment, live):
            # Taking it back would stop what serves. One that had switched was live; any other is closed once its containers are gone.
            await self._forget_commit(deployment)
            if deployment.state is State.SWITCHED:
                await self._journal.move(deployment.id, State.LIVE, self._clock.now(), phase="")
        else:
            await self._back(deployment)

    async def _serves(self, deployment: Deployment, live: Release) -> bool:
        """Whether a later release, which is live now, carried over what *deployment* had started."""
        containers = await self._replicas.of_place(live.project, live.environment)
        serving = [
            c for workload in live.workloads.values() for c in matching(workload, containers)[: workload.replicas]
        ]
        return any(container.labels.get(labels.DEPLOYMENT) == deployment.id for container in serving)

    async def _forward(self, deployment: Deployment, live: Release) -> None:
        """Finish what follows a switch that was written down: the new release is what serves."""
        place = await place_of(self._journal, deployment.project, deployment.environment)
        await self._routing.publish()
        try:
            state = await self._post_deploy(deployment, place, live)
        except Problem as problem:
            await self._revert(deployment, place, live, problem)
            return
        await self._undoing.retire_stale(place, live, [])
        if deployment.ref:
            await self._settle(deployment)
        await self._journal.move(deployment.id, state, self._clock.now(), phase="")
        await self._tell(
            deployment, f"deployment {deployment.id} was finished after a restart: {live.title} is {state}"
        )

    async def _post_deploy(self, deployment: Deployment, place: Place, live: Release) -> State:
        """Run what was not run yet; the Problem of a hook that wants to be answered by a rollback is raised."""
        codes = await self._tasks_left(deployment)
        begun = {step.name: step.outcome for step in await self._journal.steps(deployment.id)}
        state = State.LIVE
        for workload in in_order(live) if deployment.kind in {Kind.PUSH, Kind.PROMOTE} else ():
            hook = workload.post_deploy
            if hook is None:
                continue
            try:
                await self._hook_ended(deployment, place, live, workload, begun, codes)
            except Problem as problem:
                log.warning("%s", problem)
                if hook.on_failure is OnFailure.ROLLBACK:
                    raise
                state = State.DEGRADED if hook.on_failure is OnFailure.ABORT else state
        return state

    async def _hook_ended(
        self,
        deployment: Deployment,
        place: Place,
        live: Release,
        workload: Workload,
        begun: Mapping[str, str],
        codes: Mapping[str, int | None],
    ) -> None:
        """Return when a post_deploy has ended well, run here if it had not begun; Problem when not."""
        hook = hook_of(workload, "post_deploy")
        name = f"job:{hook.job}" if hook.job else f"post_deploy:{workload.name}"
        if name not in begun and hook.job is None:
            await self._migrator.run(place, live, workload, "post_deploy", deployment.id, log.info)
        elif begun.get(name) != "done" and codes.get(name, -1) != 0:
            raise Problem(
                "post_deploy-failed",
                f"post_deploy of {workload.name} did not end well: the daemon stopped meanwhile",
                remedy="push the same commit again",
            )

    async def _revert(self, deployment: Deployment, place: Place, live: Release, problem: Problem) -> None:
        """Take a switch back because of a post_deploy that says so. Nothing newer is live: the turn has been held since boot."""
        steps = await self._journal.steps(deployment.id)
        number = next((step.detail.get("before") for step in steps if step.name == "switch"), None)
        before = (
            await self._journal.release(place.project, place.environment, int(str(number)))
            if number is not None
            else None
        )
        await self._undoing.revert(deployment.id, place, before, live)
        await self._forget_commit(deployment)
        record = as_record(problem, "post_deploy")
        await self._journal.move(deployment.id, State.FAILED, self._clock.now(), phase="post_deploy", problem=record)
        await self._tell(deployment, f"deployment {deployment.id} was taken back after a restart: {problem}")

    async def _back(self, deployment: Deployment) -> None:
        """Nothing has switched: take everything back and say so."""
        place = await place_of(self._journal, deployment.project, deployment.environment)
        migrated = await self._how_they_ended(deployment, await self._tasks_left(deployment))
        await self._undoing.undo(deployment.id, place)
        await self._forget_commit(deployment)
        problem = Problem(
            "interrupted",
            "the daemon stopped in the middle of this deployment; it was taken back" + migrated,
            remedy="push the same commit again",
        )
        await self._journal.move(
            deployment.id, State.FAILED, self._clock.now(), problem=as_record(problem, deployment.phase)
        )
        await self._tell(deployment, f"deployment {deployment.id} was taken back after a restart")

    async def _forget_commit(self, deployment: Deployment) -> None:
        """Keep the commit of what has ended no longer for its sake; that it cannot be dropped holds nothing up."""
        if deployment.ref:
            try:
                await self._drop(deployment)
            except Problem as problem:
                log.warning("the commit of deployment %s is kept, and was to be dropped: %s", deployment.id, problem)

    async def _tasks_left(self, deployment: Deployment) -> dict[str, int | None]:
        """Wait for hooks that still run; return the exit code of each by the name of its step, None for what had to be killed."""
        codes: dict[str, int | None] = {}
        steps = {step.name: step for step in await self._journal.steps(deployment.id)}
        for container in await self._replicas.of_place(deployment.project, deployment.environment):
            if container.labels.get(labels.DEPLOYMENT) != deployment.id or labels.is_replica(container.labels):
                continue
            name = f"{container.labels.get(labels.REPLICA, 'hook')}:{container.labels[labels.SERVICE]}"
            codes[name] = await self._migrator.settle(container, self._left(steps.get(name)))
        return codes

    async def _how_they_ended(self, deployment: Deployment, codes: Mapping[str, int | None]) -> str:
        """Return what became of hooks that were left running, as the end of a sentence."""
        said = ""
        for name, code in codes.items():
            kind, _, service = name.partition(":")
            outcome = "was killed after its time" if code is None else f"ended with exit code {code}"
            said += f"; {kind} of {service} had been running and {outcome}"
        steps = await self._journal.steps(deployment.id)
        unknown = [step.name for step in steps if step.name.startswith("migrate:") and not step.outcome]
        if unknown and not said:
            said = f"; how {unknown[0]} ended is not known: look at the database before you push again"
        return said

    def _left(self, step: Step | None) -> float:
        """Return how many seconds of its own time a hook has left."""
        if step is None:
            return 0.0
        allowed = float(cast("float", step.detail.get("seconds", HOOK_SECONDS)))
        return max(allowed - (self._clock.now() - step.begun_at).total_seconds(), 0.0)

    # ---- live releases -----------------------------------------------------------------------------------------------

    async def _converge(self, place: Place) -> None:
        """Make what runs in *place* equal to its live release."""
        live = await self._journal.live(place.project, place.environment)
        await self._undoing.sweep(place)
        if live is None:
            await self._undoing.retire_all(place)
            return
        await self._replicas.make_network(place)
        if await self._repairs.repair(place, live):
            await self._undoing.retire_stale(place, live, [])

    async def _tell(self, deployment: Deployment, message: str) -> None:
        now = self._clock.now()
        await self._journal.tell(
            "deployment.reconciled", message, now, project=deployment.project, environment=deployment.environment
        )
