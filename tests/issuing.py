"""An authority for tests: it issues whatever it is asked for, good or bad."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hostess.domain.certificates.names import is_address

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and what signed it."""

    certificate: x509.Certificate
    private: CertificateIssuerPrivateKeyTypes
    above: "Issued | None" = None

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def chain(self) -> str:
        """The certificate and those above it, but for the root."""
        above = self.above
        return self.pem + (above.chain if above is not None and above.above is not None else "")

    @property
    def key(self) -> str:
        """The key."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def issue(  # noqa: PLR0913 -- each is one thing that may be wrong with a certificate
    names: Sequence[str] = ("shop.example.org",),
    above: Issued | None = None,
    *,
    called: str = "",
    authority: bool = False,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + 90 * DAY,
    private: CertificateIssuerPrivateKeyTypes | None = None,
    more: Sequence[x509.ExtensionType] = (),
) -> Issued:
    """Return a certificate for *names*, signed by *above* or by itself."""
    key = private or ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called or (names[0] if names else "nobody"))])
    signer = above.private if above else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(above.certificate.subject if above else own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    digest = hashes.SHA256() if isinstance(signer, ec.EllipticCurvePrivateKey) or hasattr(signer, "key_size") else None
    return Issued(builder.sign(signer, digest), key, above)


def authorities() -> tuple[Issued, Issued]:
    """Return a root, and an authority below it."""
    root = issue((), called="a root", authority=True, ends=NOW + 3650 * DAY)
    return root, issue((), root, called="an authority", authority=True, ends=NOW + 1000 * DAY)


def openssl(*arguments: str | Path, given: str = "") -> str:
    """Run openssl, which must say yes; return what it said."""
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name)
