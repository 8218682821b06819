"""Starts a canary: by the way of every deployment up to the switch, which is then not made."""

from collections.abc import Mapping

from hostess.domain.ports import OUTDATED, Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Advance, Canary, Share
from hostess.domain.releases.release import State
from hostess.domain.routing.canaries import canary_plan, shared_services, tried_services
from hostess.services.deploying.launch import Launch
from hostess.services.deploying.steps import Order, Progress
from hostess.services.deploying.undoing import Undoing
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import leaving
from hostess.services.routing.publishing import Routing


class CanaryLaunch:
    """Carries orders out that end in a canary. The caller holds the environment's turn."""

    def __init__(
        self, journal: Journal, replicas: Replicas, launch: Launch, undoing: Undoing, routing: Routing, clock: Clock
    ) -> None:
        self._journal = journal
        self._replicas = replicas
        self._launch = launch
        self._undoing = undoing
        self._routing = routing
        self._clock = clock

    async def begin(self, order: Order, share: Share) -> tuple[State, Mapping[str, float]]:
        """Start the replicas of *order.wanted* beside what is live, and give them their share; return CANARY and the phases' seconds.

        When this raises, there is no canary, and all that was started is gone.
        """
        place = order.place
        tried = tried_services(order.live, order.wanted)
        if order.live is None:  # which that has refused
            raise TypeError("a canary stands beside a live release")
        await self._replicas.make_network(place)
        await self._undoing.sweep(place)
        containers = await self._replicas.of_place(place.project, place.environment)
        todo = canary_plan(order.live, order.wanted, containers, await leaving(self._journal), tried)
        progress = Progress(todo)
        for name in shared_services(order.live, order.wanted, tried):
            order.say(f"       {name}: stays that of {order.live.title} until the canary is promoted")
        await self._start(order, progress, tried, share)
        try:
            await self._routing.publish()
        except Problem as problem:
            if problem.code == OUTDATED:  # what this proxy cannot do would be in the way of every other table
                await self._journal.drop_canary(place.project, place.environment)
                await self._undoing.undo(order.deployment.id, place)
                raise
            order.say(f" !     {problem}: the canary gets its share as soon as the proxy answers")
        return State.CANARY, progress.seconds

    async def _start(self, order: Order, progress: Progress, tried: tuple[str, ...], share: Share) -> None:
        """Start the replicas and write the canary down; what was done before is taken back when something fails."""
        deployment = order.deployment
        self._routing.hold(deployment.id)
        try:
            await self._routing.open_inside(order.place, order.wanted)
            try:
                await self._launch.carry_out(order, progress)
                if order.may_switch is not None:
                    await order.may_switch()
            finally:
                order.committed()
            now = self._clock.now()
            advance = Advance(now) if share.auto else None
            canary = Canary(order.wanted, tried, deployment.id, share, now, deployment.actor, advance)
            await self._journal.put_canary(canary)
        except BaseException:
            await self._undoing.take_back(deployment.id, order.place, order.say)
            raise
        finally:
            self._routing.close_inside(order.place)
            self._routing.release(deployment.id)
