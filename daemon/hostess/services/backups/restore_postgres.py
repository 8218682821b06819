"""Restores of PostgreSQL: loaded beside the live databases of the same server, checked, and renamed in one transaction."""

import asyncio
from contextlib import suppress

from hostess.domain.backups import postgres_restore
from hostess.domain.backups.backup import Backup, Manifest, Restore
from hostess.domain.ports import Artefacts, Engine, Shell
from hostess.domain.problem import Problem
from hostess.services.backups.backups import Target
from hostess.services.backups.dumps import lines
from hostess.services.backups.loads import load_postgres

ASK_AGAIN = 0.3


class PostgresRestore:
    """The live server is never stopped. What a killed daemon leaves is told by the names of databases alone."""

    def __init__(self, engine: Engine, artefacts: Artefacts) -> None:
        self._engine = engine
        self._artefacts = artefacts

    async def load(
        self, target: Target, restore: Restore, backup: Backup, manifest: Manifest, *, fresh: bool
    ) -> list[str]:
        """Load and check a backup beside the live data; return the names of its databases. *fresh*: nobody has used the server yet."""

        def work(shell: Shell) -> list[str]:
            postgres_restore.check_major(manifest.engine, "".join(lines(shell, postgres_restore.VERSION)))
            return load_postgres(shell, self._artefacts, backup.path, manifest, fresh=fresh)

        return await self._engine.within(target.container.id, mark_of(restore), work)

    async def swap(self, target: Target, restore: Restore, databases: list[str]) -> None:
        """Put what was loaded in the place of the live databases; their sessions are closed. All of it happens, or nothing."""

        def work(shell: Shell) -> None:
            live = lines(shell, postgres_restore.LIST)
            lines(shell, postgres_restore.ADMIN, stdin=postgres_restore.swap(databases, live))

        swapping = asyncio.create_task(self._engine.within(target.container.id, mark_of(restore), work))
        try:
            # The renames wait a few seconds for the sessions that were open, and hold back new ones meanwhile.
            while not (await asyncio.wait([swapping], timeout=ASK_AGAIN))[0]:
                await self._close_sessions(target, restore, databases)
        finally:
            if not swapping.done():
                swapping.cancel()
                await asyncio.gather(swapping, return_exceptions=True)
        await swapping

    async def is_swapped(self, target: Target, restore: Restore) -> bool:
        """Whether a restore has put new databases in the place of old ones, which are still there."""

        def work(shell: Shell) -> bool:
            return bool(postgres_restore.leftovers(lines(shell, postgres_restore.LIST), postgres_restore.OLD))

        return await self._engine.within(target.container.id, f"{mark_of(restore)}-look", work)

    async def tidy(self, target: Target, restore: Restore) -> None:
        """Remove the databases that a restore has left."""

        def work(shell: Shell) -> None:
            names = lines(shell, postgres_restore.LIST)
            spare = [
                each
                for prefix in (postgres_restore.NEW, postgres_restore.OLD)
                for each in postgres_restore.leftovers(names, prefix)
            ]
            if spare:
                subscribed = lines(shell, postgres_restore.SUBSCRIBED)
                lines(shell, postgres_restore.ADMIN, stdin=postgres_restore.drop(spare, subscribed))

        await self._engine.within(target.container.id, f"{mark_of(restore)}-tidy", work)

    async def _close_sessions(self, target: Target, restore: Restore, databases: list[str]) -> None:
        script = postgres_restore.close_sessions(databases)
        with suppress(Problem):  # the next look tries again
            await self._engine.within(
                target.container.id,
                f"{mark_of(restore)}-close",
                lambda shell: lines(shell, postgres_restore.ADMIN, stdin=script),
            )


def mark_of(restore: Restore) -> str:
    """Return what the commands of a restore carry."""
    return f"restore-{restore.id}"
