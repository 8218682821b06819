"""Registries of images, and who signs in there. Each of the functions is one transaction."""

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.rows import from_row, to_row
from hostess.domain.registries import Registry

TABLES = """
CREATE TABLE registries (
    host TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    sealed TEXT NOT NULL,
    added_at TEXT NOT NULL
) STRICT;
"""


class RegistryRows:
    """The part of the journal that keeps registries (`ports.RegistryRecords`)."""

    async def put_registry(self: Transactions, registry: Registry) -> None:
        """Store who signs in at a registry, in place of whoever did."""
        await self._do(put, registry)

    async def registries(self: Transactions) -> list[Registry]:
        """Return all registries, by host."""
        return await self._do(every)

    async def remove_registry(self: Transactions, host: str) -> bool:
        """Forget who signs in at a registry; False when nobody does."""
        return await self._do(remove, host)


def put(db: Database, registry: Registry) -> None:
    """Store a row, in place of that of the same host."""
    db.execute(
        "INSERT OR REPLACE INTO registries (host, user, sealed, added_at) VALUES (:host, :user, :sealed, :added_at)",
        to_row(registry),
    )


def every(db: Database) -> list[Registry]:
    """Return all rows, by host."""
    return [from_row(Registry, row) for row in db.query("SELECT * FROM registries ORDER BY host")]


def remove(db: Database, host: str) -> bool:
    """Delete a row; False when there is none."""
    return db.execute("DELETE FROM registries WHERE host = ?", [host]).rowcount == 1
