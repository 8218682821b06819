"""Public keys of SSH, as people paste them: what is taken, and what is told of one."""

import base64
import binascii
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from hostess.domain.problem import Problem

LONGEST = 8192
"""Characters of a line; a key of RSA with 16384 bits has 2800."""

_LEAST_RSA, _MOST_RSA = 2048, 16384
_ED25519_BYTES = 32
_UNCOMPRESSED = 4  # what a point begins with that is written whole (SEC 1, section 2.3.3)
_KINDS = "ed25519, ecdsa, rsa of 2048 bits or more, or their keys on security tokens (sk)"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key: its *kind* by SSH's name ("ssh-ed25519"), its *blob* in base64, and the *comment* behind it."""

    kind: str
    blob: str
    comment: str

    @property
    def fingerprint(self) -> str:
        """Return what `ssh-keygen -l` shows of it."""
        return fingerprint(self.blob)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A key's row: who pushes with it, and what for. No *projects* means all of them."""

    id: str
    name: str
    kind: str
    blob: str
    fingerprint: str
    role: str
    projects: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None = None


class _NoKeyError(ValueError):
    """These bytes are no key of their kind; the argument says why, as the end of a sentence."""


def parse_public_key(text: str) -> PublicKey:
    """Return the key in a line of a `.pub` file; Problem "key-invalid" for anything else, options before the key included."""
    if "PRIVATE KEY" in text:
        raise Problem(
            "key-invalid",
            "this is a private key, which nobody else should ever see",
            remedy="give the public one, whose file ends in .pub; as this one has left its file, make a new pair",
        )
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1 or len(text) > LONGEST:
        raise _invalid("expected one public key in one line", "give one .pub file at a time")
    kind, *rest = lines[0].split()
    if kind not in _CHECKS and any(word in _CHECKS for word in rest):
        raise _invalid("there are options before the key", "give the line of the .pub file alone")
    if kind not in _CHECKS or not rest:
        raise _invalid(f"this is no public key that is taken: {kind[:40]}", f"use {_KINDS}: `ssh-keygen -t ed25519`")
    try:
        blob = base64.b64decode(rest[0], validate=True)
        _check(kind, blob)
    except binascii.Error:
        raise _invalid("the key is cut short or damaged", "copy the whole line of the .pub file") from None
    except _NoKeyError as error:
        raise _invalid(f"the key {error}", f"use {_KINDS}, and copy the whole line of the .pub file") from None
    return PublicKey(kind, base64.b64encode(blob).decode(), " ".join(rest[1:]))


def fingerprint(blob: str) -> str:
    """Return the fingerprint of a key in base64 as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")


def _check(kind: str, blob: bytes) -> None:
    """Raise _NoKeyError unless *blob* is a key of this kind and nothing else (RFC 4253, section 6.6)."""
    parts: list[bytes] = []
    while blob:
        length = struct.unpack(">I", blob[:4])[0] if len(blob) >= struct.calcsize(">I") else len(blob)
        if length > len(blob) - 4:
            raise _NoKeyError("is cut short or damaged")
        parts.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if not parts or parts[0] != kind.encode():
        raise _NoKeyError("is of another kind than its line says")
    count, check = _CHECKS[kind]
    if len(parts) != count + 1:
        raise _NoKeyError("is damaged")
    check(parts[1:])


def _ed25519(parts: list[bytes]) -> None:
    """Check the one number of RFC 8709, section 4; a security token's application may follow."""
    if len(parts[0]) != _ED25519_BYTES:
        raise _NoKeyError("is damaged")


def _ecdsa(curve: bytes, size: int) -> Callable[[list[bytes]], None]:
    """Return the check of RFC 5656, section 3.1: the curve's name, and a point that is not compressed."""

    def check(parts: list[bytes]) -> None:
        if parts[0] != curve or len(parts[1]) != 1 + 2 * size or parts[1][0] != _UNCOMPRESSED:
            raise _NoKeyError("is damaged")

    return check


def _rsa(parts: list[bytes]) -> None:
    exponent, modulus = (int.from_bytes(part) for part in parts)
    if exponent % 2 == 0 or exponent == 1 or modulus % 2 == 0:
        raise _NoKeyError("is damaged")
    if not _LEAST_RSA <= modulus.bit_length() <= _MOST_RSA:
        raise _NoKeyError(f"has {modulus.bit_length()} bits; RSA is taken from {_LEAST_RSA} to {_MOST_RSA}")


_CHECKS: Mapping[str, tuple[int, Callable[[list[bytes]], None]]] = {
    "ssh-ed25519": (1, _ed25519),
    "ecdsa-sha2-nistp256": (2, _ecdsa(b"nistp256", 32)),
    "ecdsa-sha2-nistp384": (2, _ecdsa(b"nistp384", 48)),
    "ecdsa-sha2-nistp521": (2, _ecdsa(b"nistp521", 66)),
    "ssh-rsa": (2, _rsa),
    "sk-ssh-ed25519@openssh.com": (2, _ed25519),
    "sk-ecdsa-sha2-nistp256@openssh.com": (3, _ecdsa(b"nistp256", 32)),
}
"""Kind -> how many strings follow its name, and what they must be."""


def _invalid(what: str, remedy: str) -> Problem:
    return Problem("key-invalid", what, remedy=remedy)
