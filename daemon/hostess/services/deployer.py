"""Makes the world equal to a release: carries a plan out step by step, each written down before and after.

Everything before the switch can fail and leaves the old release serving; after it only the proof and post_deploy can still take
it back. One path for push, rollback, restart and scale (ARCHITECTURE section 2).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from hostess.domain import labels
from hostess.domain.plan import HandOver, Plan, Start, plan, waves
from hostess.domain.ports import Clock, Container, Journal, Meter
from hostess.domain.problem import Problem
from hostess.domain.push import Say
from hostess.domain.records import Place
from hostess.domain.release import Deployment, Release, State, Workload, final
from hostess.domain.routes import hosts_of
from hostess.domain.stack import OnFailure
from hostess.services.gate import Gate
from hostess.services.migrator import Migrator, hook_of
from hostess.services.persistence import until_written
from hostess.services.replicas import Replicas, grace_of
from hostess.services.retirement import Retirement, leaving
from hostess.services.routing import Routing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """One deployment to carry out. *migrate*: whether hooks run. *may_switch* looks once more, right before the switch.

    *committed* is called when nobody may cancel the deployment's task any more: it switches now, or is being taken back.
    """

    deployment: Deployment
    place: Place
    wanted: Release
    live: Release | None
    say: Say
    committed: Callable[[], None]
    migrate: bool = True
    may_switch: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True)
class _Progress:
    """What one run has done so far, for its own undoing."""

    plan: Plan
    seconds: dict[str, float] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    switched: bool = False


class Deployer:
    """Carries orders out. The caller holds the environment's turn."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        replicas: Replicas,
        gate: Gate,
        migrator: Migrator,
        routing: Routing,
        retirement: Retirement,
        meter: Meter,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._replicas = replicas
        self._gate = gate
        self._migrator = migrator
        self._routing = routing
        self._retirement = retirement
        self._meter = meter
        self._clock = clock

    async def deploy(self, order: Order) -> tuple[State, Mapping[str, float]]:
        """Make *order.wanted* live; return LIVE or DEGRADED and the seconds that each phase took.

        When this raises, nothing has switched, or the journal has the previous release live again; every new container is gone
        and what was stopped runs again, as far as engine and proxy let that happen: the rest is the reconciler's.
        """
        await self.sweep(order.place)
        containers = await self._replicas.of_place(order.place.project, order.place.environment)
        progress = _Progress(plan(order.live, order.wanted, containers, await leaving(self._journal)))
        self._routing.hold(order.deployment.id)
        try:
            try:
                await self._before(order, progress)
                if order.may_switch is not None:
                    await order.may_switch()
            finally:
                order.committed()
            self._routing.release(order.deployment.id)
            await self._switch(order, progress)
        except BaseException:
            if not progress.switched:
                await self._take_back(order)
            raise
        finally:
            self._routing.release(order.deployment.id)
        return await self._settle(order, progress, containers), progress.seconds

    async def _take_back(self, order: Order) -> None:
        """Undo before what went wrong is told; that this goes wrong, too, must not hide it."""
        try:
            await self.undo(order.deployment.id, order.place)
        except Problem as problem:
            log.warning("deployment %s was not wholly taken back: %s", order.deployment.id, problem)
            order.say(f" !     not all of it could be taken back yet: {problem}; this is tried again")

    # ---- before the switch -------------------------------------------------------------------------------------------

    async def _before(self, order: Order, progress: _Progress) -> None:
        todo = progress.plan
        self._check_memory(order, todo)
        for name in todo.carried:
            order.say(f"       {name}: unchanged, carried over")
        for name in todo.removed:
            stays = ", what it stored stays" if order.live and order.live.workloads[name].volumes else ""
            order.say(f"       {name}: no longer in hostess.yml, it stops after the switch{stays}")
        await self._starts(order, progress, todo.databases, "databases")
        if order.migrate:
            await self._migrate(order, progress)
        for wave in todo.waves:
            await self._starts(order, progress, wave, "start")
        await self._starts(order, progress, todo.workers, "workers")
        for hand_over in todo.hand_overs:
            await self._hand_over(order, progress, hand_over)

    def _check_memory(self, order: Order, todo: Plan) -> None:
        needed = sum(order.wanted.workloads[s.service].memory // 4 * s.count for s in todo.starts)
        _, available = self._meter.memory()
        if needed > available:
            raise Problem(
                "memory-short",
                f"the new replicas ask for {needed // 1024**2} MB beside the old ones, and {available // 1024**2} MB are available",
                remedy="lower resources or replicas in hostess.yml, or use a larger host",
            )

    async def _migrate(self, order: Order, progress: _Progress) -> None:
        for workload in _in_order(order.wanted):
            if workload.migrate is None or _migrated(order.live, workload):
                continue
            needs = [s for s in progress.plan.starts if s.service in _needs(order.wanted, workload.name)]
            await self._starts(order, progress, needs, "start")
            await self._hook(order, progress, workload, "migrate")

    async def _hook(self, order: Order, progress: _Progress, workload: Workload, kind: str) -> None:
        hook = hook_of(workload, kind)
        detail = {"seconds": hook.timeout.total_seconds()}
        async with self._step(order, progress, kind, f"{kind}:{workload.name}", detail):
            try:
                await self._migrator.run(order.place, order.wanted, workload, kind, order.deployment.id, order.say)
            except Problem as problem:
                if hook.on_failure is not OnFailure.CONTINUE:
                    raise
                order.say(f" !     {problem.what}; going on, as on_failure: continue says")

    async def _starts(
        self, order: Order, progress: _Progress, starts: tuple[Start, ...] | list[Start], phase: str
    ) -> None:
        todo = [start for start in starts if start.service not in progress.started]
        if not todo:
            return
        progress.started.update(start.service for start in todo)
        names = ", ".join(f"{start.service} x {start.count}" if start.count > 1 else start.service for start in todo)
        order.say(f"-----> starting {names}")
        async with self._step(order, progress, phase, f"{phase}:{','.join(s.service for s in todo)}", {}):
            try:
                async with asyncio.TaskGroup() as group:
                    for start in todo:
                        kept = await self._kept_numbers(order, start.service)
                        for number in [n for n in range(1, start.count + len(kept) + 1) if n not in kept][
                            : start.count
                        ]:
                            group.create_task(self._start(order, order.wanted.workloads[start.service], number))
            except* Problem as several:
                raise _first(several) from several

    async def _kept_numbers(self, order: Order, service: str) -> set[int]:
        spec = order.wanted.workloads[service].spec
        return {
            int(c.labels.get(labels.REPLICA, "0"))
            for c in await self._replicas.of_place(order.place.project, order.place.environment)
            if c.labels.get(labels.SERVICE) == service and c.labels.get(labels.SPEC) == spec
        }

    async def _start(self, order: Order, workload: Workload, number: int) -> None:
        began = self._clock.now()
        container = await self._replicas.start(order.place, order.wanted, workload, number, order.deployment.id)
        await self._gate.passed(workload, container)
        seconds = (self._clock.now() - began).total_seconds()
        order.say(f"       {workload.name}.{number} is healthy after {seconds:.1f} s")

    async def _hand_over(self, order: Order, progress: _Progress, hand_over: HandOver) -> None:
        workload = order.wanted.workloads[hand_over.service]
        order.say(f"-----> handing over {workload.name}: it pauses, because two of it must never run at once")
        async with self._step(
            order, progress, "hand over", f"hand_over:{workload.name}", {"stop": list(hand_over.stop)}
        ):
            for container in hand_over.stop:
                await self._replicas.stop(container, grace_of(workload))
            await self._start(order, workload, 1)

    # ---- the switch and after ----------------------------------------------------------------------------------------

    async def _switch(self, order: Order, progress: _Progress) -> None:
        async with self._step(order, progress, "switch", "switch", {"release": order.wanted.number}):
            now = self._clock.now()
            await self._journal.switch(order.deployment.id, order.wanted, hosts_of(order.wanted), (), now)
            progress.switched = True

    async def _settle(self, order: Order, progress: _Progress, before: list[Container]) -> State:
        """Publish, prove, run post_deploy, let the old ones go. Nobody cancels this part; after a crash the reconciler does it."""
        state = State.LIVE
        try:
            async with self._step(order, progress, "switch", "publish", {}):
                await self._routing.publish()
            async with self._step(order, progress, "switch", "prove", {}):
                await self._routing.prove(order.wanted, progress.plan.changed)
            state = await self._post_deploy(order, progress)
        except Exception:
            await self.revert(order.deployment.id, order.place, order.live, order.wanted)
            raise
        try:
            async with self._step(order, progress, "switch", "retire", {}):
                await self.retire_stale(order.place, order.wanted, order.live, before)
        except Problem as problem:
            # The release is live and proved: this cannot fail it, only be done later, by the reconciler.
            log.warning("what %s replaced could not be retired yet: %s", order.wanted.title, problem)
        return state

    async def _post_deploy(self, order: Order, progress: _Progress) -> State:
        state = State.LIVE
        for workload in _in_order(order.wanted) if order.migrate else ():
            if workload.post_deploy is None:
                continue
            try:
                await self._hook(order, progress, workload, "post_deploy")
            except Problem as problem:
                if workload.post_deploy.on_failure is OnFailure.ROLLBACK:
                    raise
                order.say(f" !     {problem.what}; the release is live, but marked degraded")
                state = State.DEGRADED
        return state

    async def make_network(self, place: Place) -> None:
        """Make the environment's network if it is not there."""
        await self._replicas.make_network(place)

    # ---- shared with the reconciler ----------------------------------------------------------------------------------

    async def retire_stale(
        self, place: Place, wanted: Release, before: Release | None, containers: list[Container]
    ) -> None:
        """Hand every replica that *wanted* does not need over to retirement, and remove what a hand-over stopped."""
        now = await self._replicas.of_place(place.project, place.environment)
        known = {container.id: container for container in containers}
        gone = await leaving(self._journal)
        stale = set(plan(None, wanted, now, gone).retired) - gone
        await self._retirement.retire(
            [known.get(c.id, c) for c in now if c.id in stale], before.workloads if before else {}
        )

    async def sweep(self, place: Place) -> None:
        """Remove replicas of deployments that failed and one-off tasks of those that are over.

        What passed no gate must not be taken for a replica of a release with the same spec.
        """
        gone = await leaving(self._journal)
        states: dict[str, State | None] = {}
        containers = await self._replicas.of_place(place.project, place.environment)
        # Asked for after the containers: a run is written down before its container is made.
        runs = {run.id for run in await self._journal.open_runs()}
        for container in containers:
            mark = container.labels.get(labels.DEPLOYMENT, "")
            if mark not in states:
                deployment = await self._journal.deployment(mark) if mark else None
                states[mark] = deployment.state if deployment else None
            state = states[mark]
            if labels.is_replica(container.labels):
                over = state in {State.FAILED, State.CANCELLED} and container.id not in gone
            else:
                known = mark in runs or self._replicas.holds(mark)
                over = not known and (state is None or final(state))
            if over:
                await self._replicas.remove(container.id)

    async def undo(self, deployment: str, place: Place) -> None:
        """Take back what a deployment did: remove its containers (but those being retired), start again what it had stopped."""
        gone = await leaving(self._journal)
        for container in await self._replicas.of_place(place.project, place.environment):
            if container.labels.get(labels.DEPLOYMENT) == deployment and container.id not in gone:
                await self._replicas.remove(container.id)
        restarted = False
        for step in await self._journal.steps(deployment):
            for stopped in cast("list[str]", step.detail.get("stop", [])):
                await self._replicas.restart(stopped)
                restarted = True
        if restarted:
            await self._routing.publish()

    async def revert(self, deployment: str, place: Place, live: Release | None, failed: Release) -> None:
        """Take a switch back: the previous release is live and routed again; the new replicas are drained and go.

        When this returns the journal has it; what engine or proxy did not let happen is left to retirement and the reconciler.
        """
        hosts, number = hosts_of(live) if live else {}, live.number if live else None
        await until_written(self._clock, lambda: self._journal.revert(place.project, place.environment, number, hosts))
        for work in (self._routing.publish, partial(self._unload, deployment, place, failed)):
            try:
                await work()
            except Problem as problem:
                log.warning("deployment %s was not wholly taken back: %s; this is tried again", deployment, problem)

    async def _unload(self, deployment: str, place: Place, failed: Release) -> None:
        """Retire a failed release's replicas, remove what must not run twice, and start again what it had stopped."""
        routed = [
            container
            for container in await self._replicas.of_place(place.project, place.environment)
            if container.labels.get(labels.DEPLOYMENT) == deployment
            and (workload := failed.workloads.get(container.labels.get(labels.SERVICE, ""))) is not None
            and not workload.singleton
        ]
        await self._retirement.retire(routed, failed.workloads)
        await self.undo(deployment, place)

    # ---- writing down ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _step(
        self, order: Order, progress: _Progress, phase: str, name: str, detail: Mapping[str, object]
    ) -> AsyncIterator[None]:
        began = self._clock.now()
        step = await self._journal.begin_step(order.deployment.id, name, detail, began)
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            ended = self._clock.now()
            progress.seconds[phase] = progress.seconds.get(phase, 0.0) + (ended - began).total_seconds()
            try:
                await asyncio.shield(self._journal.end_step(step, outcome, ended))
            except Problem as problem:
                # What was done is done; a disk that stays full stops the next step before it begins.
                log.warning("the end of %s was not written down: %s", name, problem)


def _in_order(release: Release) -> list[Workload]:
    return [release.workloads[name] for wave in waves(release.workloads) for name in wave]


def _needs(release: Release, service: str) -> set[str]:
    found: set[str] = set()
    queue = list(release.workloads[service].depends_on)
    while queue:
        name = queue.pop()
        if name not in found and name in release.workloads:
            found.add(name)
            queue += release.workloads[name].depends_on
    return found


def _migrated(live: Release | None, workload: Workload) -> bool:
    """Whether the live release ran this very migration from this very container."""
    before = live.workloads.get(workload.name) if live else None
    return before is not None and (before.spec, before.migrate) == (workload.spec, workload.migrate)


def _first(several: ExceptionGroup[Problem]) -> Problem:
    first = several.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
