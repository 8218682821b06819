"""Locks, at most one for each environment. Each function is one transaction."""

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.releases.lock import Lock


class LockRows:
    """The part of the journal that keeps locks."""

    async def put_lock(self: Transactions, lock: Lock) -> None:
        """Write a lock down; Problem "project-not-found"."""
        await self._do(put, lock)

    async def drop_lock(self: Transactions, project: str, environment: str) -> Lock | None:
        """Forget the lock of an environment and return it."""
        return await self._do(drop, project, environment)

    async def lock(self: Transactions, project: str, environment: str) -> Lock | None:
        """Return the lock of an environment."""
        return await self._do(one, project, environment)


def put(db: Database, lock: Lock) -> None:
    """Write a lock down, in place of any of its environment. Problem "project-not-found"."""
    require(db, lock.project)
    db.execute(
        "INSERT INTO locks (record) VALUES (?)"
        " ON CONFLICT (project, environment) DO UPDATE SET record = excluded.record",
        [to_text(lock)],
    )


def drop(db: Database, project: str, environment: str) -> Lock | None:
    """Forget the lock of an environment and return it; None when there was none."""
    found = one(db, project, environment)
    db.execute("DELETE FROM locks WHERE project = ? AND environment = ?", [project, environment])
    return found


def one(db: Database, project: str, environment: str) -> Lock | None:
    """Return the lock of an environment."""
    rows = db.query("SELECT record FROM locks WHERE project = ? AND environment = ?", [project, environment])
    return next((from_text(Lock, str(row["record"])) for row in rows), None)
