"""Checkups: every replica that serves is asked how it is at its own interval; one that is not well gets no requests and is restarted.

One that fails requests, as the proxy tells, is asked before its time. What it answers decides, as ever.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hostess.domain import labels
from hostess.domain.health import COMMAND_PAUSE, LONGEST_REST, Condition, gate_limit, rest_after
from hostess.domain.hostess_yml.stack import Health
from hostess.domain.ports import Answer, Clock, Container, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import matching, needed_to_be_well, present_replicas
from hostess.domain.releases.release import Release, Workload
from hostess.domain.waits import is_over
from hostess.services.deploying.gate import Gate
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.failed_requests import FailedRequests
from hostess.services.keeping.replacement import Replacement
from hostess.services.keeping.replicas import DEFAULT_GRACE, Replicas, grace_of
from hostess.services.keeping.retirement import leaving
from hostess.services.routing.publishing import Routing

TAIL = 10
"""So many last lines are evidence."""

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Watched:
    """A replica under watch. Its service is *workload* of the release that is live in *place*; others are *needed* for it to be well."""

    place: Place
    workload: Workload
    health: Health
    container: Container
    needed: frozenset[str]
    condition: Condition = field(default_factory=Condition)
    suspected: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def service(self) -> tuple[str, str, str]:
        return self.place.project, self.place.environment, self.workload.name


@dataclass(frozen=True, slots=True)
class _Restarted:
    times: int
    again: datetime
    rest: timedelta


class Checkups:
    """Watches the live replicas that have a check. Databases are watched, too, but never restarted: that would mend nothing."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        replicas: Replicas,
        gate: Gate,
        routing: Routing,
        replacement: Replacement,
        turns: Turns,
        failed: FailedRequests,
        clock: Clock,
    ) -> None:
        self._failed = failed
        self._journal = journal
        self._replicas = replicas
        self._gate = gate
        self._routing = routing
        self._replacement = replacement
        self._turns = turns
        self._clock = clock
        self._watched: dict[str, _Watched] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._restarted: dict[tuple[str, str, str], _Restarted] = {}
        self._unproved: set[str] = set()

    @property
    def unwell(self) -> frozenset[str]:
        """The ids of the containers that are unhealthy."""
        return frozenset(container for container, each in self._watched.items() if not each.condition.well)

    def proved(self, container: str) -> bool:
        """Whether a container has answered since it was started, as far as that is known."""
        return container not in self._watched or container not in self._unproved

    def began(self, container: str) -> None:
        """Know that a container was started again: whether it is well is seen by its next answer."""
        self._unproved.add(container)

    def suspect(self, addresses: Collection[str]) -> None:
        """Ask those of these replicas soon that are watched and have given no reason for doubt yet."""
        for watched in self._watched.values():
            if watched.container.address in addresses:
                watched.suspected.set()

    async def look(self) -> None:
        """Begin to watch the replicas that have become live, and forget those that are no longer. Each goes on by itself."""
        try:
            there = await self._replicas.everywhere()
        except Problem:  # the engine is away, which the reconciler tells
            return
        gone = await leaving(self._journal)
        self._unproved &= {each.id for containers in there.values() for each in containers}
        found: dict[str, _Watched] = {}
        for place in await self._journal.places():
            key = (place.project, place.environment)
            staying = [container for container in there.get(key, []) if container.id not in gone]
            found |= {each.container.id: each for each in await self._of(place, staying)}
        for container in self._tasks.keys() - found.keys():
            place = self._watched[container].place
            if not self._turns.busy(place.project, place.environment):
                # Else it may only be away for a moment: restarted here, or handed over and perhaps taken back.
                self._tasks.pop(container).cancel()
                self._watched.pop(container)
        for container, watched in found.items():
            known = self._watched.get(container)
            if known is not None:
                known.workload, known.needed = watched.workload, watched.needed  # they may be others now
            elif not self._turns.busy(watched.place.project, watched.place.environment):
                # What a deployment or a repair has started is still at its gate.
                self._watched[container] = watched
                self._tasks[container] = asyncio.create_task(self._watch(watched))
        await self._publish()

    async def stop(self) -> None:
        """Watch nothing any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, watched: _Watched) -> None:
        pause = max(watched.health.interval.total_seconds(), COMMAND_PAUSE)
        early = False
        while self._watched.get(watched.container.id) is watched:
            early = await self._rest(watched, pause, attentive=not early and not watched.condition.failures)
            try:
                await self._check(watched)
            except Problem as problem:  # the engine or the journal is away: that says nothing of the replica
                log.info("%s of %s could not be checked: %s", watched.workload.name, watched.place.network, problem)
            except Exception:
                log.exception("the check of %s of %s failed", watched.workload.name, watched.place.network)

    async def _rest(self, watched: _Watched, pause: float, *, attentive: bool) -> bool:
        """Return when it is time for the next check; with *attentive* soon after a suspicion, True then.

        A check that comes early takes the place of the next one: however many requests fail, there are no more than twice as many, and
        who answers none has as many intervals left as ever.
        """
        if not attentive:
            await self._clock.sleep(pause)
            watched.suspected.clear()
            return False
        await self._clock.sleep(COMMAND_PAUSE)
        waits = [
            asyncio.ensure_future(self._clock.sleep(pause - COMMAND_PAUSE)),
            asyncio.ensure_future(watched.suspected.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        early = watched.suspected.is_set()
        watched.suspected.clear()
        return early

    async def _check(self, watched: _Watched) -> None:
        answer = await self._gate.ask(watched.workload, watched.container)
        before, watched.condition = watched.condition, watched.condition.after(watched.health, answered=answer.ok)
        if watched.condition.well:
            if not before.well:
                await self._publish()
                self._restarted.pop(watched.service, None)  # now the next one may be restarted
            if answer.ok and not (before.well and self.proved(watched.container.id)):
                self._unproved.discard(watched.container.id)
                message = f"a replica of {watched.workload.name} is healthy again"
                await self._tell(watched, "service.healthy", message, {"state": "healthy"})
            return
        if before.well:
            if not await self._is_live(watched):  # it is being stopped, and the next look forgets it
                watched.condition = before
                return
            await self._publish()
            failed = self._failed.of(watched.container.address)
            also = f"; {failed.text}" if failed else ""
            message = f"a replica of {watched.workload.name} is unhealthy: it {answer.evidence}{also}"
            await self._tell(watched, "service.unhealthy", message, await self._evidence(watched, answer))
        await self._restart(watched)

    async def _restart(self, watched: _Watched) -> None:
        """Replace an unhealthy replica, or restart it, where that may help: one of a service at a time, with growing pauses."""
        place, service = watched.place, watched.service
        before = self._restarted.get(service)
        if watched.workload.is_database or (
            before is not None and not is_over(before.again, self._clock.now(), before.rest)
        ):
            return
        if await self._waits_for_others(watched) or self._turns.busy(place.project, place.environment):
            return
        async with self._turns.turn(place.project, place.environment):
            if self._watched.get(watched.container.id) is not watched or not await self._is_live(watched):
                return
            forgotten = before is None or self._clock.now() - before.again >= LONGEST_REST
            times = 1 if forgotten or before is None else before.times + 1
            if await self._replacement.replaced(place, watched.workload, watched.container):
                # Each of its replicas may be replaced once before there are pauses.
                again = self._rests(watched, times, rest_after(times - watched.workload.replicas + 1))
                self._forget(watched.container.id)
                message = f"a replica of {watched.workload.name} is replaced: another one serves in its place"
                await self._tell(watched, "service.replaced", message, {"times": times, "not_again_before": again})
                return
            again = self._rests(watched, times, max(rest_after(times), gate_limit(watched.health)))
            message = f"a replica of {watched.workload.name} is restarted"
            evidence = {"state": "restarting", "times": times, "not_again_before": again}
            await self._tell(watched, "service.restarted", message, evidence)
            await self._replicas.stop(watched.container.id, min(grace_of(watched.workload), DEFAULT_GRACE))
            self._unproved.add(watched.container.id)
            await self._replicas.restart(watched.container.id)

    def _rests(self, watched: _Watched, times: int, rest: timedelta) -> str:
        """Leave its service alone for so long, and return until when."""
        until = self._clock.now() + rest
        self._restarted[watched.service] = _Restarted(times, until, rest)
        return until.isoformat()

    def _forget(self, container: str) -> None:
        """Watch a container no more."""
        self._tasks.pop(container, None)
        self._watched.pop(container, None)

    async def _waits_for_others(self, watched: _Watched) -> bool:
        """Whether something that it needs does not run, or does not answer right now: then a restart would mend nothing."""
        if not watched.needed:
            return False
        there = present_replicas(await self._replicas.of_place(watched.place.project, watched.place.environment))
        running = {each.labels.get(labels.SERVICE) for each in there if each.state == "running"}
        if not watched.needed <= running:
            return True
        for name in watched.needed:
            needed = [each for each in self._watched.values() if each.service == (*watched.service[:2], name)]
            answers = [await self._gate.ask(each.workload, each.container) for each in needed]
            if needed and not any(answer.ok for answer in answers):
                return True
        return False

    async def _is_live(self, watched: _Watched) -> bool:
        """Whether it still is a replica of the live release or its canary, now that nobody else changes anything there."""
        key = (watched.place.project, watched.place.environment)
        gone = await leaving(self._journal)
        there = [c for c in await self._replicas.of_place(*key) if c.id not in gone]
        return watched.container.id in {each.container.id for each in await self._of(watched.place, there)}

    async def _of(self, place: Place, containers: Collection[Container]) -> list[_Watched]:
        """Return the replicas of the live release and of its canary that can be asked."""
        live = await self._journal.live(place.project, place.environment)
        canary = await self._journal.canary(place.project, place.environment)
        return [*_of(place, live, containers), *_of(place, canary.tried if canary else None, containers)]

    async def _publish(self) -> None:
        with suppress(Problem):  # the proxy is away; the reconciler publishes what is right then
            await self._routing.set_unwell(self.unwell)

    async def _evidence(self, watched: _Watched, answer: Answer) -> dict[str, object]:
        """Return what speaks for it that a replica is unhealthy."""
        tail: tuple[str, ...] = ()
        with suppress(Problem):  # the engine is away: the answer was enough
            tail = (await self._gate.tail(watched.container.id))[-TAIL:]
        failures = watched.condition.failures
        failed = self._failed.of(watched.container.address)
        passive = (
            {"requests_failed": failed.requests, "last_failure": failed.kind, "left_out": failed.out} if failed else {}
        )
        return {"state": "unhealthy", "evidence": answer.evidence, "failures": failures, **passive, "tail": list(tail)}

    async def _tell(self, watched: _Watched, kind: str, message: str, evidence: Mapping[str, object]) -> None:
        project, environment, service = watched.service
        now, container = self._clock.now(), watched.container
        log.info("%s/%s: %s", project, environment, message)
        about = {
            "service": service,
            "replica": container.labels.get(labels.REPLICA, ""),
            "container": container.id[:12],
        }
        data = {**about, **evidence}
        await self._journal.tell(kind, message, now, project=project, environment=environment, data=data)


def _of(place: Place, live: Release | None, containers: Iterable[Container]) -> list[_Watched]:
    """Return the replicas of a release that can be asked."""
    present = list(containers)
    if live is None:
        return []
    return [
        _Watched(place, workload, workload.health, container, needed_to_be_well(live, workload))
        for workload in live.workloads.values()
        if workload.health is not None
        for container in matching(workload, present)[: workload.replicas]
    ]
