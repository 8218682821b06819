"""Keys for git over SSH. Each of the functions is one transaction."""

from datetime import datetime

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.rows import from_row, to_row
from hostess.domain.ssh_keys import SshKey

TABLES = """
CREATE TABLE ssh_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    blob TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    role TEXT NOT NULL,
    projects TEXT NOT NULL,
    created_at TEXT NOT NULL,
    used_at TEXT
) STRICT;
"""


class SshKeyRows:
    """The part of the journal that keeps keys (`ports.SshKeyRecords`)."""

    async def add_ssh_key(self: Transactions, key: SshKey) -> bool:
        """Store a key's row; False, and nothing is stored, when the same key is there already."""
        return await self._do(add, key)

    async def ssh_keys(self: Transactions) -> list[SshKey]:
        """Return all keys, the oldest first."""
        return await self._do(every)

    async def remove_ssh_key(self: Transactions, key: str) -> bool:
        """Delete a key by id; False when there is none."""
        return await self._do(remove, key)

    async def used_ssh_key(self: Transactions, key: str, now: datetime) -> None:
        """Note when a key was last used."""
        await self._do(used, key, now)


def add(db: Database, key: SshKey) -> bool:
    """Store a key's row; False when the same key is there already."""
    done = db.execute(
        "INSERT INTO ssh_keys (id, name, kind, blob, fingerprint, role, projects, created_at, used_at)"
        " VALUES (:id, :name, :kind, :blob, :fingerprint, :role, :projects, :created_at, :used_at)"
        " ON CONFLICT (blob) DO NOTHING",
        to_row(key),
    )
    return done.rowcount == 1


def every(db: Database) -> list[SshKey]:
    """Return all keys, the oldest first."""
    return [from_row(SshKey, row) for row in db.query("SELECT * FROM ssh_keys ORDER BY rowid")]


def remove(db: Database, key: str) -> bool:
    """Delete a key by id; False when there is none."""
    return db.execute("DELETE FROM ssh_keys WHERE id = ?", [key]).rowcount == 1


def used(db: Database, key: str, now: datetime) -> None:
    """Note when a key was last used."""
    db.execute("UPDATE ssh_keys SET used_at = ? WHERE id = ?", [now.isoformat(), key])
