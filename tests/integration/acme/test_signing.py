"""Signed requests, by the vectors of the standards."""

import base64
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hostess.adapters.acme.jws import AccountKey, Binding
from hostess.domain.certificates.acme_answers import fresh_key

# RFC 7515 appendix A.3.1.
X, Y = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
D = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
THUMBPRINT = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
# RFC 7515 appendix A.1.1.
MAC_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"


def decoded(text: str) -> bytes:
    """Return what a text in base64url without padding holds."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def private() -> ec.EllipticCurvePrivateKey:
    """Return the key of the standard's example."""
    return ec.derive_private_key(int.from_bytes(decoded(D), "big"), ec.SECP256R1())


def example() -> AccountKey:
    """Return it as an account's."""
    return AccountKey(private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def test_the_public_key_is_that_of_the_standard() -> None:
    """Coordinates are those of RFC 7515 A.3, and the thumbprint is the one that is published for that key (RFC 7638)."""
    assert example().public == {"crv": "P-256", "kty": "EC", "x": X, "y": Y}
    assert example().thumbprint == THUMBPRINT


@pytest.mark.parametrize("payload", [b"", b'{"a":1}'])
@pytest.mark.parametrize("account", ["", "https://ca.example/account/1"])
def test_a_request_is_signed(payload: bytes, account: str) -> None:
    """A request carries nonce, URL, and either the account or the key, and its signature is that of the key, as r and s of 32 bytes."""
    for _ in range(20):  # of both, now and then, the first byte is zero
        said = json.loads(example().signed("https://ca.example/x", payload, nonce="n", account=account))
        signature = decoded(said["signature"])
        assert len(signature) == 64
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        content = f"{said['protected']}.{said['payload']}".encode()
        private().public_key().verify(encode_dss_signature(r, s), content, ec.ECDSA(SHA256()))

    head = json.loads(decoded(said["protected"]))
    key = {"kid": account} if account else {"jwk": example().public}
    assert head == {"alg": "ES256", "nonce": "n", "url": "https://ca.example/x"} | key
    assert decoded(said["payload"]) == payload


def test_a_customer_is_shown() -> None:
    """The binding of an account is the public key, signed with the customer's key by HS256, without a nonce (RFC 8555 §7.3.4)."""
    said = Binding.parse("kid-1", MAC_KEY).signed("https://ca.example/account", example().public)

    assert json.loads(decoded(said["protected"])) == {
        "alg": "HS256",
        "kid": "kid-1",
        "url": "https://ca.example/account",
    }
    assert json.loads(decoded(said["payload"])) == example().public
    content = f"{said['protected']}.{said['payload']}".encode()
    assert decoded(said["signature"]) == hmac.digest(decoded(MAC_KEY), content, "sha256")


@pytest.mark.parametrize("text", [MAC_KEY, f" {MAC_KEY}==\n", MAC_KEY.replace("-", "+").replace("_", "/")])
def test_a_customers_key_may_be_written_in_both_alphabets(text: str) -> None:
    """Authorities give keys out with and without padding, in either alphabet of base64."""
    assert Binding.parse("kid-1", text).key == decoded(MAC_KEY)


@pytest.mark.parametrize(("key_id", "text"), [("kid-1", "no key!"), ("kid-1", ""), ("", MAC_KEY), ("kid-1", "ä")])
def test_what_is_no_customers_key_is_refused(key_id: str, text: str) -> None:
    """What is no key is refused without quoting it, and a key is in no representation."""
    with pytest.raises(ValueError, match="key") as caught:
        Binding.parse(key_id, text)
    assert not text or text not in str(caught.value)
    assert repr(decoded(MAC_KEY)) not in repr(Binding.parse("kid-1", MAC_KEY))


def test_other_keys_are_no_account_keys() -> None:
    """A key on another curve, or text that is none, is no account's key."""
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(TypeError, match="P-256"):
        AccountKey(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    with pytest.raises(ValueError, match="PEM"):
        AccountKey("nothing")
    assert AccountKey(fresh_key()).thumbprint != THUMBPRINT
