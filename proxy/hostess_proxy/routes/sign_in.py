"""Sign-in: who may pass to a route that asks for it, by a token, or by the session that a token has begun. Pure.

A token comes in Authorization (Basic: as the password, after any name; or Bearer). A browser that came by Basic is given a session:
a cookie that names an expiry and a token, signed for one host, so that the app behind can use Authorization for itself. Neither
token nor cookie ever goes on to the backend. A session is worth nothing without its token: where the route does not list that any
more, it has ended.
"""

import binascii
import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from hostess_proxy.http1.heads import Request
from hostess_proxy.routes.pages import Answer

SESSION_SECONDS: Final = 12 * 60 * 60
COOKIE: Final = b"hostess_session"

_MARK = 16  # so much of a token's digest tells tokens apart
_EXPIRY = re.compile(rb"[0-9]{1,12}")
_TOKEN = re.compile(rb"hst_[A-Za-z0-9_-]{43}")


class Gate:
    """What a route asks for: one of the tokens with these digests (SHA-256, lower-case hex); *key* signs the sessions."""

    __slots__ = ("_digests", "_key")

    def __init__(self, digests: Iterable[str], key: bytes) -> None:
        self._digests = {digest[:_MARK].encode(): digest.encode() for digest in digests}
        self._key = key

    def lists(self, digest: bytes) -> bool:
        """Whether the token with this digest may pass."""
        return hmac.compare_digest(self._digests.get(digest[:_MARK], b""), digest) and bool(digest)

    def of_token(self, token: bytes) -> bytes:
        """Return the digest of a token that may pass, b"" for any other text."""
        digest = sha256(token).hexdigest().encode()
        return digest if self.lists(digest) else b""

    def of_session(self, value: bytes, host: bytes, now: float) -> bytes:
        """Return the digest of the token that began a session, b"" when the cookie is not (or no longer) good for this host."""
        expiry, _, rest = value.partition(b".")
        mark, _, signature = rest.partition(b".")
        digest = self._digests.get(mark, b"")
        if not digest or _EXPIRY.fullmatch(expiry) is None or int(expiry) <= now:
            return b""
        return digest if hmac.compare_digest(signature, self._signature(host, expiry, digest)) else b""

    def session(self, digest: bytes, host: bytes, now: float) -> bytes:
        """Return the cookie's value for a session that begins now."""
        expiry = b"%d" % (now + SESSION_SECONDS)
        return b"%b.%b.%b" % (expiry, digest[:_MARK], self._signature(host, expiry, digest))

    def _signature(self, host: bytes, expiry: bytes, digest: bytes) -> bytes:
        said = b"%b\n%b\n%b" % (host, expiry, digest)
        return hmac.new(self._key, said, sha256).hexdigest().encode()


class Passed(NamedTuple):
    """A request that may pass, as the backend is to see it, and the digest of the token that it passed with."""

    request: Request
    digest: bytes


class _Shown(NamedTuple):
    """What a request shows: the digests of its token and of its session's, b"" for none; *forward* are its other lines."""

    forward: bytes
    token: bytes = b""
    by_basic: bool = False
    session: bytes = b""


def admit(gate: Gate, request: Request, now: float, *, secure: bool) -> Passed | Answer:
    """Return the request without what was shown at the gate, or the answer instead of it: 401, or 303 with a new session.

    *now* is the time in seconds since 1970; *secure*: the client came by TLS, and its cookie is to be sent by TLS only.
    """
    fields = request.fields
    shown = _shown(gate, fields.forward, fields.name, now)
    digest = shown.token or shown.session
    if not digest:
        return Answer(401, "sign-in-needed")
    if shown.by_basic and not shown.session and _is_page(request):
        value = gate.session(digest, fields.name, now)
        cookie = b"%b=%b; Max-Age=%d; Path=/; HttpOnly; SameSite=Lax" % (COOKIE, value, SESSION_SECONDS)
        return Answer(303, "signed-in", request.path, cookie + (b"; Secure" if secure else b""))
    return Passed(request._replace(fields=fields._replace(forward=shown.forward)), digest)


def _is_page(request: Request) -> bool:
    """Whether a browser asks for a page; a path that begins with two slashes would redirect to another host."""
    fields = request.fields
    return (
        request.method == b"GET"
        and not fields.upgrade
        and b"text/html" in fields.accept.lower()
        and request.path.startswith(b"/")
        and not request.path.startswith(b"//")
    )


def _shown(gate: Gate, lines: bytes, host: bytes, now: float) -> _Shown:
    kept: list[bytes] = []
    token, session, by_basic = b"", b"", False
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower == b"authorization":
            secret, is_basic = _credentials(value)
            found = gate.of_token(secret.partition(b":")[2] if is_basic else secret)
            if found:
                token, by_basic = found, is_basic
            # Other tokens of Hostess are for other doors: nothing behind this one shall learn them.
            if found or _TOKEN.search(secret):
                continue
        elif lower == b"cookie":
            ours, rest = _parted(value)
            if ours:
                session = session or next(filter(None, (gate.of_session(each, host, now) for each in ours)), b"")
                if rest:
                    kept.append(b"%b: %b" % (name, rest))
                continue
        kept.append(line)
    return _Shown(b"\r\n".join(kept), token, by_basic, session)


def _credentials(value: bytes) -> tuple[bytes, bool]:
    """Return what an Authorization field says ("name:password" or a token; b"" when it is of another kind), and whether it is Basic."""
    scheme, _, rest = value.strip().replace(b"\t", b" ").partition(b" ")
    kind = scheme.lower()
    if kind == b"bearer":
        return rest.strip(), False
    if kind != b"basic":
        return b"", False
    try:
        return binascii.a2b_base64(rest + b"=="), True
    except binascii.Error:
        return b"", True


def _parted(value: bytes) -> tuple[list[bytes], bytes]:
    """Return the values of our cookie in a Cookie field, and the field's value without it."""
    ours, rest = [], []
    for part in value.split(b";"):
        name, _, content = part.partition(b"=")
        if name.strip() == COOKIE:
            ours.append(content.strip())
        elif part.strip():
            rest.append(part.strip())
    return ours, b"; ".join(rest)
