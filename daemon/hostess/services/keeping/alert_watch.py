"""Alerts: draws them from what the other services know, and tells of those that begin, last and end, whatever becomes of the daemon."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hostess.domain.alert import Alert
from hostess.domain.alerts import (
    Database,
    Facts,
    Memory,
    News,
    Troubled,
    Unwell,
    after_look,
    alerts_of,
    crash_loops,
    judge,
    lasting,
    remembered,
)
from hostess.domain.certificates.certificate import Source
from hostess.domain.certificates.issuance import Status, ends_soon
from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.host_alerts import of_host
from hostess.domain.ports import CertificateStore, Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.releases.plan import is_of, matching
from hostess.domain.releases.release import Release
from hostess.services.backups.host_backups import remembered as remembered_of_host
from hostess.services.backups.wal_archive import wanted
from hostess.services.certificates.certificates import Certificates
from hostess.services.certificates.imports import days_left
from hostess.services.keeping.checkups import Checkups
from hostess.services.keeping.crash_loops import CrashLoops
from hostess.services.keeping.host_watch import HostWatch
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.storage_watch import StorageWatch

NOTE: Final = "alerts that were told"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """Who knows what may be wrong. *host_schedule* is when the host is backed up, "" where it is not."""

    replicas: Replicas
    checkups: Checkups
    storage: StorageWatch
    orders: Certificates
    certificates: CertificateStore
    host: HostWatch
    loops: CrashLoops
    host_schedule: str = ""


class AlertWatch:
    """Looks now and then; what it remembers is written down after it was told: an event may come twice, but none is lost."""

    def __init__(self, journal: Journal, watched: Watched, clock: Clock) -> None:
        self._journal = journal
        self._watched = watched
        self._clock = clock

    async def look(self) -> None:
        """Tell what has changed."""
        memory = await self._memory()
        now, facts = self._clock.now(), await self._facts(memory)
        news, after = judge(
            alerts_of(facts, memory, now),
            memory,
            now,
            services_seen=facts.unwell is not None,
            host_seen=facts.host is not None,
        )
        for each in news:
            await self._tell(each)
        after = after_look(after, facts.databases)
        if after != memory:
            await self._journal.set_note(NOTE, json.dumps(to_json(after)))

    async def now(self) -> list[Alert]:
        """Return what is wrong now, the gravest first."""
        memory = await self._memory()
        now = self._clock.now()
        return lasting(alerts_of(await self._facts(memory), memory, now), now)

    async def _facts(self, memory: Memory) -> Facts:
        lives = [
            live
            for place in await self._journal.places()
            if (live := await self._journal.live(place.project, place.environment)) is not None
        ]
        return Facts(
            databases=[each for live in lives for each in await self._databases(live, memory)],
            archives=[
                archive
                for archive in await self._journal.archives()
                for live in lives
                if (archive.project, archive.environment) == (live.project, live.environment)
                and (workload := live.workloads.get(archive.service)) is not None
                and wanted(workload)
            ],
            bases=await self._journal.bases(),
            unwell=await self._unwell(lives),
            uses=[*self._watched.storage.measured(), *await self._watched.storage.disks()],
            certificates=await self._certificates(),
            others=of_host(await remembered_of_host(self._journal), self._watched.host_schedule, self._clock.now()),
            host=self._watched.host.bad(),
        )

    async def _databases(self, live: Release, memory: Memory) -> list[Database]:
        found = []
        for workload in live.workloads.values():
            if workload.backups is None:
                continue
            names = (live.project, live.environment, workload.name)
            backups = await self._journal.backups(*names)
            since, proven = remembered(names, backups, live.created_at, memory)
            found.append(Database(*names, workload.backups.schedule, backups, since, proven))
        return found

    async def _unwell(self, lives: Iterable[Release]) -> list[Unwell] | None:
        try:
            there = await self._watched.replicas.everywhere()
        except Problem as problem:
            log.info("services were not looked at for alerts: %s", problem)
            return None
        now, unwell, loops = self._clock.now(), self._watched.checkups.unwell, self._watched.loops
        found = []
        for live in lives:
            containers = there.get((live.project, live.environment), [])
            for workload in live.workloads.values():
                own = matching(workload, containers)
                stopped = [each for each in containers if is_of(workload, each) and loops.lasts(each)]
                looping = [each for each in own if crash_loops(each.state, each.restarts, each.started_at, now)]
                if stopped:
                    deaths = max(loops.of(each.id).deaths for each in stopped)
                    evidence = f"ended {deaths} times in a row and was stopped; it is tried again seldom"
                elif looping:
                    evidence = f"ends again and again: it was restarted {max(each.restarts for each in looping)} times"
                elif any(each.id in unwell for each in own):
                    evidence = "is unhealthy: its check fails"
                else:
                    continue
                where = (live.project, live.environment, workload.name)
                found.append(Unwell(*where, evidence, looping=bool(stopped or looping), stopped=bool(stopped)))
        return found

    async def _certificates(self) -> list[Troubled]:
        now, found = self._clock.now(), []
        for each in await self._watched.orders.standings():
            if each.status is Status.FAILED:
                found.append(Troubled(each.wanted.names, each.project, each.error))
            if each.current is not None and ends_soon(each.current, now):
                found.append(Troubled(each.current.names, each.project, ends=each.current.not_after))
        for made in await self._watched.certificates.all():
            if made.source is Source.IMPORTED and days_left(made, now) is not None:
                project = self._watched.orders.project_of(made.names)
                found.append(Troubled(made.names, project, ends=made.not_after, imported=True))
        return found

    async def _memory(self) -> Memory:
        raw = await self._journal.note(NOTE)
        try:
            return from_json(Memory, json.loads(raw)) if raw else Memory()
        except (ValueError, CodecError):
            log.warning("what was told of alerts cannot be read: it is told anew")
            return Memory()

    async def _tell(self, news: News) -> None:
        alert = news.alert
        data = {"subject": alert.subject, "service": alert.service, "since": alert.since.isoformat()}
        known = {each.name for each in await self._journal.projects()}
        await self._journal.tell(
            news.kind,
            news.message,
            self._clock.now(),
            project=alert.project if alert.project in known else "",  # that it is gone is an end, too
            environment=alert.environment,
            data={**data, **({"remedy": alert.remedy} if alert.remedy else {})},
        )
