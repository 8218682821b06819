"""What makes a chain and a key (PEM) a certificate that can be served; each fault is a sentence."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hostess.domain.certificates.names import name_fault
from hostess.domain.problem import Problem

LEAST_RSA = 2048
"""Bits; OpenSSL serves nothing shorter."""
LONGEST_CHAIN = 10
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_WEAK = frozenset({"md5", "sha1"})
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)
_KEY_BLOCK = re.compile(r"-----BEGIN ((?:[A-Z0-9]+ )?PRIVATE KEY)-----[^-]+-----END \1-----")
_USED = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})

Chain = Sequence[x509.Certificate]


@dataclass(frozen=True, slots=True)
class Pair:
    """A chain and its key in one form: *chain* is PEM, the leaf first, *der* the same in DER; *key* is PKCS #8 in PEM.

    Names are lower-case, addresses without brackets. *renewal_id* is as in RFC 9773 §4.1, empty where none can be made.
    """

    chain: str
    der: bytes = field(repr=False)
    key: str = field(repr=False)
    names: tuple[str, ...]
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    renewal_id: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What people compare of a certificate: its own name, and its SHA-256 in hex."""

    name: str
    fingerprint: str
    not_after: datetime


def facts_of(text: str) -> Facts:
    """Return the facts of the first certificate (PEM) in a text; Problem "certificate-invalid" where there is none."""
    first = _certificates(text)[0]
    return Facts(_called(first.subject), first.fingerprint(SHA256()).hex(), first.not_valid_after_utc)


def read_pair(chain: str, key: str) -> Pair:
    """Return what two texts (PEM) hold; Problem "certificate-invalid" unless they belong together and could be served.

    Whether they may be used by now is another question: see `check_dates`.
    """
    certificates, private = _certificates(chain), _private_key(key)
    leaf = certificates[0]
    try:
        _check_owner(certificates, private)
        _check_links(certificates)
        _check_use(leaf)
        return Pair(
            chain="".join(each.public_bytes(Encoding.PEM).decode() for each in certificates),
            der=b"".join(each.public_bytes(Encoding.DER) for each in certificates),
            key=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            names=_names(leaf),
            issuer=_called(leaf.issuer),
            serial=f"{leaf.serial_number:x}",
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            renewal_id=_renewal_id(leaf),
        )
    except _UNREADABLE as error:
        raise invalid(f"a part of the certificate cannot be read: {error}", "have it issued anew") from error


def check_dates(chain: str, now: datetime) -> None:
    """Raise Problem "certificate-invalid" unless every certificate of a chain (PEM) may be used *now*.

    A root at its end does not count: clients take their own.
    """
    for number, certificate in enumerate(_certificates(chain)):
        if number and certificate.issuer == certificate.subject:
            continue
        which = f"the certificate of {_called(certificate.subject)} in the chain" if number else "the certificate"
        if certificate.not_valid_after_utc <= now:
            raise invalid(f"{which} expired on {certificate.not_valid_after_utc:%Y-%m-%d at %H:%M} UTC", "renew it")
        if certificate.not_valid_before_utc > now:
            begins = f"{certificate.not_valid_before_utc:%Y-%m-%d at %H:%M} UTC"
            raise invalid(f"{which} is valid from {begins} only", "wait until then; is the clock of this host right?")


def invalid(what: str, remedy: str) -> Problem:
    """Return the Problem of a certificate that cannot be served."""
    return Problem("certificate-invalid", what, serving="the certificates that were there before", remedy=remedy)


def _certificates(text: str) -> Chain:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise invalid(
            "there is no certificate in PEM form (-----BEGIN CERTIFICATE-----) that can be read",
            "give the leaf and what signed it in one file; `openssl x509 -in FILE -inform der` converts from DER",
        ) from error
    if len(found) > LONGEST_CHAIN:
        raise invalid(
            f"there are {len(found)} certificates in the chain, and no chain has more than {LONGEST_CHAIN}",
            "give the leaf and what signed it, not a whole store of roots",
        )
    return found


def _private_key(text: str) -> PrivateKeyTypes:
    # Only the key itself: parameters of curves and certificates may stand in the same file.
    block = _KEY_BLOCK.search(text)
    if "ENCRYPTED" in text:
        raise invalid("the key is encrypted", "decrypt it first: `openssl pkey -in FILE -out plain.pem`")
    if block is None:
        raise invalid("there is no key in PEM form (-----BEGIN PRIVATE KEY-----)", "give the key's own file")
    try:
        key = load_pem_private_key(block[0].encode(), None)
    except _UNREADABLE:
        # Not what the library says: it might quote from a key.
        raise invalid("the key cannot be read", "compare it with `openssl pkey -in FILE -check -noout`") from None
    fault = _key_fault(key)
    if fault:
        raise invalid(f"the key is {fault}", "use P-256, P-384, RSA from 2048 bits on, or Ed25519")
    return key


def _key_fault(key: PrivateKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return "" if isinstance(key.curve, _CURVES) else f"on the curve {key.curve.name}, which not every client knows"
    if isinstance(key, rsa.RSAPrivateKey):
        return "" if key.key_size >= LEAST_RSA else f"RSA of {key.key_size} bits, which is too short"
    return "" if isinstance(key, ed25519.Ed25519PrivateKey) else "of a kind that is not served"


def _check_owner(chain: Chain, key: PrivateKeyTypes) -> None:
    owners = [number for number, each in enumerate(chain) if each.public_key() == key.public_key()]
    if not owners:
        raise invalid(
            "the key does not belong to the certificate", "give the key that the certificate was requested with"
        )
    if owners[0]:
        raise invalid(
            "the chain begins with another certificate than that of the key",
            "put the certificate of the host first, then what signed it, and so on",
        )


def _check_links(chain: Chain) -> None:
    for child, parent in pairwise(chain):
        try:
            child.verify_directly_issued_by(parent)
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise invalid(
                f"the certificate of {_called(child.subject)} was not signed by the one that follows it, "
                f"{_called(parent.subject)}",
                "put the certificate of the host first, each followed by the one that signed it, and nothing else",
            ) from error
        if not _is_authority(parent):
            raise invalid(
                f"{_called(parent.subject)} signed a certificate, but is no authority", "use the issuer's own chain"
            )
    for each in chain:
        digest = each.signature_hash_algorithm
        if digest is not None and digest.name in _WEAK and each.issuer != each.subject:
            raise invalid(
                f"the certificate of {_called(each.subject)} is signed with {digest.name}, which clients refuse",
                "have it issued anew",
            )


def _check_use(leaf: x509.Certificate) -> None:
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not _USED & set(uses):
        raise invalid("the certificate is not for servers (its extended key usage)", "have one issued for TLS servers")


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        given = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        given = x509.SubjectAlternativeName([])
    hosts = [host.lower().removesuffix(".") for host in given.get_values_for_type(x509.DNSName)]
    names = tuple(dict.fromkeys([*hosts, *map(str, given.get_values_for_type(x509.IPAddress))]))
    if not names:
        raise invalid(
            "the certificate names no host (it has no subjectAltName, and clients look at nothing else)",
            "have it issued with the host's name as subjectAltName",
        )
    for name in names:
        fault = name_fault(name)
        if fault:
            raise invalid(f"the certificate is for {name}, which {fault}", "have it issued without that name")
    return names


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _renewal_id(leaf: x509.Certificate) -> str:
    try:
        issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    # The content of a DER INTEGER: with a leading zero byte where the first bit is set.
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")
    return f"{_base64(issuer)}.{_base64(serial)}" if issuer else ""


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _called(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(kind)
        if found:
            return str(found[0].value)
    return name.rfc4514_string() or "no name"
