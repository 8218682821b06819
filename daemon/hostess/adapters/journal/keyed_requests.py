"""Requests with a key (`Idempotency-Key`). Each of the functions is one transaction."""

from datetime import datetime

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.rows import from_row, to_row
from hostess.domain.keyed_requests import KeyedRequest

TABLES = """
CREATE TABLE keyed_requests (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT;
CREATE INDEX keyed_requests_by_age ON keyed_requests (begun_at);
"""


class KeyedRequestRows:
    """The part of the journal that keeps requests with a key (`ports.KeyedRequestRecords`)."""

    async def begin_keyed(self: Transactions, request: KeyedRequest, since: datetime, most: int) -> KeyedRequest | None:
        """Store a request that begins, unless its caller has one with that key; return that one then."""
        return await self._do(begin, request, since, most)

    async def answer_keyed(self: Transactions, caller: str, key: str, answer: str) -> None:
        """Note what was answered."""
        await self._do(end, caller, key, answer)

    async def forget_keyed(self: Transactions, caller: str, key: str) -> None:
        """Forget a request, which may then be made again."""
        await self._do(forget, caller, key)


def begin(db: Database, request: KeyedRequest, since: datetime, most: int) -> KeyedRequest | None:
    """Store a request, or return the one that has its key; forget what is old, and what is too much."""
    db.execute("DELETE FROM keyed_requests WHERE begun_at < ?", [since.isoformat()])
    found = list(db.query("SELECT * FROM keyed_requests WHERE caller = ? AND key = ?", [request.caller, request.key]))
    if found:
        return from_row(KeyedRequest, found[0])
    db.execute(
        "INSERT INTO keyed_requests (caller, key, digest, begun_at, answer)"
        " VALUES (:caller, :key, :digest, :begun_at, :answer)",
        to_row(request),
    )
    db.execute(
        "DELETE FROM keyed_requests WHERE rowid IN ("
        " SELECT rowid FROM keyed_requests WHERE caller = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
        [request.caller, most],
    )
    return None


def end(db: Database, caller: str, key: str, answer: str) -> None:
    """Note what was answered."""
    db.execute("UPDATE keyed_requests SET answer = ? WHERE caller = ? AND key = ?", [answer, caller, key])


def forget(db: Database, caller: str, key: str) -> None:
    """Forget a request."""
    db.execute("DELETE FROM keyed_requests WHERE caller = ? AND key = ?", [caller, key])
