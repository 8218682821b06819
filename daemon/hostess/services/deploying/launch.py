"""Before the switch: databases, migrations, jobs, new replicas beside the old, and hand-overs last. All of it can be undone."""

import asyncio
from collections.abc import Iterable

from hostess.domain import labels
from hostess.domain.databases import postgres
from hostess.domain.hostess_yml.stack import OnFailure, Run
from hostess.domain.ports import Clock, Journal, Meter
from hostess.domain.problem import Problem
from hostess.domain.releases.plan import HandOver, Plan, Start, migrates, migration_needs, needs, runs_now, waves
from hostess.domain.releases.push import in_one_line
from hostess.domain.releases.release import Kind, Release, ReleaseJob, Workload
from hostess.services.databases.phase import DatabasePhase
from hostess.services.deploying.gate import Gate
from hostess.services.deploying.migrator import Migrator, hook_of
from hostess.services.deploying.steps import Order, Progress, Steps
from hostess.services.jobs.jobs import DEPLOY, Ask, Jobs
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import Retirement
from hostess.services.routing.publishing import Routing


class Launch:
    """Starts what a plan says, in the order of the dependencies."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        replicas: Replicas,
        gate: Gate,
        migrator: Migrator,
        jobs: Jobs,
        databases: DatabasePhase,
        retirement: Retirement,
        routing: Routing,
        steps: Steps,
        meter: Meter,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._replicas = replicas
        self._gate = gate
        self._migrator = migrator
        self._jobs = jobs
        self._databases = databases
        self._retirement = retirement
        self._routing = routing
        self._steps = steps
        self._meter = meter
        self._clock = clock

    async def carry_out(self, order: Order, progress: Progress) -> None:
        """Carry out everything before the switch; a Problem leaves what was done to be undone."""
        todo = progress.plan
        self._check_memory(order, todo)
        for name in todo.carried:
            order.say(f"       {name}: unchanged, carried over")
        for name in todo.sites:
            order.say(f"       {name}: its files are served after the switch")
        for name in todo.removed:
            stays = ", what it stored stays" if order.live and order.live.workloads[name].volumes else ""
            order.say(f"       {name}: no longer in hostess.yml, it stops after the switch{stays}")
        await self._databases.begin(order)
        await self._starts(order, progress, todo.databases, "databases")
        await self._databases.make_all(order, progress)
        if order.migrate:
            await self._migrate(order, progress)
        for wave in (*todo.waves, todo.workers):
            for start in wave:
                await self._needs(order, progress, needs(order.wanted, start.service))
            await self._starts(order, progress, wave, "start")
        for hand_over in todo.hand_overs:
            await self._needs(order, progress, needs(order.wanted, hand_over.service))
            await self._hand_over(order, progress, hand_over)
        await self._needs(order, progress, order.wanted.jobs)

    async def _needs(self, order: Order, progress: Progress, names: Iterable[str]) -> None:
        """See to it that services and jobs have started or run, and before them what they depend on.

        A service that is handed over has a replica that serves, so it is not waited for here.
        """
        starts = {start.service: start for start in progress.plan.starts}
        for name in names:
            if name in progress.started:
                continue
            if name in order.wanted.jobs:
                await self._needs(order, progress, order.wanted.jobs[name].depends_on)
                progress.started.add(name)
                await self._job(order, progress, order.wanted.jobs[name])
            elif name in starts:
                await self._needs(order, progress, needs(order.wanted, name))
                await self._starts(order, progress, [starts[name]], "start")

    async def _job(self, order: Order, progress: Progress, job: ReleaseJob) -> None:
        """Run a job that belongs to the deployment: `on_deploy` each time, `once` until it has ended well as it is now."""
        place = order.place
        if not order.migrate or job.run not in {Run.ON_DEPLOY, Run.ONCE}:
            return
        done = await self._journal.done_once(place.project, place.environment, job.name, job.workload.spec)
        if not runs_now(job, {job.name} if done else ()):
            order.say(f"       {job.name}: ran before and has not changed")
            return
        await self._run_job(order, progress, job, "jobs")

    async def _run_job(self, order: Order, progress: Progress, job: ReleaseJob, phase: str) -> None:
        order.say(f"-----> job {job.name}: {in_one_line(job.workload.command or ())}")
        async with self._steps.step(order, progress, phase, f"job:{job.name}"):
            ask = Ask(order.place, order.wanted, job, DEPLOY, deployment=order.deployment.id)
            await self._jobs.within_deployment(ask, order.say)

    def _check_memory(self, order: Order, todo: Plan) -> None:
        needed = sum(order.wanted.workloads[s.service].memory // 4 * s.count for s in todo.starts)
        _, available = self._meter.memory()
        if needed > available:
            raise Problem(
                "memory-short",
                f"the new replicas ask for {needed // 1024**2} MB beside the old ones, and {available // 1024**2} MB are available",
                remedy="lower resources or replicas in hostess.yml, or use a larger host",
            )

    async def _migrate(self, order: Order, progress: Progress) -> None:
        for name in migrates(order.live, order.wanted):
            workload = order.wanted.workloads[name]
            await self._needs(order, progress, migration_needs(order.wanted, name))
            await self.hook(order, progress, workload, "migrate")

    async def hook(self, order: Order, progress: Progress, workload: Workload, kind: str) -> None:
        """Run a hook of a workload as a step; a failure passes when `on_failure: continue` says so."""
        hook = hook_of(workload, kind)
        detail = {"seconds": hook.timeout.total_seconds()}
        try:
            if hook.job is not None:
                job = order.wanted.jobs[hook.job]
                await self._run_job(order, progress, job, kind)
                return
            async with self._steps.step(order, progress, kind, f"{kind}:{workload.name}", detail):
                await self._migrator.run(order.place, order.wanted, workload, kind, order.deployment.id, order.say)
        except Problem as problem:
            if hook.on_failure is not OnFailure.CONTINUE:
                raise
            order.say(f" !     {problem.what}; going on, as on_failure: continue says")

    async def _starts(
        self, order: Order, progress: Progress, starts: tuple[Start, ...] | list[Start], phase: str
    ) -> None:
        todo = [start for start in starts if start.service not in progress.started]
        if not todo:
            return
        progress.started.update(start.service for start in todo)
        names = ", ".join(f"{start.service} x {start.count}" if start.count > 1 else start.service for start in todo)
        order.say(f"-----> starting {names}")
        async with self._steps.step(order, progress, phase, f"{phase}:{','.join(s.service for s in todo)}"):
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
        await self._routing.ready_inside(order.place, [start.service for start in todo])

    async def _kept_numbers(self, order: Order, service: str) -> set[int]:
        spec = order.wanted.workloads[service].spec
        return {
            int(c.labels.get(labels.REPLICA, "0"))
            for c in await self._replicas.of_place(order.place.project, order.place.environment)
            if c.labels.get(labels.SERVICE) == service and c.labels.get(labels.SPEC) == spec
        }

    async def _start(self, order: Order, workload: Workload, number: int) -> None:
        began = self._clock.now()
        await self._migrator.make_ready(
            order.place,
            order.wanted,
            workload,
            number,
            order.deployment.id,
            order.say,
            init=order.deployment.kind is not Kind.ROLLBACK,
        )
        container = await self._replicas.start(order.place, order.wanted, workload, number, order.deployment.id)
        try:
            await self._gate.passed(workload, container)
        except Problem as problem:
            wanted = workload.inside.extensions if workload.inside else ()
            raise postgres.explained(workload.name, wanted, problem) from problem
        await self._replicas.keep(container.id)
        seconds = (self._clock.now() - began).total_seconds()
        order.say(f"       {workload.name}.{number} is healthy after {seconds:.1f} s")

    async def _hand_over(self, order: Order, progress: Progress, hand_over: HandOver) -> None:
        workload = order.wanted.workloads[hand_over.service]
        order.say(f"-----> handing over {workload.name}: it pauses, because two of it must never run at once")
        async with self._steps.step(
            order, progress, "hand over", f"hand_over:{workload.name}", {"stop": list(hand_over.stop)}
        ):
            progress.paused.append(workload.name)
            for container in await self._replicas.of_place(order.place.project, order.place.environment):
                if container.id in hand_over.stop:
                    await self._retirement.hand_over(container, order.deployment.id)
            await self._start(order, workload, 1)
        await self._routing.ready_inside(order.place, [workload.name])
        if workload.is_database:
            await self._databases.make(order, progress, workload)


def in_order(release: Release) -> list[Workload]:
    """Return the workloads of a release, each after those it depends on."""
    return [release.workloads[name] for wave in waves(release.workloads) for name in wave]


def _first(several: ExceptionGroup[Problem]) -> Problem:
    first = several.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
