"""Names and passwords that a route asks for. They end here: the backend never sees them. Pure."""

import binascii
import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from hostess_proxy.http1.heads import Request
from hostess_proxy.tables.terms import Credential

_NOBODY: Final = Credential(b"", b"\0" * 16, b"\0" * 32)


def admitted(credentials: Iterable[Credential], request: Request) -> Request | None:
    """Return the request without its Authorization, None when that does not hold one of the names with its password.

    A name that is not there takes as long as a wrong password.
    """
    lines = request.fields.forward.split(b"\r\n")
    ours = [line for line in lines if line[:14].lower() == b"authorization:"]
    if len(ours) != 1:
        return None
    user, password = _told(ours[0][14:])
    one = next((credential for credential in credentials if credential.user == user), _NOBODY)
    if not hmac.compare_digest(sha256(one.salt + password).digest(), one.digest) or one is _NOBODY:
        return None
    lines.remove(ours[0])
    return request._replace(fields=request.fields._replace(forward=b"\r\n".join(lines)))


def _told(value: bytes) -> tuple[bytes, bytes]:
    """Return name and password of an Authorization field, both empty when it is none of this kind."""
    scheme, _, rest = value.strip(b" \t").partition(b" ")
    if scheme.lower() != b"basic":
        return b"", b""
    try:
        user, _, password = binascii.a2b_base64(rest.strip(b" \t"), strict_mode=True).partition(b":")
    except binascii.Error:
        return b"", b""
    return user, password
