"""The installation's own authority: a root in one file, `certs/internal/authority.pem`, certificate and key, root's alone.

The root is constrained (RFC 5280 §4.2.1.10): whoever trusts it trusts it for the installation's base domain, for names and networks
that are never public, and for nothing else, even if its key is stolen. What it signs for other hosts, those that wait for their DNS,
encrypts but is trusted by nobody. Where there is no ACME authority it has to speak for every host, and is not constrained.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hostess.adapters.whole_file import write_whole
from hostess.domain.certificates.names import is_address
from hostess.domain.ports import Clock
from hostess.domain.problem import Problem

ROOT_LIFETIME = timedelta(days=3652)
LEAF_LIFETIME = timedelta(days=7)
EARLIER = timedelta(hours=1)
"""Certificates are valid from then on: clocks of clients differ."""
NAMES = ("localhost", "test", "internal", "local", "home.arpa")
"""Domains that are nobody's in the public DNS (RFC 6761, 6762, 8375; ICANN for "internal")."""
NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
"""Networks that are nobody's in the internet (RFC 1122, 1918, 3927, 6598, 4291, 4193)."""


class FileAuthority:
    """Implements `ports.InternalAuthority` in *folder*. *places* are hosts and addresses to speak for; None: all there are.

    A root that may not speak for all of them, or that ends within the year, is replaced: it has to be trusted anew then.
    """

    def __init__(self, folder: Path, clock: Clock, places: Sequence[str] | None) -> None:
        self._path = folder / "authority.pem"
        self._clock = clock
        self._wanted = None if places is None else _constraints(places)
        self._one_at_a_time = asyncio.Lock()
        self._found: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None

    async def name(self) -> str:
        """Return the root's common name."""
        return str((await self._root())[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    async def root(self) -> str:
        """Return the root's certificate (PEM)."""
        return (await self._root())[0].public_bytes(Encoding.PEM).decode()

    async def issue(self, names: Sequence[str]) -> tuple[str, str]:
        """Return chain and key of a certificate that lives seven days."""
        root, signer = await self._root()
        return _leaf(names, root, signer, self._clock.now())

    async def _root(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        async with self._one_at_a_time:
            if self._found is None or not self._good(self._found[0]):
                self._found = await asyncio.to_thread(self._read_or_make)
            return self._found

    def _read_or_make(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        try:
            found = self._read()
            if found is None or not self._good(found[0]):
                found = _new_root(self._wanted, self._clock.now())
                self._write(*found)
        except OSError as error:
            raise self._unreadable(error.strerror or "input/output error") from error
        return found

    def _good(self, root: x509.Certificate) -> bool:
        """Whether a root speaks for all that is wanted, and does so for longer than what it signs next."""
        soon = self._clock.now() + timedelta(days=365)
        return root.not_valid_after_utc > soon and _permits(root, self._wanted)

    def _read(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            root, key = x509.load_pem_x509_certificate(text), load_pem_private_key(text, None)
        except (ValueError, TypeError):
            raise self._unreadable("it is damaged") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or root.public_key() != key.public_key():
            raise self._unreadable("certificate and key do not belong together")
        self._path.chmod(0o600)
        return root, key

    def _write(self, root: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """Put both in place at once: a crash leaves the former file or the new one."""
        folder = self._path.parent
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_whole(self._path, root.public_bytes(Encoding.PEM) + private)

    def _unreadable(self, why: str) -> Problem:
        return Problem(
            "authority-unreadable",
            f"the internal authority's file {self._path} cannot be used: {why}",
            serving="the certificates that were there before",
            remedy="restore it from a backup; or remove it, and a new root is made, which has to be trusted anew",
        )


def _new_root(
    constraints: x509.NameConstraints | None, now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # The name has a part of the key: clients look for an issuer by its name, and several roots may be trusted by one.
    name = _name(f"Hostess root {own.digest.hex()[:8]}")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(own, critical=False)
    )
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    return builder.sign(key, hashes.SHA256()), key


def _leaf(
    names: Sequence[str], root: x509.Certificate, signer: ec.EllipticCurvePrivateKey, now: datetime
) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        x509.CertificateBuilder()
        # No host: clients look at the names below only, and some hold a host in the subject against the constraints.
        .subject_name(_name("Hostess"))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(signer, hashes.SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), text.decode()


def _constraints(places: Sequence[str]) -> x509.NameConstraints:
    """Return what a root may speak for: *places*, and what is never public."""
    names = dict.fromkeys([*NAMES, *(place for place in places if not is_address(place))])
    networks = dict.fromkeys([*NETWORKS, *(place for place in places if is_address(place))])
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    permitted += [x509.IPAddress(ip_network(network)) for network in networks]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)


def _permits(root: x509.Certificate, wanted: x509.NameConstraints | None) -> bool:
    try:
        found = root.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    return wanted is not None and set(wanted.permitted_subtrees or ()) <= set(found.permitted_subtrees or ())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Hostess"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
