"""Orders for certificates, written down: what is wanted, how far each order is, and what was ordered before."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Protocol

from hostess.domain.certificates.issuance import Issuance
from hostess.domain.certificates.ledger import PastOrder


class IssuanceJournal(Protocol):
    """The journal's part about certificates; every call is one transaction."""

    async def all(self) -> list[Issuance]:
        """Return what is remembered, by names."""

    async def one(self, names: Collection[str]) -> Issuance:
        """Return what is remembered of the certificate for exactly these names; nothing but the names where it is new."""

    async def put(self, issuance: Issuance, order: str = "", past: PastOrder | None = None) -> None:
        """Write it down; with *past*, this as what became of the order with the id *order*, too."""

    async def drop(self, issuance: Issuance) -> None:
        """Forget it; what was ordered stays in the books."""

    async def past_orders(self) -> list[PastOrder]:
        """Return the books, oldest first."""

    async def forget_orders(self, before: datetime) -> None:
        """Strike out what was ordered *before*."""


class OrderFiles(Protocol):
    """The private keys of open orders, and what is shown for tls-alpn-01. Problem "order-not-kept"."""

    async def keep_key(self, order: str, key: str) -> None:
        """Keep the key (PEM) of an order, for the daemon alone, so that it lasts."""

    async def key(self, order: str) -> str | None:
        """Return the key of an order; None where it is not there."""

    async def show(self, order: str, name: str, chain: str, key: str) -> tuple[Path, Path]:
        """Keep what answers tls-alpn-01 for *name*, for the proxy too; return the absolute paths of chain and key."""

    async def forget(self, order: str) -> None:
        """Remove the files of an order."""

    async def keep_only(self, orders: Collection[str]) -> None:
        """Remove the files of all orders but these."""
