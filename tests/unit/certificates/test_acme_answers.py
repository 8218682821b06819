"""What a client of ACME answers: requests for certificates, and proofs of control; OpenSSL and the standards are the judges."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hostess.domain.certificates.acme_answers import (
    certificate_request,
    chain_fault,
    challenge_certificate,
    dns_name,
    dns_value,
    fresh_key,
    identifier,
    key_authorization,
)
from hostess.domain.certificates.pem import read_pair
from tests.issuing import DAY, NOW, Issued, issue, openssl

NAMES = ("shop.example.org", "*.shop.example.org", "192.0.2.7", "2001:db8::7")


def test_a_request_is_one_for_openssl(tmp_path: Path) -> None:
    """A request has all names, no common name, a key on P-256, and its own signature."""
    (tmp_path / "request.der").write_bytes(certificate_request(NAMES, fresh_key()))

    shown = openssl("req", "-in", tmp_path / "request.der", "-inform", "der", "-noout", "-text", "-verify")
    assert (
        "DNS:shop.example.org, DNS:*.shop.example.org, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7" in shown
    )
    assert "prime256v1" in shown
    assert "CN" not in shown


def test_a_name_longer_than_a_common_name() -> None:
    """A name of 253 characters can be asked for: the subject, which holds 64, is empty."""
    name = ".".join(["a" * 62] * 4)[:253]
    request = x509.load_der_x509_csr(certificate_request([name], fresh_key()))

    assert request.subject == x509.Name([])
    assert request.is_signature_valid


def test_the_text_record_of_the_standard() -> None:
    """What dns-01 wants is the digest of the key authorization in base64url, at a name without the asterisk (RFC 8555 §8.4)."""
    # The key authorization of the example in RFC 8555 §8.3.
    answer = key_authorization(
        "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
    )

    assert answer == "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
    # By openssl dgst and basenc.
    assert dns_value(answer) == "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo"
    assert dns_name("*.example.org") == dns_name("example.org") == "_acme-challenge.example.org"


def test_identifiers() -> None:
    """Names are ordered as names, addresses as addresses (RFC 8738)."""
    assert [identifier(name)["type"] for name in NAMES] == ["dns", "dns", "ip", "ip"]


def test_the_certificate_of_tls_alpn() -> None:
    """What is shown for tls-alpn-01 names the host alone and has the digest of the answer as critical extension (RFC 8737 §3)."""
    certificate = x509.load_pem_x509_certificate(
        challenge_certificate("shop.example.org", "token.thumb", fresh_key(), NOW).encode()
    )

    extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert extension.critical
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    assert extension.value.value == b"\x04\x20" + sha256(b"token.thumb").digest()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("shop.example.org")]
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (("b.example.org", "a.example.org"), ""),
        (("A.example.org", "b.example.org"), ""),
        (("a.example.org",), "it is for a.example.org instead of a.example.org, b.example.org"),
        ((), "it cannot be read"),
    ],
)
def test_a_chain_is_for_the_names_that_were_asked_for(names: tuple[str, ...], fault: str) -> None:
    """A chain with the key and the names of the request is right, in any order and case of the names; with others it is not."""
    key = fresh_key()
    request = certificate_request(["a.example.org", "b.example.org"], key)
    found = chain_fault(issue(names, private=_private(key)).chain, request)

    assert found == fault if not fault.startswith("it cannot") else found.startswith(fault)


def test_a_chain_for_another_key_is_wrong() -> None:
    """A chain whose leaf has another key than the request is wrong, and so is text that is no chain."""
    request = certificate_request(["a.example.org"], fresh_key())

    assert chain_fault(issue(["a.example.org"]).chain, request) == "its key is not the one that was asked for"
    assert chain_fault("nothing", request).startswith("it cannot be read")


def test_the_renewal_id_of_the_standard_s_example() -> None:
    """The identifier of the example in RFC 9773 §4.1 is what it says there; the serial keeps the zero byte in front of it."""
    issued = issue(["example.com"])
    identifier_of_key = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issued.certificate.subject)
        .public_key(issued.certificate.public_key())
        .serial_number(0x87654321)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("example.com")]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier(identifier_of_key, None, None), critical=False)
        .sign(issued.private, SHA256())
    )

    made = Issued(certificate, issued.private)
    assert read_pair(made.chain, made.key).renewal_id == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


def _private(key: str) -> ec.EllipticCurvePrivateKey:
    loaded = load_pem_private_key(key.encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded
