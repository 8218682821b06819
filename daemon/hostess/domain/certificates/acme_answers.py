"""What a client of RFC 8555 answers: certificate requests, what proves control of a name."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID, ObjectIdentifier

ACME_PROTOCOL = "acme-tls/1"
"""What ALPN offers in a tls-alpn-01 validation (RFC 8737 §6.2)."""
CHALLENGE_NAME = "_acme-challenge"
"""The label below which dns-01 looks (RFC 8555 §8.4)."""
_ACME_IDENTIFIER = ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_OCTET_STRING = 0x04
_CHALLENGE_LIFE = timedelta(days=7)
_SKEW = timedelta(days=1)
"""How far behind the clock of a validator may be."""


def base64url(data: bytes) -> str:
    """Return *data* as RFC 7515 §2 wants it: the URL-safe alphabet, no padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def fresh_key() -> str:
    """Return a new private key on P-256 (PKCS #8 in PEM). The library takes chance from nobody: this is no pure function."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate_request(names: Sequence[str], key: str) -> bytes:
    """Return a request (PKCS #10 in DER) for *names*, signed with *key* (PEM).

    Its subject is empty: a common name holds 64 characters at most, and authorities do without one.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(_alternative_names(names), critical=False)
    return builder.sign(_private(key), SHA256()).public_bytes(Encoding.DER)


def key_authorization(token: str, thumbprint: str) -> str:
    """Return what answers a challenge (RFC 8555 §8.1); *thumbprint* is that of the account's key."""
    return f"{token}.{thumbprint}"


def dns_value(answer: str) -> str:
    """Return the value of the TXT record for dns-01 (RFC 8555 §8.4); *answer* is the key authorization."""
    return base64url(sha256(answer.encode()).digest())


def dns_name(name: str) -> str:
    """Return the name of that record; a wildcard's is that of the name without the asterisk."""
    return f"{CHALLENGE_NAME}.{name.removeprefix('*.')}"


def challenge_certificate(name: str, answer: str, key: str, now: datetime) -> str:
    """Return the certificate (PEM) that answers tls-alpn-01 for *name* (RFC 8737 §3), signed with its own *key* (PEM)."""
    private = _private(key)
    digest = sha256(answer.encode()).digest()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ACME challenge")])
    identifier = x509.UnrecognizedExtension(_ACME_IDENTIFIER, bytes([_OCTET_STRING, len(digest)]) + digest)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        # From the answer, so that the same one always makes the same certificate; 159 bits are the most (RFC 5280 §4.1.2.2).
        .serial_number(int.from_bytes(digest[:16]) + 1)
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _CHALLENGE_LIFE)
        .add_extension(_alternative_names([name]), critical=False)
        .add_extension(identifier, critical=True)
    )
    return builder.sign(private, SHA256()).public_bytes(Encoding.PEM).decode()


def chain_fault(chain: str, request: bytes) -> str:
    """Return what is wrong with a chain (PEM) as the answer to a request (DER), as half a sentence; empty when it is right."""
    wanted = x509.load_der_x509_csr(request)
    try:
        leaf = x509.load_pem_x509_certificates(chain.encode())[0]
        if _public(leaf) != _public(wanted):
            return "its key is not the one that was asked for"
        asked, given = _names(wanted), _names(leaf)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.ExtensionNotFound) as error:
        return f"it cannot be read: {error}"
    return "" if asked == given else f"it is for {', '.join(sorted(given))} instead of {', '.join(sorted(asked))}"


def identifier(name: str) -> dict[str, str]:
    """Return a name or an IP address as orders have it (RFC 8555 §9.7.7, RFC 8738 §3)."""
    return {"type": "dns" if _address(name) is None else "ip", "value": name}


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    addresses = {name: address for name in names if (address := _address(name)) is not None}
    return x509.SubjectAlternativeName(
        [x509.IPAddress(addresses[name]) if name in addresses else x509.DNSName(name) for name in names]
    )


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _private(key: str) -> ec.EllipticCurvePrivateKey:
    private = load_pem_private_key(key.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError("the key is none on an elliptic curve")
    return private


def _public(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names(holder: x509.Certificate | x509.CertificateSigningRequest) -> frozenset[str]:
    names = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return frozenset(
        [
            *(name.lower() for name in names.get_values_for_type(x509.DNSName)),
            *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
        ]
    )
