"""What certificates need of the world: authorities that issue, a place that keeps, name servers to ask and to write to."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from hostess.domain.certificate import Certificate, Challenge, Order, RenewalWindow, Source, Trouble


class AuthorityError(Exception):
    """An authority said no, or did not answer. *retry_after* is when it may be asked again at the earliest, None: it did not say."""

    def __init__(self, trouble: Trouble, what: str, retry_after: datetime | None = None) -> None:
        super().__init__(what)
        self.trouble = trouble
        self.what = what
        self.retry_after = retry_after


class Authority(Protocol):
    """An ACME authority (RFC 8555) with our account there; every method may raise AuthorityError."""

    directory: str

    async def begin(self, names: Sequence[str], *, replaces: str = "", profile: str = "") -> Order:
        """Order a certificate for *names*; *replaces* is the renewal id of the one that it follows (RFC 9773 §5)."""

    async def order(self, url: str) -> Order:
        """Return an order as it is now, authorizations included."""

    async def ready(self, challenge: Challenge) -> None:
        """Say that the answer to a challenge is in place."""

    async def finish(self, order: Order, request: bytes) -> str:
        """Hand in the certificate request (DER) of a ready order; return the chain (PEM), leaf first, when it is issued."""

    async def window(self, renewal_id: str) -> RenewalWindow | None:
        """Return when a certificate should be renewed; None where the authority does not say such things."""

    async def profiles(self) -> tuple[str, ...]:
        """Return the names of the profiles that may be asked for."""

    async def revoke(self, chain: str) -> None:
        """Revoke a certificate (PEM) of ours."""


class CertificateStore(Protocol):
    """Certificates and their keys on disk."""

    async def all(self) -> list[Certificate]:
        """Return what is kept and readable, expired ones too; a broken one is told in the log, and is as good as none."""

    async def save(self, chain: str, key: str, source: Source, authority: str = "") -> Certificate:
        """Check and keep a certificate (PEM) and its key (PEM); Problem "certificate-invalid" when it is none that could be served.

        It is checked that key and leaf belong together, that each certificate is signed by the next, and that dates and names are
        good. Both files appear whole or not at all, beside those before, and are never changed. Problem "certificate-not-kept" when
        they cannot be written.
        """

    def files(self, certificate: Certificate) -> tuple[Path, Path]:
        """Return the absolute paths of chain and key."""

    async def remove(self, certificate: Certificate) -> None:
        """Forget a certificate and its key."""


class NameServers(Protocol):
    """DNS, asked for single record types; what the system's resolver knows from elsewhere does not count."""

    async def records(self, name: str, kind: str, timeout: timedelta) -> tuple[str, ...]:
        """Return the values of the records of one *kind* ("A", "AAAA", "CAA", "CNAME", "NS", "TXT"), in their text form, sorted.

        None where the name or the kind does not exist; Problem "dns-failed" when no name server gave an answer.
        """


class DnsWriter(Protocol):
    """Somebody who can put TXT records into a zone, for dns-01. Problem "dns-write-failed"."""

    async def present(self, name: str, value: str) -> None:
        """Make *value* one of the TXT records of *name*; return when the zone's name servers give it out."""

    async def clear(self, name: str, value: str) -> None:
        """Take it away again; no error when it is not there."""
