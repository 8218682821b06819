"""Signed requests of ACME (RFC 7515, RFC 8555 §6.2): ES256 with the account's key, HS256 where an account is bound to a customer."""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hostess.domain.certificates.acme_answers import base64url

_SCALAR_BYTES = 32
"""Of a coordinate or half a signature on P-256 (RFC 7518 §3.4, §6.2.1)."""

Json = Any


class AccountKey:
    """The private key of an account; ValueError or TypeError when the text (PEM) is none on P-256."""

    def __init__(self, pem: str) -> None:
        private = load_pem_private_key(pem.encode(), None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise TypeError("not a key on P-256")
        self._private = private
        point = private.public_key().public_numbers()
        # In the order that thumbprints want (RFC 7638 §3.2).
        self.public = {"crv": "P-256", "kty": "EC", "x": _scalar(point.x), "y": _scalar(point.y)}

    @property
    def thumbprint(self) -> str:
        """What key authorizations end with (RFC 8555 §8.1)."""
        return base64url(sha256(_compact(self.public)).digest())

    def signed(self, url: str, payload: bytes, *, nonce: str, account: str = "") -> bytes:
        """Return a request's body; it names the key by the *account*'s URL, or, where there is none yet, carries it."""
        head = {"alg": "ES256", "nonce": nonce, "url": url, **({"kid": account} if account else {"jwk": self.public})}
        protected, content = base64url(_compact(head)), base64url(payload)
        r, s = decode_dss_signature(self._private.sign(f"{protected}.{content}".encode(), ec.ECDSA(SHA256())))
        signature = base64url(r.to_bytes(_SCALAR_BYTES) + s.to_bytes(_SCALAR_BYTES))
        return _compact({"protected": protected, "payload": content, "signature": signature})


@dataclass(frozen=True, slots=True)
class Binding:
    """An account that somebody has at the authority already (RFC 8555 §7.3.4): its key's id, and the key, which is secret."""

    key_id: str
    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, key_id: str, text: str) -> Self:
        """Return the binding with a key in base64url, as authorities give it out; ValueError when it is not that."""
        try:
            padded = text.strip().translate(str.maketrans("+/", "-_")).rstrip("=")
            key = base64.b64decode(padded + "=" * (-len(padded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("the key is not in base64url") from None  # which would quote from it
        if not key_id or not key:
            raise ValueError("key id and key belong together, and neither may be empty")
        return cls(key_id, key)

    def signed(self, url: str, public: Json) -> Json:
        """Return what proves that the holder of this key wants the account with the *public* key; *url* is that of newAccount."""
        protected = base64url(_compact({"alg": "HS256", "kid": self.key_id, "url": url}))
        payload = base64url(_compact(public))
        mac = hmac.digest(self.key, f"{protected}.{payload}".encode(), "sha256")
        return {"protected": protected, "payload": payload, "signature": base64url(mac)}


def _scalar(number: int) -> str:
    return base64url(number.to_bytes(_SCALAR_BYTES))


def _compact(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
