"""Everything about backups, wired: taking them, their times, drills, restores, the logs that lead to any moment."""

from dataclasses import dataclass
from typing import Self

from hostess.domain.ports import Artefacts, Clock, Engine, Heart, Journal
from hostess.services.backups.adoption import Adoption
from hostess.services.backups.backups import Backups
from hostess.services.backups.base_backups import BaseBackups
from hostess.services.backups.drill_room import DrillRoom
from hostess.services.backups.drills import Drills
from hostess.services.backups.heartbeats import Heartbeats
from hostess.services.backups.recoveries import Recoveries
from hostess.services.backups.restore_files import FilesRestore
from hostess.services.backups.restore_postgres import PostgresRestore
from hostess.services.backups.restore_redis import RedisRestore
from hostess.services.backups.restore_volumes import VolumesRestore
from hostess.services.backups.restores import Restores
from hostess.services.backups.times import BackupTimes
from hostess.services.backups.wal_archive import WalArchive
from hostess.services.backups.wal_drills import WalDrills
from hostess.services.building.registries import Registries
from hostess.services.databases.setup import DatabaseSetup
from hostess.services.deploying.gate import Gate
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.replicas import Replicas


@dataclass(frozen=True, slots=True)
class Databases:
    """What backups need of those who run databases."""

    replicas: Replicas
    registries: Registries
    setup: DatabaseSetup
    turns: Turns
    gate: Gate


@dataclass(frozen=True, slots=True)
class BackupServices:
    """The services, and where artefacts are."""

    artefacts: Artefacts
    backups: Backups
    times: BackupTimes
    drills: Drills
    restores: Restores
    bases: BaseBackups
    wal: WalArchive
    recoveries: Recoveries
    heartbeats: Heartbeats
    wal_drills: WalDrills
    room: DrillRoom
    adoption: Adoption

    @classmethod
    def wired(
        cls, journal: Journal, engine: Engine, artefacts: Artefacts, clock: Clock, databases: Databases, heart: Heart
    ) -> Self:
        """Return them; nothing is started."""
        replicas, room = databases.replicas, DrillRoom(clock)
        backups = Backups(journal, engine, replicas, artefacts, clock)
        postgres = PostgresRestore(engine, artefacts)
        redis = RedisRestore(engine, replicas, artefacts, clock)
        drills = Drills(journal, engine, replicas, redis, artefacts, clock, room)
        heartbeats = Heartbeats(journal, heart, clock)
        backups.then(heartbeats.after)
        backups.then(drills.after)
        files = FilesRestore(engine, artefacts)
        volumes = VolumesRestore(journal, engine, replicas, databases.gate, artefacts)
        restores = Restores(
            journal, backups, artefacts, postgres, redis, files, volumes, databases.setup, databases.turns, clock
        )
        times, bases = BackupTimes(journal, backups, clock), BaseBackups(journal, engine, backups, artefacts, clock)
        wal = WalArchive(journal, engine, backups, bases, artefacts, clock)
        recoveries = Recoveries(journal, engine, replicas, databases.registries, backups, wal, artefacts, clock)
        wal_drills = WalDrills(journal, engine, backups, recoveries, clock, room)
        bases.then(wal_drills.after)
        adoption = Adoption(journal, artefacts, clock)
        return cls(
            artefacts, backups, times, drills, restores, bases, wal, recoveries, heartbeats, wal_drills, room, adoption
        )

    async def recover(self) -> None:
        """After a restart: finish or undo what was under way."""
        await self.backups.recover()
        await self.bases.recover()
        await self.restores.recover()

    async def stop(self) -> None:
        """End what is under way, so that nothing half done is left."""
        first = (self.heartbeats, self.room, self.wal, self.bases, self.times)
        for each in (*first, self.restores, self.backups):
            await each.stop()
