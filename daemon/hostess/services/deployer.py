"""Makes the world equal to a release: carries a plan out step by step, each written down before and after.

Everything before the switch can fail and leaves the old release serving; after it only the proof and post_deploy can still take
it back. One path for push, rollback, restart and scale (ARCHITECTURE section 2).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from hostess.domain import labels
from hostess.domain.plan import HandOver, Plan, Start, plan, waves
from hostess.domain.ports import Clock, Container, Journal, Meter
from hostess.domain.problem import Problem
from hostess.domain.push import Say
from hostess.domain.records import Place
from hostess.domain.release import Deployment, Release, State, Workload
from hostess.domain.routes import hosts_of
from hostess.domain.stack import OnFailure
from hostess.services.gate import Gate
from hostess.services.migrator import Migrator
from hostess.services.replicas import Replicas, grace_of
from hostess.services.retirement import Retirement
from hostess.services.routing import Routing

UNDO_WITHIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Order:
    """One deployment to carry out. *migrate*: whether hooks run. *may_switch* looks once more, right before the switch."""

    deployment: Deployment
    place: Place
    wanted: Release
    live: Release | None
    say: Say
    migrate: bool = True
    may_switch: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True)
class _Progress:
    """What one run has done so far, for its own undoing."""

    plan: Plan
    seconds: dict[str, float] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)


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

        On failure or cancellation before the switch every new container is gone and what was stopped runs again when this raises.
        """
        containers = await self._replicas.of_place(order.place.project, order.place.environment)
        progress = _Progress(plan(order.live, order.wanted, containers))
        self._routing.hold(order.deployment.id)
        try:
            await self._before(order, progress)
            if order.may_switch is not None:
                await order.may_switch()
            await self._switch(order, progress)
        except BaseException:
            await self._within(self.undo(order.deployment.id, order.place))
            raise
        finally:
            self._routing.release(order.deployment.id)
        return await self._settle(order, progress, containers), progress.seconds

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
            if workload.migrate is None or workload.spec == _spec(order.live, workload.name):
                continue
            needs = [s for s in progress.plan.starts if s.service in _needs(order.wanted, workload.name)]
            await self._starts(order, progress, needs, "start")
            await self._hook(order, progress, workload, "migrate")

    async def _hook(self, order: Order, progress: _Progress, workload: Workload, kind: str) -> None:
        hook = workload.migrate if kind == "migrate" else workload.post_deploy
        async with self._step(order, progress, kind, f"{kind}:{workload.name}", {}):
            try:
                await self._migrator.run(order.place, order.wanted, workload, kind, order.deployment.id, order.say)
            except Problem as problem:
                if hook is None or hook.on_failure is not OnFailure.CONTINUE:
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
            switch = self._journal.switch(order.deployment.id, order.wanted, hosts_of(order.wanted), (), now)
            await _to_its_end(switch)

    async def _settle(self, order: Order, progress: _Progress, before: list[Container]) -> State:
        """Publish, prove, run post_deploy, let the old ones go. Nobody cancels this part; after a crash the reconciler does it."""
        state = State.LIVE
        try:
            async with self._step(order, progress, "switch", "publish", {}):
                await self._routing.publish()
            async with self._step(order, progress, "switch", "prove", {}):
                await self._routing.prove(order.wanted, progress.plan.changed)
            state = await self._post_deploy(order, progress)
        except Problem:
            await self.revert(order.deployment.id, order.place, order.live, order.wanted)
            raise
        async with self._step(order, progress, "switch", "retire", {}):
            await self.retire_stale(order.place, order.wanted, order.live, before)
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
        stale = set(plan(None, wanted, now).retired) - await self._retirement.retiring()
        leaving = [known.get(c.id, c) for c in now if c.id in stale]
        await self._retirement.retire(leaving, before.workloads if before else {})

    async def undo(self, deployment: str, place: Place, leaving: frozenset[str] = frozenset()) -> None:
        """Take back what a deployment did: remove its containers (but those *leaving*), start again what it had stopped."""
        for container in await self._replicas.of_place(place.project, place.environment):
            if container.labels.get(labels.DEPLOYMENT) == deployment and container.id not in leaving:
                await self._replicas.remove(container.id)
        restarted = False
        for step in await self._journal.steps(deployment):
            for stopped in cast("list[str]", step.detail.get("stop", [])):
                await self._replicas.restart(stopped)
                restarted = True
        if restarted:
            await self._routing.publish()

    async def revert(self, deployment: str, place: Place, live: Release | None, failed: Release) -> None:
        """Take a switch back: the previous release is live and routed again; the new replicas are drained and go."""
        hosts = hosts_of(live) if live else {}
        await self._journal.revert(place.project, place.environment, live.number if live else None, hosts)
        await self._routing.publish()
        leaving = [
            container
            for container in await self._replicas.of_place(place.project, place.environment)
            if container.labels.get(labels.DEPLOYMENT) == deployment
            and (workload := failed.workloads.get(container.labels.get(labels.SERVICE, ""))) is not None
            and not workload.singleton
        ]
        await self._retirement.retire(leaving, failed.workloads)
        await self.undo(deployment, place, frozenset(container.id for container in leaving))

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
            await asyncio.shield(self._journal.end_step(step, outcome, ended))

    async def _within(self, work: Awaitable[None]) -> None:
        """Finish *work* although this task may be being cancelled; bounded in time."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait([task], timeout=UNDO_WITHIN.total_seconds())
        if not done:
            task.cancel()
        await asyncio.gather(task, return_exceptions=not done)


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


def _spec(release: Release | None, service: str) -> str | None:
    workload = release.workloads.get(service) if release else None
    return workload.spec if workload else None


async def _to_its_end(work: Coroutine[object, object, None]) -> None:
    """Await *work* to its end even when this task is cancelled meanwhile: half a switch is not an outcome."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


def _first(several: ExceptionGroup[Problem]) -> Problem:
    first = several.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
