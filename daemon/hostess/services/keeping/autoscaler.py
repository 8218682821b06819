"""Autoscaling: gives services as many replicas as their load needs, within the bounds of hostess.yml.

The live release is amended, not followed by another one: releases are what people push and go back to. New replicas pass the gate
before the amendment is written down, as a repair's do; those that are one too many leave the table first, and are drained. After a
kill in between the reconciler finishes or undoes it.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hostess.domain import scaling
from hostess.domain.hostess_yml.stack import Replicas as Bounds
from hostess.domain.ports import Clock, Journal, Meter
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.domain.scaling import Decision, Pace, Room, wanted
from hostess.services.deploying.turns import Turns
from hostess.services.deploying.undoing import Undoing
from hostess.services.keeping.repairs import Repairs
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


class Autoscaler:
    """Decides at each look, and acts beside it: one change of an environment at a time, never in the way of a deployment."""

    def __init__(self, journal: Journal, watch: UsageWatch, world: Scaled, meter: Meter, clock: Clock) -> None:
        self._journal = journal
        self._watch = watch
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
        decided = {}
        for each in self._watch.observed:
            bounds, there = each.workload.scaling, len(each.containers)
            if bounds is None:
                continue
            decided[each.key] = decision = wanted(
                self._watch.history(each.key), each.workload.replicas, bounds, self._room(each, bounds), PACE
            )
            if decision.replicas != each.workload.replicas and there == each.workload.replicas and self._may(each):
                self._acting.begin(each.key[:2], self._scale(each, decision))
        self._decided = decided

    def _may(self, observed: Observed) -> bool:
        """Whether nobody else changes the environment, and no attempt has failed a moment ago."""
        failed = self._failed.get(observed.key)
        rests = failed is not None and timedelta(0) <= self._clock.now() - failed < PACE.rest
        return not rests and not self._world.turns.busy(*observed.key[:2])

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
        rooms = [
            Room(
                there + max(0, int((available - total * SPARE) // each)),
                f"{available // 1024**2} MB of memory are available, and a replica needs {each // 1024**2}",
            ),
            scaling.room_of_cores(self._meter.cpus(), workload.cpu, bounds.target_cpu),
        ]
        return min(rooms, key=lambda room: room.replicas)

    async def _scale(self, observed: Observed, decision: Decision) -> None:
        project, environment, service = observed.key
        try:
            async with self._world.turns.turn(project, environment):
                live = await self._journal.live(project, environment)
                # While a canary is compared with it, what is live stays as it is.
                if live != observed.live or await self._journal.canary(project, environment) is not None:
                    return
                after = _with(live, replace(live.workloads[service], replicas=decision.replicas))
                if decision.replicas < observed.workload.replicas:
                    await self._fewer(observed, after)
                elif not await self._more(observed, after):
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
        await self._journal.amend(after)
        await self._publish(observed)
        return True

    async def _fewer(self, observed: Observed, after: Release) -> None:
        await self._journal.amend(after)
        if await self._publish(observed):
            await self._world.undoing.retire_stale(observed.place, after, [])

    async def _publish(self, observed: Observed) -> bool:
        try:
            await self._world.routing.publish()
        except Problem as problem:  # the reconciler does it, and retires what is one too many
            log.warning("%s of %s: not routed yet: %s", observed.workload.name, observed.place.network, problem)
            return False
        return True

    async def _tell(self, observed: Observed, decision: Decision) -> None:
        project, environment, service = observed.key
        message = (
            f"{service} has {decision.replicas} replicas now, and had {observed.workload.replicas}: {decision.why}"
        )
        log.info("%s/%s: %s", project, environment, message)
        await self._journal.tell(
            "service.scaled",
            message,
            self._clock.now(),
            project=project,
            environment=environment,
            data={"service": service, "from": observed.workload.replicas, "to": decision.replicas},
        )


def _with(release: Release, workload: Workload) -> Release:
    return replace(release, workloads={**release.workloads, workload.name: workload})
