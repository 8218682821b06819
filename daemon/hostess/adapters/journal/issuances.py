"""Orders for certificates, and the books of those before. Each function is one transaction."""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlite_utils import Database

from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.certificates.issuance import Issuance
from hostess.domain.certificates.ledger import PastOrder

P = ParamSpec("P")
T = TypeVar("T")


class Do(Protocol):
    """Carries work out as one transaction."""

    def __call__(self, work: Callable[Concatenate[Database, P], T], *args: P.args, **fields: P.kwargs) -> Awaitable[T]:
        """Return what it returns."""


class SqliteIssuances:
    """Implements `ports.IssuanceJournal`."""

    def __init__(self, do: Do) -> None:
        self._do = do

    async def all(self) -> list[Issuance]:
        """Return what is remembered, by names."""
        return await self._do(_every)

    async def one(self, names: Collection[str]) -> Issuance:
        """Return what is remembered of the certificate for exactly these names."""
        return await self._do(_one, tuple(names))

    async def put(self, issuance: Issuance, order: str = "", past: PastOrder | None = None) -> None:
        """Write it down, and what became of an order."""
        await self._do(_put, issuance, order, past)

    async def drop(self, issuance: Issuance) -> None:
        """Forget it."""
        await self._do(_drop, issuance)

    async def past_orders(self) -> list[PastOrder]:
        """Return the books, oldest first."""
        return await self._do(_past)

    async def forget_orders(self, before: datetime) -> None:
        """Strike out what was ordered *before*."""
        await self._do(_forget, before)


def _every(db: Database) -> list[Issuance]:
    rows = db.query("SELECT record FROM issuances ORDER BY names")
    return [from_text(Issuance, str(row["record"])) for row in rows]


def _one(db: Database, names: tuple[str, ...]) -> Issuance:
    rows = db.query("SELECT record FROM issuances WHERE names = ?", [" ".join(names)])
    return next((from_text(Issuance, str(row["record"])) for row in rows), Issuance(names))


def _put(db: Database, issuance: Issuance, order: str, past: PastOrder | None) -> None:
    db.execute(
        "INSERT INTO issuances (names, record) VALUES (?, ?) ON CONFLICT (names) DO UPDATE SET record = excluded.record",
        [" ".join(issuance.names), to_text(issuance)],
    )
    if past is not None:
        db.execute(
            "INSERT INTO certificate_orders (id, at, record) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET record = excluded.record",
            [order, past.at.isoformat(), to_text(past)],
        )


def _drop(db: Database, issuance: Issuance) -> None:
    db.execute("DELETE FROM issuances WHERE names = ?", [" ".join(issuance.names)])


def _past(db: Database) -> list[PastOrder]:
    rows = db.query("SELECT record FROM certificate_orders ORDER BY at, id")
    return [from_text(PastOrder, str(row["record"])) for row in rows]


def _forget(db: Database, before: datetime) -> None:
    db.execute("DELETE FROM certificate_orders WHERE at < ?", [before.isoformat()])
