"""Chains and keys: what is taken, and the sentence for each that is not."""

import base64
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from hostess.domain.certificates.pem import check_dates, read_pair
from hostess.domain.problem import Problem
from tests.issuing import DAY, NOW, authorities, issue

ROOT, MIDDLE = authorities()
LEAF = issue(("Shop.Example.org", "*.shop.example.org", "203.0.113.7", "2001:db8::7"), MIDDLE)


def said(chain: str, key: str) -> str:
    """Return what is said about a pair that is not taken."""
    with pytest.raises(Problem) as caught:
        read_pair(chain, key)
    assert caught.value.code == "certificate-invalid"
    assert caught.value.remedy
    assert caught.value.serving
    return caught.value.what


def test_a_good_pair_is_read() -> None:
    """Names come from subjectAltName alone, in lower case, addresses without brackets; the issuer by its common name."""
    pair = read_pair(LEAF.chain, LEAF.key)

    assert pair.names == ("shop.example.org", "*.shop.example.org", "203.0.113.7", "2001:db8::7")
    assert (pair.issuer, pair.not_after) == ("an authority", NOW + 90 * DAY)
    assert (pair.chain, pair.key) == (LEAF.chain, LEAF.key)


def test_nothing_shows_the_key() -> None:
    """A pair's own text has nothing of its key, and neither has what is said of a key that cannot be read."""
    body = LEAF.key.splitlines()[1]
    damaged = LEAF.key.replace(body, body[:-8] + "AAAAAAAA")

    assert body not in repr(read_pair(LEAF.chain, LEAF.key))
    assert body[:20] not in said(LEAF.chain, damaged)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["P-256", "P-384", "RSA 2048", "Ed25519"],
)
def test_keys_that_are_taken(make: Callable[[], CertificateIssuerPrivateKeyTypes]) -> None:
    """P-256, P-384, RSA from 2048 bits on and Ed25519 are taken."""
    leaf = issue(above=MIDDLE, private=make())
    assert read_pair(leaf.chain, leaf.key).names == ("shop.example.org",)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "RSA of 1024 bits"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "the curve secp256k1"),
    ],
    ids=["RSA 1024", "secp256k1"],
)
def test_keys_that_are_refused(make: Callable[[], CertificateIssuerPrivateKeyTypes], words: str) -> None:
    """Short RSA keys and curves that clients do not know are refused by name."""
    leaf = issue(above=MIDDLE, private=make())
    assert words in said(leaf.chain, leaf.key)


def test_an_encrypted_key_is_refused() -> None:
    """An encrypted key is called so, in the old form and in PKCS #8."""
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        key = LEAF.private.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"word")).decode()
        assert said(LEAF.chain, key) == "the key is encrypted"


def test_a_key_among_other_things_is_found() -> None:
    """A key in the traditional form, with a certificate and curve parameters beside it, is found."""
    traditional = LEAF.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert read_pair(LEAF.chain, LEAF.chain + parameters + traditional).key == LEAF.key


def test_what_is_no_pem_is_refused() -> None:
    """Texts without a certificate or a key, and halves of them, are refused each by what it is."""
    assert "no certificate" in said("hello", LEAF.key)
    assert "no certificate" in said(LEAF.chain[:300], LEAF.key)
    assert "no certificate" in said("\ud800", LEAF.key)
    assert "no key" in said(LEAF.chain, LEAF.chain)
    assert "no key" in said(LEAF.chain, LEAF.key[:100])


def test_key_and_leaf_belong_together() -> None:
    """Somebody else's key is refused, and a chain that begins with another certificate than the key's."""
    assert "does not belong" in said(LEAF.chain, issue().key)
    assert "begins with another" in said(MIDDLE.pem + LEAF.pem, LEAF.key)


def test_each_is_signed_by_the_next() -> None:
    """A foreign certificate in the chain, one too many, and a signer that is no authority are refused."""
    _, foreign = authorities()
    signer = issue(above=MIDDLE, called="no authority")
    below = issue(above=signer)

    assert "was not signed by" in said(LEAF.pem + foreign.pem, LEAF.key)
    assert "was not signed by" in said(LEAF.pem + ROOT.pem + MIDDLE.pem, LEAF.key)
    assert "no authority signed a certificate, but is no authority" in said(below.chain, below.key)
    assert "11 certificates" in said(LEAF.pem * 11, LEAF.key)


def test_a_root_at_the_end_is_taken() -> None:
    """A chain may end with its root, and may be one certificate that signed itself."""
    alone = issue()
    assert read_pair(LEAF.chain + ROOT.pem, LEAF.key).chain.endswith(ROOT.pem)
    assert read_pair(alone.chain, alone.key).issuer == "shop.example.org"


def test_a_certificate_without_names_is_refused() -> None:
    """A host in the common name only counts for nothing."""
    leaf = issue((), MIDDLE, called="shop.example.org")
    assert "names no host" in said(leaf.chain, leaf.key)


@pytest.mark.parametrize("name", ["*.org", "a.*.org", "*", "a b.org", "-a.org"])
def test_names_that_are_none_are_refused(name: str) -> None:
    """Wildcards that browsers do not accept, and names that are no host's, are told."""
    leaf = issue((name,), MIDDLE)
    assert f"is for {name}, which is" in said(leaf.chain, leaf.key)


def test_a_certificate_for_clients_is_refused() -> None:
    """Extended key usage must have servers in it, where it is there."""
    client = issue(above=MIDDLE, more=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])])
    server = issue(above=MIDDLE, more=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])])

    assert "not for servers" in said(client.chain, client.key)
    assert read_pair(server.chain, server.key).names == ("shop.example.org",)


def test_dates_of_the_whole_chain_count() -> None:
    """An expired leaf, one that is not valid yet, and an expired authority are refused; an expired root at the end is not."""
    root = issue((), called="an old root", authority=True, ends=NOW + DAY)
    middle = issue((), root, called="an old one", authority=True, ends=NOW + 2 * DAY)
    leaf = issue(above=middle, ends=NOW + 3 * DAY)
    chain = leaf.chain + root.pem

    check_dates(chain, NOW)
    check_dates(chain, NOW + DAY)
    for moment, words in [
        (NOW - 2 * DAY, "the certificate is valid from"),
        (NOW + 2 * DAY, "the certificate of an old one in the chain expired on"),
        (NOW + 3 * DAY, "the certificate expired on"),
    ]:
        with pytest.raises(Problem, match=words):
            check_dates(chain, moment)


def test_the_renewal_id_is_that_of_the_standard() -> None:
    """The renewal id is issuer's key identifier and serial number in base64url, the serial with the zero byte that DER gives it."""
    pair = read_pair(LEAF.chain, LEAF.key)
    issuer, serial = (base64.urlsafe_b64decode(part + "==") for part in pair.renewal_id.split("."))

    found = LEAF.certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer == found.key_identifier
    assert int.from_bytes(serial, "big", signed=True) == LEAF.certificate.serial_number
