"""Autoscaling: gives services as many replicas as their load needs, within the bounds of hostess.yml.

The live release is amended, not followed by another one: releases are what people push and go back to. New replicas pass the gate
before the amendment is written down, as a repair's do; those that are one too many leave the table first, and are drained. After a
kill in between the reconciler finishes or undoes it.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain import scaling
from hostess.domain.hostess_yml.stack import Replicas as Bounds
from hostess.domain.ports import Clock, Journal, Meter
from hostess.domain.problem import Problem
from hostess.domain.quantities import duration_text
from hostess.domain.releases.release import Release
from hostess.domain.scaling import Decision, Pace, Room, wanted
from hostess.domain.sleeping import falls_asleep
from hostess.services.deploying.turns import Turns
from hostess.services.deploying.undoing import Undoing
from hostess.services.keeping.demand import Demand
from hostess.services.keeping.repairs import Repairs
from hostess.services.keeping.sleeping import Sleeping, resized
from hostess.services.keeping.usage import Observed, UsageWatch
from hostess.services.routing.publishing import Routing
from hostess.services.under_way import UnderWay

PACE = Pace()
SPARE = 0.05
"""The share of the host's memory that new replicas leave free."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scaled:
    """What the live release is changed with."""

    repairs: Repairs
    undoing: Undoing
    routing: Routing
    turns: Turns
    sleeping: Sleeping


class Autoscaler:
    """Decides at each look, and acts beside it: one change of an environment at a time, never in the way of a deployment."""

    def __init__(
        self, journal: Journal, watch: UsageWatch, demand: Demand, world: Scaled, meter: Meter, clock: Clock
    ) -> None:
        self._journal = journal
        self._watch = watch
        self._demand = demand
        self._world = world
        self._meter = meter
        self._clock = clock
        self._acting: UnderWay[None] = UnderWay("scaling")
        self._failed: dict[tuple[str, str, str], datetime] = {}
        self._decided: dict[tuple[str, str, str], Decision] = {}

    def decided(self, project: str, environment: str, service: str) -> Decision | None:
        """Return what was last decided for a service; None where nothing is."""
        return self._decided.get((project, environment, service))

    async def look(self) -> None:
        """Read what everything uses, decide, and begin what there is to do."""
        await self._watch.look()
        await self._demand.look(self._watch.observed)
        decided = {}
        for each in self._watch.observed:
            bounds, there = each.workload.scaling, len(each.containers)
            if bounds is None:
                continue
            decided[each.key] = decision = self._decide(each, bounds)
            if decision.replicas != each.workload.replicas and there == each.workload.replicas and self._may(each):
                self._acting.begin(each.key[:2], self._scale(each, decision))
        self._decided = decided

    def _decide(self, observed: Observed, bounds: Bounds) -> Decision:
        there, room = observed.workload.replicas, self._room(observed, bounds)
        if not bounds.may_sleep:
            return wanted(self._watch.history(observed.key), there, bounds, room, PACE)
        rest = self._demand.rest(observed.key)
        if rest is not None and falls_asleep(rest, bounds.sleep_after, self._clock.now()):
            return Decision(0, f"nobody has asked for it for {duration_text(bounds.sleep_after)}")
        return wanted(self._demand.history(observed.key), there, bounds, room, PACE)

    def _may(self, observed: Observed) -> bool:
        """Whether nobody else changes the environment, and no attempt has failed a moment ago."""
        failed = self._failed.get(observed.key)
        rests = failed is not None and timedelta(0) <= self._clock.now() - failed < PACE.rest
        return not rests and not self._world.turns.busy(*observed.key[:2])

    def look_around(self) -> None:
        """See anew which replicas there are, at the next look."""
        self._watch.look_around()

    async def settled(self) -> None:
        """Wait until nothing is being done."""
        await self._acting.settled()

    async def stop(self) -> None:
        """Give up what is being done; it is finished or undone at the next start."""
        await self._acting.stop()

    def _room(self, observed: Observed, bounds: Bounds) -> Room:
        """Return what the host has room for: memory for what a replica uses, and cores that more replicas could be busy on."""
        workload, there = observed.workload, len(observed.containers)
        total, available = self._meter.memory()
        each = max(workload.memory // 4, self._watch.memory(observed), 1)
        in_memory = Room(
            there + max(0, int((available - total * SPARE) // each)),
            f"{available // 1024**2} MB of memory are available, and a replica needs {each // 1024**2}",
        )
        if bounds.may_sleep:  # whether requests wait for a core or for somebody else is not known
            return in_memory
        on_cores = scaling.room_of_cores(self._meter.cpus(), workload.cpu, bounds.target_cpu)
        return min(in_memory, on_cores, key=lambda room: room.replicas)

    async def _scale(self, observed: Observed, decision: Decision) -> None:
        project, environment, service = observed.key
        try:
            async with self._world.turns.turn(project, environment):
                live = await self._journal.live(project, environment)
                # While a canary is compared with it, what is live stays as it is.
                if live != observed.live or await self._journal.canary(project, environment) is not None:
                    return
                after = resized(live, service, decision.replicas)
                if decision.replicas == 0:
                    done = await self._world.sleeping.put(observed)
                elif decision.replicas < observed.workload.replicas:
                    done = await self._fewer(observed, after)
                else:
                    done = await self._more(observed, after)
                if not done:
                    self._failed[observed.key] = self._clock.now()
                    return
        except Problem as problem:  # engine or journal are away; what was begun is the reconciler's to finish or undo
            log.warning("%s of %s could not be scaled: %s", service, observed.place.network, problem)
            self._failed[observed.key] = self._clock.now()
            return
        finally:
            self._watch.look_around()
        await self._tell(observed, decision)

    async def _more(self, observed: Observed, after: Release) -> bool:
        """Start what is missing of *after*; it is written down, and routed, when all of that has passed its gate."""
        if not await self._world.repairs.repair(observed.place, after):
            await self._world.undoing.retire_stale(observed.place, observed.live, [])
            return False
        service = observed.workload.name
        if not await self._journal.resize(observed.live, service, after.workloads[service].replicas):
            await self._world.undoing.retire_stale(observed.place, observed.live, [])
            return False
        await self._publish(observed)
        return True

    async def _fewer(self, observed: Observed, after: Release) -> bool:
        service = observed.workload.name
        if not await self._journal.resize(observed.live, service, after.workloads[service].replicas):
            return False
        if await self._publish(observed):
            await self._world.undoing.retire_stale(observed.place, after, [])
        return True

    async def _publish(self, observed: Observed) -> bool:
        try:
            await self._world.routing.publish()
        except Problem as problem:  # the reconciler does it, and retires what is one too many
            log.warning("%s of %s: not routed yet: %s", observed.workload.name, observed.place.network, problem)
            return False
        return True

    async def _tell(self, observed: Observed, decision: Decision) -> None:
        project, environment, service = observed.key
        before, now = observed.workload.replicas, decision.replicas
        kind, message = "service.scaled", f"{service} has {now} replicas now, and had {before}: {decision.why}"
        if not now:
            kind, message = "service.asleep", f"{service} sleeps: {decision.why}"
        log.info("%s/%s: %s", project, environment, message)
        await self._journal.tell(
            kind,
            message,
            self._clock.now(),
            project=project,
            environment=environment,
            data={"service": service, "from": before, "to": now},
        )
