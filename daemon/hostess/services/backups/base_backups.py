"""Base backups: a copy of a whole data directory each day, which the log leads on from; what no kept moment needs goes."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from hostess.domain.alerts import log_subject
from hostess.domain.backups import postgres_wal
from hostess.domain.backups.backup import FAILED, OK, RUNNING, Written, new_id
from hostess.domain.backups.wal import Base, Server, outdated, wants_base
from hostess.domain.codec import to_json
from hostess.domain.ports import Artefacts, Clock, Engine, Journal, Shell
from hostess.domain.problem import Problem
from hostess.services.backups.backups import LONGEST, Backups, Target
from hostess.services.backups.dumps import lines
from hostess.services.under_way import UnderWay

EVERY = timedelta(minutes=1)

After = Callable[[Base], Awaitable[None]]

log = logging.getLogger(__name__)


class BaseBackups:
    """Takes them while the log is shipped on, one of a service at a time."""

    def __init__(self, journal: Journal, engine: Engine, backups: Backups, artefacts: Artefacts, clock: Clock) -> None:
        self._journal = journal
        self._engine = engine
        self._backups = backups
        self._artefacts = artefacts
        self._clock = clock
        self._running: UnderWay[None] = UnderWay("a base backup")
        self._tidying: UnderWay[None] = UnderWay("the removal of a base backup that was cut short")
        self._after: After | None = None
        self._looked: dict[str, tuple[str, datetime]] = {}

    def then(self, after: After) -> None:
        """Call *after* with each base backup that went well."""
        self._after = after

    async def look(self, target: Target, chain: str) -> None:
        """Begin one if one is due: looked for at once in a new *chain* of the log, and each minute."""
        place = (target.release.project, target.release.environment, target.workload.name)
        key = "/".join(place)
        now = self._clock.now()
        known, looked = self._looked.get(key, ("", now))
        if key in self._running or (known == chain and now - looked < EVERY):
            return
        self._looked[key] = chain, now
        kept = await self._journal.kept(*place)
        if kept.archive is not None and wants_base(kept, now):
            # While an upgrade hands over, the server that runs may be of another major than what is live.
            same = target.container.image == target.workload.image
            base = Base(
                new_id(now, self._clock.token(48)),
                *place,
                started_at=now,
                chain=kept.archive.chain,
                image=target.container.image,
                version=target.workload.version if same else "",
            )
            await self._journal.put_base(base)
            self._running.begin(key, self._carried_out(target, base))

    async def recover(self) -> None:
        """After a restart: end copies that still run, and begin to remove what was begun; a place that is away holds up nothing."""
        for base in await self._journal.bases():
            if base.state == RUNNING:
                try:
                    target = await self._backups.target(base.project, base.environment, base.service)
                    await self._engine.end_commands(target.container.id, _mark(base))
                except Problem as problem:
                    log.info("no copy of %s is left: %s", base.id, problem)
                self._tidying.begin(base.id, self._dropped(base))

    async def stop(self) -> None:
        """End those that are under way."""
        await self._running.stop()
        await self._tidying.stop()

    async def _carried_out(self, target: Target, base: Base) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                done = await self._taken(target, base)
        except Problem as problem:
            await self._failed(base, str(problem))
        except TimeoutError:
            await self._failed(base, "it took longer than a day")
        except asyncio.CancelledError:
            await asyncio.shield(self._dropped(base))
            raise
        except Exception:
            log.exception("base backup %s of %s ended in a bug", base.id, base.service)
            await self._failed(base, "something in Hostess itself went wrong; the daemon's log has the details")
        else:
            await self._followed(target, done)

    async def _taken(self, target: Target, base: Base) -> Base:
        listener = postgres_wal.BaseListener()

        def work(shell: Shell) -> tuple[Written, Server]:
            content = shell.output(postgres_wal.BASE, env=postgres_wal.PLAIN, hear=listener.hear)
            written = self._artefacts.write(base.path, iter([(postgres_wal.BASE_PART, content)]))
            if self._artefacts.checksum(base.path) != written.checksum:
                raise Problem("backup-damaged", "what was read back is not what was written")
            return written, postgres_wal.state(lines(shell, postgres_wal.STATE))

        written, server = await self._engine.within(target.container.id, _mark(base), work)
        if listener.start is None:
            raise Problem("command-failed", "pg_basebackup did not say where in the log it began")
        done = replace(
            base,
            state=OK,
            ended_at=server.now,
            first=listener.start // server.segment,
            size=written.size,
            content=written.parts[0].size,
            checksum=written.checksum,
        )
        text = json.dumps(to_json(done), indent=1, ensure_ascii=False)
        await asyncio.to_thread(self._artefacts.put_manifest, base.path, f"{text}\n")
        await self._journal.put_base(done)
        return done

    async def _followed(self, target: Target, done: Base) -> None:
        """Tell of it, let go what no kept moment needs, and hand it on; what goes wrong here does not undo it."""
        try:
            await self._tell(
                done, "backup.base-completed", f"a base backup of {done.service} was written and read back"
            )
            await self._prune(target)
        except Problem as problem:
            log.warning("of %s nothing is told, or what no moment needs stays for now: %s", done.id, problem)
        if self._after is not None:
            await self._after(done)

    async def _prune(self, target: Target) -> None:
        """Remove what leads to no moment that is still wanted: artefacts first, records after them."""
        release, workload = target.release, target.workload
        days = workload.backups.retention if workload.backups else 1
        kept = await self._journal.kept(release.project, release.environment, workload.name)
        bases, segments = outdated(kept, self._clock.now() - timedelta(days=days), days)
        for base in bases:
            await asyncio.to_thread(self._artefacts.remove, base.path)
            await self._journal.forget_base(base.id)
        for segment in segments:
            await asyncio.to_thread(self._artefacts.remove, segment.path)
        await self._journal.forget_segments(segments)

    async def _failed(self, base: Base, why: str) -> None:
        log.warning("base backup %s of %s failed: %s", base.id, base.service, why)
        try:
            await asyncio.to_thread(self._artefacts.remove, base.path)
            await self._journal.put_base(replace(base, state=FAILED, ended_at=self._clock.now(), problem=why))
            await self._tell(base, "backup.base-failed", f"the base backup of {base.service} failed: {why}")
        except Problem as problem:  # its project or its target is gone
            log.warning("%s: %s", base.id, problem)

    async def _dropped(self, base: Base) -> None:
        """Forget one that the daemon's end has cut short: another one is taken at once. What cannot be removed waits for the next start."""
        try:
            await asyncio.to_thread(self._artefacts.remove, base.path)
        except Problem as problem:
            log.warning("what was begun of base backup %s stays for now: %s", base.id, problem)
            return
        await self._journal.forget_base(base.id)

    async def _tell(self, base: Base, kind: str, message: str) -> None:
        await self._journal.tell(
            kind,
            message,
            self._clock.now(),
            project=base.project,
            environment=base.environment,
            data={
                "service": base.service,
                "base": base.id,
                "subject": log_subject(base.project, base.environment, base.service),
            },
        )


def _mark(base: Base) -> str:
    return f"base-{base.id}"
