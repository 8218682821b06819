"""Where certificates are kept."""

from pathlib import Path
from typing import Protocol

from hostess.domain.certificates.certificate import Certificate, Source


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
