"""Deaths: what ended by itself is told with its evidence, and what ends again and again is stopped, to be tried again seldom.

What ended while no daemon listened is told by the next one: from what the engine remembers of its events and of each container.
What ended with the engine, or with the host, is told by environment, and is nobody's fault.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from hostess.domain import labels
from hostess.domain.crash_loops import Health, Loop
from hostess.domain.deaths import Death, deaths_in, ended_with_engine, unheard
from hostess.domain.ports import Clock, Container, ContainerEvent, Engine, Journal
from hostess.domain.problem import Problem
from hostess.domain.quantities import size_text
from hostess.domain.releases.plan import is_of, needed_to_be_well, present_replicas
from hostess.domain.releases.release import Release, Workload
from hostess.services.keeping.checkups import Checkups
from hostess.services.keeping.crash_loops import CrashLoops
from hostess.services.keeping.heard import Heard
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import leaving
from hostess.services.keeping.usage import UsageWatch

AGAIN = 2.0
LATE = 0.5
"""Seconds that the engine may take to say that it was for want of memory, after it has said that something ended."""
KILLED = 137
TAIL = 10
RECENT = 1000
GRACE = timedelta(seconds=5)
BACK = timedelta(minutes=30)
"""So much earlier than what was heard last a daemon asks from: what it had asked the engine for before is no death afterwards."""
DIED = "service.died"
INTERRUPTED = "service.interrupted"

log = logging.getLogger(__name__)


@dataclass
class _Life:
    """A container's life as it was heard of: *asked* when somebody had a signal sent to it, *died* after an end that was told."""

    started_at: datetime | None = None
    asked: bool = False
    out_of_memory: bool = False
    died: bool = False
    ends: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    container: Container
    workload: Workload
    release: Release
    place: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who is told of deaths, besides the journal."""

    replicas: Replicas
    checkups: Checkups
    usage: UsageWatch
    loops: CrashLoops


class Deaths:
    """Listens to the engine. *hide* takes secrets out of what is told."""

    def __init__(
        self, journal: Journal, engine: Engine, witnesses: Witnesses, clock: Clock, hide: Callable[[str], str]
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._witnesses = witnesses
        self._clock = clock
        self._hide = hide
        self._lives: dict[str, _Life] = {}
        self._heard = Heard(journal)
        self._stopped: set[str] = set()
        """What was asked to stop, and has not started since: an engine that ends stops everything before it goes."""

    async def run(self) -> None:
        """Listen until cancelled; where the engine goes away it is asked again, for what happened meanwhile, too.

        What happened since an earlier daemon listened comes first.
        """
        since: datetime | None = None
        told = away = False
        owned = labels.of_instance(await self._journal.instance())
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    if since is None:
                        since = await self._catch_up(owned)
                    elif away:
                        await self._look_back(owned, since)
                    away = False
                    async with aclosing(self._engine.events(owned, since)) as events:  # type: ignore[type-var]  # a generator
                        async for event in events:
                            since, told = event.at + timedelta(microseconds=1), False
                            life = self._note(event)
                            self._heard.begin(event.at)
                            group.create_task(
                                self._heed(event, life, life.started_at) if life else self._heard.end(event.at)
                            )
                except Problem as problem:  # that it is away is told by the reconciler
                    log.log(logging.DEBUG if told else logging.INFO, "nothing is heard of the engine: %s", problem)
                    told = away = True
                await self._clock.sleep(AGAIN)

    async def forget(self) -> None:
        """Forget what is known of containers that are gone."""
        known = set(self._lives)
        there = {each.id for found in (await self._witnesses.replicas.everywhere()).values() for each in found}
        await self._witnesses.loops.forget_all_but(there)
        for container in known - there:
            self._lives.pop(container, None)
        self._stopped &= there

    async def _catch_up(self, owned: Mapping[str, str]) -> datetime:
        """Tell what ended while no daemon listened, each replica once; return from when on is to be listened."""
        until = self._clock.now()
        heard = await self._heard.until()
        if heard is not None:
            heard = min(heard, until)  # the clock may have been ahead; an engine refuses to tell what is yet to come
            async with aclosing(self._engine.events(owned, heard - BACK, until)) as past:  # type: ignore[type-var]  # a generator
                events = [event async for event in past]
            for event in events:
                self._note(event)
            ended = deaths_in(events, heard)
            told, there = await self._told(), await self._engine.containers(owned)
            for container in there:
                last = min(told.get(container.id[:12], heard), until)
                deaths = [death for death in ended.get(container.id, ()) if death.at > last]
                deaths = deaths or unheard(container, max(heard, last))
                if deaths:
                    await self._tell_unseen(container.id, deaths)
                    ended[container.id] = deaths
            others = [each for each in there if each.id not in ended]
            await self._tell_interrupted(ended_with_engine(others, events, heard))
        await self._heard.all_until(until)
        return until + timedelta(microseconds=1)

    async def _look_back(self, owned: Mapping[str, str], since: datetime) -> None:
        """Tell what ended with an engine that was away, and is back; its events since then are heard afterwards."""
        until = max(self._clock.now(), since)
        async with aclosing(self._engine.events(owned, since, until)) as past:  # type: ignore[type-var]  # a generator
            events = [event async for event in past]
        there = await self._engine.containers(owned)
        await self._tell_interrupted(ended_with_engine(there, events, since, self._stopped))
        self._stopped &= {each.id for each in there if each.state != "running"}

    async def _told(self) -> dict[str, datetime]:
        """Return by the beginning of a container's id when the last of its deaths that were told had been.

        A daemon that was killed between telling one and writing down until when it had listened has another one here.
        """
        events = await self._journal.events(-1, limit=RECENT, kind=DIED)
        return {
            str(event.data.get("container")): datetime.fromisoformat(str(event.data["ended_at"]))
            for event in events
            if "ended_at" in event.data
        }

    async def _tell_unseen(self, container: str, deaths: Sequence[Death]) -> None:
        try:
            found = await self._found(container)
            if found is None:
                return
            last = deaths[-1]
            deaths = [*deaths[:-1], replace(last, out_of_memory=last.out_of_memory or found.container.oom_killed)]
            stopped = await self._count(found, deaths, unseen=True)
            if found.container.state == "running" and not stopped:
                await self._tell_start(found)
            elif not stopped:
                self._lives.setdefault(container, _Life()).died = True  # its start is yet to come
        except Problem as problem:
            log.info("what happened to %s is not known: %s", container[:12], problem)
        except Exception:
            log.exception("what happened to %s could not be heeded", container[:12])

    def _note(self, event: ContainerEvent) -> _Life | None:
        """Remember what an event says, before anybody is asked for more: the next one may be here already.

        Return the life in which it happened; None for an end that was asked for, with which a life is over.
        """
        life = self._lives.setdefault(event.container, _Life())
        match event.what:
            case "start":
                life.started_at, life.asked = event.at, False
                self._stopped.discard(event.container)
            case "kill":
                life.asked = True
            case "oom":
                life.out_of_memory = True
            case "die":
                life.ends += 1
        if event.what in {"start", "die"}:
            self._witnesses.usage.look_around()
        if event.what == "die" and life.asked:
            del self._lives[event.container]
            self._stopped.add(event.container)
            return None
        return life

    async def _heed(self, event: ContainerEvent, life: _Life, started_at: datetime | None) -> None:
        """Act upon an event in a life that had *started_at* then; what goes wrong here costs only what would have been told."""
        try:
            if event.what == "die":
                await self._died(event, life, started_at)
            elif event.what == "oom":
                await self._short_of_memory(event, life)
            elif event.what == "start" and life.died:
                await self._began(event, life)
        except Problem as problem:
            log.info("what happened to %s is not known: %s", event.container[:12], problem)
        except Exception:
            log.exception("what happened to %s could not be heeded", event.container[:12])
        await self._heard.end(event.at)

    async def _died(self, event: ContainerEvent, life: _Life, started_at: datetime | None) -> None:
        if event.exit_code == KILLED and not life.out_of_memory:
            await self._clock.sleep(LATE)
        found = await self._found(event.container)
        if found is None:
            self._lives.pop(event.container, None)
            return
        life.died = True
        out_of_memory, life.out_of_memory = life.out_of_memory or found.container.oom_killed, False
        lived = event.at - started_at if started_at is not None else None
        await self._count(found, [Death(event.at, event.exit_code, out_of_memory, lived)])

    async def _count(self, found: _Found, deaths: Sequence[Death], *, unseen: bool = False) -> bool:
        """Tell of the last of these deaths, and stop what ends again and again; return whether it was stopped.

        *unseen*: no daemon was there. What has run well for a while since then is left to run.
        """
        container, loops = found.container.id, self._witnesses.loops
        before = after = loops.of(container)
        if not (unseen and loops.is_steady(found.container)):
            waits = await self._waits_for_others(found)
            for death in deaths:
                after = await loops.died(container, death.lived, spared=waits or death is not deaths[-1])
        await self._tell_death(found, deaths, unseen=unseen)
        if after.stops == before.stops:
            return False
        # A stop, and not a change of its settings: the engine starts it neither now nor when the host boots.
        await self._engine.stop(container, GRACE)
        await self._tell_loop(found, after)
        return True

    async def _short_of_memory(self, event: ContainerEvent, life: _Life) -> None:
        """Tell that a process of a replica was killed, where the replica itself lives on."""
        ends = life.ends
        await self._clock.sleep(AGAIN)
        if life.ends != ends or not life.out_of_memory:
            return
        life.out_of_memory = False
        found = await self._found(event.container)
        if found is not None and found.container.state == "running":
            limit = size_text(found.workload.memory)
            message = (
                f"the kernel killed a process inside a replica of {found.workload.name}: it needed more than {limit}"
            )
            await self._tell(found, "service.out-of-memory", message, out_of_memory=True)

    async def _began(self, event: ContainerEvent, life: _Life) -> None:
        life.died = False
        found = await self._found(event.container)
        if found is not None:
            await self._tell_start(found)

    async def _found(self, container: str) -> _Found | None:
        """Return a container if it is a replica of what is live, or of its canary, and is not on its way out."""
        there = await self._engine.container(container)
        if there is None or not labels.is_replica(there.labels) or container in await leaving(self._journal):
            return None
        place = (there.labels.get(labels.PROJECT, ""), there.labels.get(labels.ENVIRONMENT, ""))
        canary = await self._journal.canary(*place)
        for release in (await self._journal.live(*place), canary.tried if canary else None):
            workload = release.workloads.get(there.labels.get(labels.SERVICE, "")) if release else None
            if release is not None and workload is not None and is_of(workload, there):
                return _Found(there, workload, release, place)
        return None

    async def _waits_for_others(self, found: _Found) -> bool:
        """Whether something that it needs does not run, or is unhealthy: that is not its own fault, and may pass."""
        unwell = self._witnesses.checkups.unwell
        there = present_replicas(await self._witnesses.replicas.of_place(*found.place))
        well = {c.labels.get(labels.SERVICE) for c in there if c.state == "running" and c.id not in unwell}
        return not needed_to_be_well(found.release, found.workload) <= well

    async def _tell_death(self, found: _Found, deaths: Sequence[Death], *, unseen: bool) -> None:
        death, lived = deaths[-1], deaths[-1].lived
        lines = await self._engine.logs(found.container.id, TAIL)
        await self._tell(
            found,
            DIED,
            f"a replica of {found.workload.name} ended by itself{_when(deaths, unseen=unseen)}: {_cause(found, death)}",
            state=str(Health.RESTARTING),
            exit_code=death.exit_code,
            out_of_memory=death.out_of_memory,
            lived=None if lived is None else round(lived.total_seconds(), 1),
            ended_at=death.at.isoformat(),
            times=len(deaths),
            unseen=unseen,
            tail=[self._hide(line.text) for line in lines],
        )

    async def _tell_start(self, found: _Found) -> None:
        self._witnesses.checkups.began(found.container.id)
        message = f"a replica of {found.workload.name} was started again"
        await self._tell(found, "service.started", message, state=str(Health.STARTING))

    async def _tell_interrupted(self, containers: Sequence[Container]) -> None:
        """Tell, once for each environment, what ended with the engine or the host; how it is now its next answer tells."""
        told = {
            (str(container), str(event.data.get("ended_at")))
            for event in await self._journal.events(-1, limit=RECENT, kind=INTERRUPTED)
            for container in cast("list[object]", event.data.get("containers", []))
        }
        places: dict[tuple[str, str], list[_Found]] = {}
        for container in containers:
            found = await self._found(container.id)
            if found is not None:
                places.setdefault(found.place, []).append(found)
        for (project, environment), ended in places.items():
            at = max(each.container.finished_at for each in ended if each.container.finished_at is not None).isoformat()
            ids = sorted(each.container.id[:12] for each in ended)
            if {(each, at) for each in ids} <= told:
                continue
            for each in ended:
                self._witnesses.checkups.began(each.container.id)
                if each.container.state != "running":
                    self._lives.setdefault(each.container.id, _Life()).died = True  # its start is yet to come
            counts = Counter(each.workload.name for each in ended)
            names = ", ".join(name if count == 1 else f"{name} ({count} replicas)" for name, count in counts.items())
            message = f"ended as the engine, or the whole host, was restarted: {names}"
            data = {"state": str(Health.RESTARTING), "services": sorted(counts), "containers": ids, "ended_at": at}
            now = self._clock.now()
            await self._journal.tell(INTERRUPTED, message, now, project=project, environment=environment, data=data)

    async def _tell_loop(self, found: _Found, loop: Loop) -> None:
        name = found.workload.name
        until = f"{loop.until:%Y-%m-%d %H:%M} UTC" if loop.until else ""
        message = f"a replica of {name} ended {loop.deaths} times in a row and is stopped; it is tried again at {until}"
        project, environment = found.place
        remedy = f"`hostess logs {name} -p {project} -e {environment}`, mend it and push, or `hostess services restart {name}`"
        log.warning("%s/%s: %s", project, environment, message)
        state = str(Health.CRASH_LOOPING)
        await self._tell(found, "service.crash-looping", message, state=state, deaths=loop.deaths, remedy=remedy)

    async def _tell(self, found: _Found, kind: str, message: str, **evidence: object) -> None:
        project, environment = found.place
        data = {
            "service": found.workload.name,
            "replica": found.container.labels.get(labels.REPLICA, ""),
            "container": found.container.id[:12],
            **evidence,
        }
        now = self._clock.now()
        await self._journal.tell(kind, message, now, project=project, environment=environment, data=data)


def _when(deaths: Sequence[Death], *, unseen: bool) -> str:
    """Return in words how often, after how long and when: what is told as it happens needs no time."""
    lived = deaths[-1].lived
    after = f" after {lived.total_seconds():.0f} s" if lived is not None else ""
    if not unseen:
        return after
    often = f" {len(deaths)} times" if len(deaths) > 1 else ""
    last = ", the last time" if often and after else ""
    return f"{often} while no daemon was there{last}{after} ({deaths[-1].at:%Y-%m-%d %H:%M:%S} UTC)"


def _cause(found: _Found, death: Death) -> str:
    if death.out_of_memory:
        return f"it needed more memory than its {size_text(found.workload.memory)}"
    return "its exit code is not known any more" if death.exit_code is None else f"exit code {death.exit_code}"
