"""Canaries, at most one for each environment. Each function is one transaction."""

from dataclasses import replace

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.records import Advance, Canary, Share


class CanaryRows:
    """The part of the journal that keeps canaries."""

    async def put_canary(self: Transactions, canary: Canary) -> None:
        """Write a canary down."""
        await self._do(put, canary)

    async def share_canary(self: Transactions, canary: Canary, share: Share, advance: Advance | None = None) -> bool:
        """Give a canary another share; False when it is no more."""
        return await self._do(set_share, canary, share, advance)

    async def drop_canary(self: Transactions, project: str, environment: str) -> None:
        """Forget the canary of an environment."""
        await self._do(drop, project, environment)

    async def canary(self: Transactions, project: str, environment: str) -> Canary | None:
        """Return the canary of an environment."""
        return await self._do(one, project, environment)

    async def canaries(self: Transactions) -> list[Canary]:
        """Return all canaries."""
        return await self._do(every)


def put(db: Database, canary: Canary) -> None:
    """Write a canary down, in place of any of its environment."""
    db.execute(
        "INSERT INTO canaries (record) VALUES (?)"
        " ON CONFLICT (project, environment) DO UPDATE SET record = excluded.record",
        [to_text(canary)],
    )


def set_share(db: Database, canary: Canary, share: Share, advance: Advance | None) -> bool:
    """Give a canary another share; False when it is no more."""
    now = one(db, canary.release.project, canary.release.environment)
    if now is None or now.deployment != canary.deployment:
        return False
    db.execute(
        "UPDATE canaries SET record = ? WHERE project = ? AND environment = ?",
        [to_text(replace(now, share=share, advance=advance)), canary.release.project, canary.release.environment],
    )
    return True


def drop(db: Database, project: str, environment: str) -> None:
    """Forget the canary of an environment, if there is one."""
    db.execute("DELETE FROM canaries WHERE project = ? AND environment = ?", [project, environment])


def every(db: Database) -> list[Canary]:
    """Return all canaries."""
    rows = db.query("SELECT record FROM canaries ORDER BY project, environment")
    return [from_text(Canary, str(row["record"])) for row in rows]


def one(db: Database, project: str, environment: str) -> Canary | None:
    """Return the canary of an environment."""
    rows = db.query("SELECT record FROM canaries WHERE project = ? AND environment = ?", [project, environment])
    return next((from_text(Canary, str(row["record"])) for row in rows), None)
