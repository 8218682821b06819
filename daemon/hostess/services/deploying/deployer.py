"""Makes the world equal to a release: carries a plan out step by step, each written down before and after.

Everything before the switch can fail and leaves the old release serving; after it only the proof and post_deploy can still take
it back. One path for push, rollback, restart and scale (ARCHITECTURE section 2).
"""

import logging
from collections.abc import Mapping

from hostess.domain.hostess_yml.stack import OnFailure
from hostess.domain.ports import Clock, Container, Journal
from hostess.domain.problem import Problem
from hostess.domain.releases.plan import plan
from hostess.domain.releases.release import Release, State
from hostess.domain.routing.routes import hosts_of
from hostess.services.deploying.launch import Launch, in_order
from hostess.services.deploying.steps import Order, Progress, Steps
from hostess.services.deploying.undoing import Undoing
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import leaving
from hostess.services.routing.publishing import Routing

log = logging.getLogger(__name__)


class Deployer:
    """Carries orders out. The caller holds the environment's turn."""

    def __init__(
        self,
        journal: Journal,
        replicas: Replicas,
        launch: Launch,
        undoing: Undoing,
        routing: Routing,
        steps: Steps,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._replicas = replicas
        self._launch = launch
        self._undoing = undoing
        self._routing = routing
        self._steps = steps
        self._clock = clock

    async def deploy(self, order: Order) -> tuple[State, Mapping[str, float]]:
        """Make *order.wanted* live; return LIVE or DEGRADED and the seconds that each phase took.

        When this raises, nothing has switched, or the journal has the previous release live again; every new container is gone
        and what was stopped runs again, as far as engine and proxy let that happen: the rest is the reconciler's.
        """
        await self._replicas.make_network(order.place)
        try:
            await self._routing.open_inside(order.place, order.wanted)
            await self._undoing.sweep(order.place)
            containers = await self._replicas.of_place(order.place.project, order.place.environment)
            # What is being woken at this moment has not passed its gate: nothing is built on it.
            away = await leaving(self._journal) | self._replicas.looked_after(containers)
            progress = Progress(plan(order.live, order.wanted, containers, away))
            await self._reach_the_switch(order, progress)
        finally:
            self._routing.close_inside(order.place)
        return await self._settle(order, progress, containers), progress.seconds

    async def _reach_the_switch(self, order: Order, progress: Progress) -> None:
        """Carry out everything up to the switch, and that one; what was done before it is taken back when something fails."""
        self._routing.hold(order.deployment.id)
        try:
            try:
                await self._launch.carry_out(order, progress)
                if order.may_switch is not None:
                    await order.may_switch()
            finally:
                order.committed()
            self._routing.release(order.deployment.id)
            await self._switch(order, progress)
        except BaseException as error:
            if not progress.switched:
                await self._undoing.take_back(order.deployment.id, order.place, order.say)
                if isinstance(error, Problem) and order.live is not None and progress.paused:
                    raise error.but(serving=_resumed(order.live, progress.paused)) from error
            raise
        finally:
            self._routing.release(order.deployment.id)

    # ---- the switch and after ----------------------------------------------------------------------------------------

    async def _switch(self, order: Order, progress: Progress) -> None:
        detail = {"release": order.wanted.number, "before": order.live.number if order.live else None}
        async with self._steps.step(order, progress, "switch", "switch", detail):
            now = self._clock.now()
            await self._journal.switch(order.deployment.id, order.wanted, hosts_of(order.wanted), (), now)
            progress.switched = True

    async def _settle(self, order: Order, progress: Progress, before: list[Container]) -> State:
        """Publish, prove, run post_deploy, let the old ones go. Nobody cancels this part; after a crash the reconciler does it."""
        state = State.LIVE
        try:
            async with self._steps.step(order, progress, "switch", "publish"):
                await self._routing.publish()
            async with self._steps.step(order, progress, "prove", "prove"):
                await self._routing.prove(order.wanted, progress.plan.changed, order.say)
            state = await self._post_deploy(order, progress)
        except Exception:
            await self._undoing.revert(order.deployment.id, order.place, order.live, order.wanted)
            raise
        try:
            async with self._steps.step(order, progress, "switch", "retire"):
                await self._undoing.retire_stale(order.place, order.wanted, before)
        except Problem as problem:
            # The release is live and proved: this cannot fail it, only be done later, by the reconciler.
            log.warning("what %s replaced could not be retired yet: %s", order.wanted.title, problem)
        return state

    async def _post_deploy(self, order: Order, progress: Progress) -> State:
        state = State.LIVE
        for workload in in_order(order.wanted) if order.migrate else ():
            if workload.post_deploy is None:
                continue
            try:
                await self._launch.hook(order, progress, workload, "post_deploy")
            except Problem as problem:
                if workload.post_deploy.on_failure is OnFailure.ROLLBACK:
                    raise
                order.say(f" !     {problem.what}; the release is live, but marked degraded")
                state = State.DEGRADED
        return state


def _resumed(live: Release, paused: list[str]) -> str:
    return f"{live.title} ({live.commit[:7]}) serves; started again after a pause: {', '.join(paused)}"
