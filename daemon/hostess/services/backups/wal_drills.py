"""Drills of recoveries: base backup and log are played to their end in a throw-away container, and every table is read."""

import logging
from dataclasses import replace
from datetime import datetime
from functools import partial

from hostess.domain.alerts import log_drill_subject
from hostess.domain.backups import drills
from hostess.domain.backups.backup import OK, Heard, Proof
from hostess.domain.backups.wal import Archive, Base, way
from hostess.domain.ports import Clock, Engine, Journal, Shell
from hostess.domain.releases.release import Workload
from hostess.services.backups.backups import Backups
from hostess.services.backups.drill_room import DrillRoom
from hostess.services.backups.dumps import postgres_parts
from hostess.services.backups.loads import prove_postgres
from hostess.services.backups.recoveries import Recoveries
from hostess.services.jobs.schedules import Due

log = logging.getLogger(__name__)


class WalDrills:
    """Proves what is kept of the log: each day, and right after a base backup that is small."""

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        backups: Backups,
        recoveries: Recoveries,
        clock: Clock,
        room: DrillRoom,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._backups = backups
        self._recoveries = recoveries
        self._clock = clock
        self._room = room

    async def after(self, base: Base) -> None:
        """Begin to prove what leads on from a base backup that was just taken, if it is small."""
        if base.size <= drills.SMALL:
            self._begin(base)

    async def due(self) -> list[Due]:
        """Return the daily drill of each log that is kept."""
        found, bases = [], await self._journal.bases()
        for archive in await self._journal.archives():
            live = await self._journal.live(archive.project, archive.environment)
            newest = _newest(bases, archive)
            if live is not None and archive.on and archive.service in live.workloads and newest is not None:
                found.append(self._of(live.number, newest))
        return found

    def _of(self, mark: int, base: Base) -> Due:
        async def since() -> datetime:
            return base.proof.at if base.proof else base.started_at

        async def fire() -> None:
            self._begin(base)

        key = f"wal-drill:{base.project}/{base.environment}/{base.service}"
        return Due(key=key, schedule=drills.DAILY, mark=mark, since=since, fire=fire)

    def _begin(self, base: Base) -> None:
        what = f"the log of {base.project}/{base.environment}/{base.service}"
        self._room.begin(what, partial(self._proved, base), partial(self._record, base))

    async def _proved(self, base: Base) -> None:
        target = await self._backups.target(base.project, base.environment, base.service)
        kept = await self._journal.kept(base.project, base.environment, base.service)
        if kept.archive is None or base.id not in {each.id for each in kept.bases}:
            return
        moment = max(kept.archive.until, base.ended_at or base.started_at)
        if kept.archive.chain != base.chain:  # another log has begun: this one leads to its own end
            moment = base.ended_at or base.started_at
        small = replace(
            target.workload,
            cpu=min(target.workload.cpu, drills.CPU),
            memory=drills.memory(target.workload.memory, postgres=True),
        )
        # The copy of a begun segment is replaced before long: it is left out.
        whole = replace(kept, bases=(base,), archive=replace(kept.archive, begun=None))
        mark, found = f"drill-base-{base.id}", way(whole, moment, base.service)
        async with self._recoveries.recovered(replace(target, workload=small), found, moment, mark) as source:
            await self._engine.within(source.container, mark, partial(_read, target.workload))

    async def _record(self, base: Base, proof: Proof) -> None:
        kept = await self._journal.kept(base.project, base.environment, base.service)
        now = next((each for each in kept.bases if each.id == base.id), None)
        if now is None:  # it went meanwhile: nobody relies on it
            return
        await self._journal.put_base(replace(now, proof=proof))
        if proof.problem:
            log.warning("the drill of the log of %s failed: %s", base.service, proof.problem)
        kind, how = ("backup.drill-failed", f"could not be played: {proof.problem}") if proof.problem else _PROVEN
        await self._journal.tell(
            kind,
            f"the log of {base.service} {how}",
            self._clock.now(),
            project=base.project,
            environment=base.environment,
            data={
                "service": base.service,
                "subject": log_drill_subject(base.project, base.environment, base.service),
                "base": base.id,
                "seconds": proof.seconds,
            },
        )


def _newest(bases: list[Base], archive: Archive) -> Base | None:
    place = (archive.project, archive.environment, archive.service, archive.chain)
    good = [each for each in bases if each.state == OK]
    good = [each for each in good if (each.project, each.environment, each.service, each.chain) == place]
    return max(good, key=lambda base: base.started_at, default=None)


def _read(workload: Workload, shell: Shell) -> None:
    """Read every table, check every index, and let the file's own statements judge."""
    heard = Heard()
    for _, pieces in postgres_parts(shell, heard):
        for _ in pieces:
            pass
    wanted = workload.backups.drill if workload.backups else ()
    prove_postgres(shell, [each.name for each in heard.databases], workload.name, wanted)


_PROVEN = ("backup.proven", "was played to its end in a throw-away container, and every table could be read")
