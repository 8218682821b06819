"""Authorities that issue certificates to everybody's trust, by ACME (RFC 8555)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hostess.domain.certificates.order import Challenge, Order, RenewalWindow, Trouble


class AuthorityError(Exception):
    """An authority said no, or did not answer. *retry_after* is when it may be asked again at the earliest, None: it did not say."""

    def __init__(self, trouble: Trouble, what: str, retry_after: datetime | None = None) -> None:
        super().__init__(what)
        self.trouble = trouble
        self.what = what
        self.retry_after = retry_after


class Authority(Protocol):
    """An authority with our account there, which is made when it is first needed; every method may raise AuthorityError.

    What is wrong on this host is a Problem: "acme-account-failed", "acme-binding-unreadable", "acme-ca-unreadable".
    """

    directory: str

    async def begin(self, names: Sequence[str], *, replaces: str = "", profile: str = "") -> Order:
        """Order a certificate for *names*; *replaces* is the renewal id of the one that it follows (RFC 9773 §5).

        An authority that knows nothing of `replaces`, or does not offer the *profile*, is not asked for it. One that refuses to have
        that certificate replaced raises AuthorityError with Trouble.REPLACED: order again without.
        """

    async def order(self, url: str) -> Order:
        """Return an order as it is now, authorizations included; one that the authority no longer knows is invalid."""

    async def ready(self, challenge: Challenge) -> None:
        """Say that the answer to a challenge is in place."""

    async def settled(self, order: Order) -> Order:
        """Return the order once it is no longer pending: ready, or invalid with its error."""

    async def finish(self, order: Order, request: bytes) -> str:
        """Hand in the certificate request (DER) of a ready order; return the chain (PEM), leaf first, when it is issued.

        An order that is valid already gives its chain. The chain was checked: it is for the request's key and names.
        """

    async def window(self, renewal_id: str) -> RenewalWindow | None:
        """Return when a certificate should be renewed; None where the authority does not say such things."""

    async def close(self) -> None:
        """Close all connections."""
