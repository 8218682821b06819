"""New journals for tests, quicker than they are made: the product makes one, with all its migrations, and each test gets a copy."""

import secrets
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from hostess.adapters.journal.database import JournalFile
from hostess.adapters.journal.sqlite import SqliteJournal


@cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostess.db"
        JournalFile(path).close()
        return path.read_bytes()


def _put(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(_made())
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE facts SET value = ? WHERE name = 'instance'", (secrets.token_hex(6),))


async def opened_journal(path: Path) -> SqliteJournal:
    """Return the open journal at *path*, a new one (of an installation of its own) where there is none; the caller closes it."""
    if not path.exists():  # noqa: ASYNC240 -- nobody else waits for this
        _put(path)
    return await SqliteJournal.open(path)
