"""Taking back, and letting go: what a deployment leaves to be removed, started again or retired. Deployer and reconciler share it."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import cast

from hostess.domain import labels
from hostess.domain.health import pauses
from hostess.domain.ports import Clock, Container, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import is_of, matching, plan
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Release, State, Workload, final
from hostess.domain.routing.canaries import belongs
from hostess.domain.routing.routes import hosts_of
from hostess.services.databases.phase import STEP
from hostess.services.databases.setup import DatabaseSetup, databases_of
from hostess.services.deploying.gate import Gate
from hostess.services.deploying.persistence import until_written
from hostess.services.keeping.crash_loops import CrashLoops
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import Retirement, leaving
from hostess.services.routing.publishing import Routing

log = logging.getLogger(__name__)

WELL_WITHIN = 15.0


class Undoing:
    """Everything here can be done again when it was interrupted."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        replicas: Replicas,
        gate: Gate,
        routing: Routing,
        retirement: Retirement,
        databases: DatabaseSetup,
        loops: CrashLoops,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._replicas = replicas
        self._gate = gate
        self._routing = routing
        self._retirement = retirement
        self._databases = databases
        self._loops = loops
        self._clock = clock

    async def retire_stale(self, place: Place, wanted: Release, containers: list[Container]) -> None:
        """Hand every replica that neither *wanted* nor a canary needs over to retirement, and remove what a hand-over stopped."""
        canary = await self._journal.canary(place.project, place.environment)
        now = await self._replicas.of_place(place.project, place.environment)
        known = {container.id: container for container in containers}
        gone = await leaving(self._journal) | {c.id for c in now if belongs(canary, c)}
        gone |= self._replicas.looked_after(now) | self._resting(wanted, now)
        stale = set(plan(None, wanted, now, gone).retired) - gone
        await self._retirement.retire(
            [known.get(container.id, container) for container in now if container.id in stale]
        )

    async def retire_all(self, place: Place) -> None:
        """Hand every replica over to retirement: nothing is live there, as the daemon died while it took all down."""
        gone = await leaving(self._journal)
        there = await self._replicas.of_place(place.project, place.environment)
        await self._retirement.retire([c for c in there if labels.is_replica(c.labels) and c.id not in gone])

    def _resting(self, wanted: Release, containers: Sequence[Container]) -> set[str]:
        """Return what was stopped for its deaths and has its place kept: nothing else runs there."""
        kept: set[str] = set()
        for workload in wanted.workloads.values():
            lacking = max(workload.replicas - len(matching(workload, containers)), 0)
            resting = [c.id for c in containers if is_of(workload, c) and self._loops.rests(c.id)]
            kept |= {*resting[:lacking]}
        return kept

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

    async def take_back(self, deployment: str, place: Place, say: Say) -> None:
        """Undo before what went wrong is told; that this goes wrong, too, must not hide it."""
        try:
            was_reached = self._routing.close_inside(place)
            await self.undo(deployment, place)
            if was_reached:
                await self._routing.publish()
        except Problem as problem:
            log.warning("deployment %s was not wholly taken back: %s", deployment, problem)
            say(f" !     not all of it could be taken back yet: {problem}; this is tried again")

    async def undo(self, deployment: str, place: Place) -> None:
        """Take back what a deployment did: remove its containers (but those being retired), start again what it had stopped."""
        gone = await leaving(self._journal)
        for container in await self._replicas.of_place(place.project, place.environment):
            if container.labels.get(labels.DEPLOYMENT) == deployment and container.id not in gone:
                await self._replicas.remove(container.id)
        steps = await self._journal.steps(deployment)
        stopped = [each for step in steps for each in cast("list[str]", step.detail.get("stop", []))]
        for each in stopped:
            await self._replicas.restart(each)
        if stopped:
            await self._routing.publish()
            await self._resumed(place, stopped)
        live = await self._journal.live(place.project, place.environment)
        if live is not None and any(step.name.startswith(STEP) for step in steps):
            await self._set_up_again(live)

    async def _set_up_again(self, live: Release) -> None:
        """Give the databases of what serves their own limits back. Whatever else was made inside stays, and does no harm."""
        for workload in databases_of(live):
            try:
                await self._databases.make(live, workload, log.info)
            except Problem as problem:
                log.warning("%s keeps what another deployment has set until the next one: %s", workload.name, problem)

    async def _resumed(self, place: Place, restarted: Collection[str]) -> None:
        """Return once what was started again is well, or has had its time: who was told that it serves should find it so."""
        live = await self._journal.live(place.project, place.environment)
        containers = await self._replicas.of_place(place.project, place.environment)
        again = [container for container in containers if container.id in restarted]
        try:
            async with asyncio.timeout(WELL_WITHIN):
                for container in again:
                    workload = live.workloads.get(container.labels.get(labels.SERVICE, "")) if live else None
                    if workload is not None and (workload.ports or workload.health is not None):
                        await self._well(workload, container)
        except TimeoutError:
            log.warning("what was started again in %s of %s is not well yet", place.environment, place.project)

    async def _well(self, workload: Workload, container: Container) -> None:
        waits = pauses(workload.health)
        while not (await self._gate.ask(workload, container)).ok:
            await self._clock.sleep(next(waits))

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
        await self._retirement.retire(routed)
        await self.undo(deployment, place)
