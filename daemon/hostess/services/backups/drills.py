"""Drills: the newest backup of each database is restored into a throw-away container, each day and after it was taken, and checked."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from hostess.domain import labels
from hostess.domain.alerts import drill_subject
from hostess.domain.backups import drills, redis_backup
from hostess.domain.backups.backup import FOR_RESTORES, GOOD, Backup, Proof, proven
from hostess.domain.backups.postgres_restore import new_name
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Artefacts, Clock, ContainerSpec, Engine, Journal, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.services.backups.drill_room import DrillRoom
from hostess.services.backups.loads import check_files, load_postgres, prove_postgres
from hostess.services.backups.restore_redis import RedisRestore
from hostess.services.backups.restores import read_manifest
from hostess.services.databases.starting import server_started
from hostess.services.jobs.schedules import Due
from hostess.services.keeping.replicas import Replicas

START_WITHIN = timedelta(seconds=150)
NETWORK = "none"
"""Nobody reaches a throw-away container, and it reaches nobody."""

log = logging.getLogger(__name__)


class Drills:
    """Proves backups. What a killed daemon leaves of one is removed as any container that nobody holds."""

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        replicas: Replicas,
        redis: RedisRestore,
        artefacts: Artefacts,
        clock: Clock,
        room: DrillRoom,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._replicas = replicas
        self._redis = redis
        self._artefacts = artefacts
        self._clock = clock
        self._room = room

    async def after(self, backup: Backup) -> None:
        """Begin to prove a backup that was just taken, if it is small; others wait for the daily drill."""
        if backup.trigger not in FOR_RESTORES and backup.size <= drills.SMALL:
            self._begin(backup)

    async def due(self) -> list[Due]:
        """Return the daily drill of each database of a live release that has a backup."""
        found = []
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            known = await self._journal.backups(place.project, place.environment)
            good = [each for each in known if each.state in GOOD]
            if live is not None:
                services = sorted({each.service for each in good} & live.workloads.keys())
                found += [self._of(live, name, [each for each in good if each.service == name]) for name in services]
        return found

    def _of(self, live: Release, service: str, backups: list[Backup]) -> Due:
        async def since() -> datetime:
            return proven(backups).get(service, backups[-1].started_at)

        async def fire() -> None:
            self._begin(backups[0])

        key = f"drill:{live.project}/{live.environment}/{service}"
        return Due(key=key, schedule=drills.DAILY, mark=live.number, since=since, fire=fire)

    def _begin(self, backup: Backup) -> None:
        what = f"{backup.project}/{backup.environment}/{backup.service}"
        self._room.begin(what, partial(self._proved, backup), partial(self._record, backup))

    async def _proved(self, backup: Backup) -> None:
        live = await self._journal.live(backup.project, backup.environment)
        workload = live.workloads.get(backup.service) if live else None
        if live is None or workload is None:
            raise Problem("nothing-live", f"{backup.service} is not live any more, so its image is not known")
        manifest = await read_manifest(self._artefacts, backup)
        if (
            not workload.is_database
        ):  # its command could do anything, also to what is live: the files are what can be proven
            await asyncio.to_thread(check_files, self._artefacts, backup.path, manifest)
            return
        mark = f"drill-{backup.id}"
        async with self._replicas.thrown_away(mark, await self._spec(live, workload, mark)) as container:
            if workload.type is ServiceType.POSTGRES:
                await server_started(self._engine, self._clock, container, workload, START_WITHIN, "drill-not-started")

                def work(shell: Shell) -> None:
                    loaded = load_postgres(shell, self._artefacts, backup.path, manifest, fresh=True)
                    wanted = workload.backups.drill if workload.backups else ()
                    prove_postgres(shell, map(new_name, loaded), new_name(workload.name), wanted)

                await self._engine.within(container.id, mark, work)
            else:
                await self._redis.serve(container, mark, backup, manifest)

    async def _spec(self, live: Release, workload: Workload, mark: str) -> ContainerSpec:
        """Return a container of the workload's image without a network, its limits small."""
        instance = await self._journal.instance()
        owned = labels.of_place(instance, live.project, live.environment)
        marks = {
            labels.ROLE: labels.TASK_ROLE,
            labels.DEPLOYMENT: mark,
            labels.REPLICA: mark,
        }
        postgres = workload.type is ServiceType.POSTGRES
        libraries = workload.inside.extensions if workload.inside else ()
        return ContainerSpec(
            name=labels.container_name(instance, live.project, live.environment, workload.name, mark),
            image=workload.image,
            labels={**owned, **marks},
            network=NETWORK,
            env=await self._replicas.env(live, workload),
            command=drills.server(libraries) if postgres else redis_backup.WAIT,
            cpu=min(workload.cpu, drills.CPU),
            memory=drills.memory(workload.memory, postgres=postgres),
        )

    async def _record(self, backup: Backup, proof: Proof) -> None:
        known = await self._journal.backups(backup.project, backup.environment, backup.service)
        now = next((each for each in known if each.id == backup.id), None)
        if now is None:  # deleted meanwhile: nobody relies on it
            return
        await self._journal.put_backup(replace(now, proof=proof))
        if proof.problem:
            log.warning("the drill of %s failed: %s", backup.file, proof.problem)
        live = await self._journal.live(backup.project, backup.environment)
        workload = live.workloads.get(backup.service) if live else None
        well = _PROVEN if workload is None or workload.is_database else _COUNTED
        kind, how = ("backup.drill-failed", f"could not be restored: {proof.problem}") if proof.problem else well
        await self._journal.tell(
            kind,
            f"{backup.file} {how}",
            self._clock.now(),
            project=backup.project,
            environment=backup.environment,
            data={
                "service": backup.service,
                "backup": backup.id,
                "seconds": proof.seconds,
                "subject": drill_subject(backup.project, backup.environment, backup.service),
            },
        )


_PROVEN = ("backup.proven", "was restored into a throw-away container, and all of it is there")
_COUNTED = ("backup.proven", "was read as a whole, and has the files that its manifest tells")
