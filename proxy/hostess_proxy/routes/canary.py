"""Canary: which requests of a route are for the release that is tried out. Pure but for `divide`, which tells the exchange.

A client is known by the cookie `hostess_canary`, which is given to who has none with the response; from then on the cookie alone
decides. Its value and the canary's release make a place between 0 and 100, and who is below the percentage is in: with a higher one
all stay in who were. A request without the cookie goes to the stable release, but for those on the list of `values`.
"""

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from hostess_proxy.http1.headers import BY_TLS
from hostess_proxy.http1.heads import Response
from hostess_proxy.tables.table import Canary

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.routes.pages import Answer
    from hostess_proxy.targets import LiveRoute

COOKIE: Final = b"hostess_canary"
COOKIE_SECONDS: Final = 30 * 24 * 60 * 60


class Shown(NamedTuple):
    """What a request shows: the value of our cookie (b"" for none), and of the header that the canary names."""

    cookie: bytes = b""
    header: bytes = b""


def shown(lines: bytes, header: bytes) -> Shown:
    """Return what field lines (each with its CRLF) show; *header* is a name in lower case, b"" for none."""
    cookie = value = b""
    for line in lines.split(b"\r\n"):
        name, _, content = line.partition(b":")
        lower = name.lower()
        if lower == b"cookie":
            cookie = cookie or _ours(content)
        elif lower == header:
            value = content.strip(b" \t")
    return Shown(cookie, value)


def is_for_canary(canary: Canary, request: Shown) -> bool:
    """Whether a request is for the canary."""
    values = [value.encode() for value in canary.values]
    if request.cookie in values or request.header in values:
        return True
    return bool(request.cookie) and place(request.cookie, canary.release) < canary.percent


def place(cookie: bytes, release: str) -> float:
    """Return a client's place for this release: from 0 up to 100, always the same."""
    digest = sha256(b"%b\0%b" % (release.encode(), cookie)).digest()
    return int.from_bytes(digest[:4], "big") * 100 / (1 << 32)


def divide(live: "LiveRoute", exchange: "Exchange") -> "Answer | None":
    """Send the request to the canary if it is for it and one of its targets is well; who has no cookie gets one."""
    canary, other = live.route.canary, live.canary
    if canary is None or other is None:
        return None
    fields = exchange.request.fields
    request = shown(fields.forward, canary.header.lower().encode())
    if not request.cookie and canary.percent:
        secure = b"; Secure" if BY_TLS in exchange.client.forwarding_lines(fields) else b""
        value = exchange.traffic.new_id()
        exchange.cookie = b"%b=%b; Max-Age=%d; Path=/; HttpOnly; SameSite=Lax%b" % (
            COOKIE,
            value,
            COOKIE_SECONDS,
            secure,
        )
    if is_for_canary(canary, request) and other.is_well(exchange.traffic.now):
        exchange.live = other
    return None


def with_cookie(exchange: "Exchange", response: Response, data: bytes, *, ended: bool) -> tuple[Response, bytes]:
    """Return the response with the cookie that its client is given, if any."""
    del ended
    if exchange.cookie:
        response = response._replace(forward=b"%bSet-Cookie: %b\r\n" % (response.forward, exchange.cookie))
    return response, data


def _ours(value: bytes) -> bytes:
    """Return the value of our cookie in a Cookie field."""
    for part in value.split(b";"):
        name, _, content = part.partition(b"=")
        if name.strip() == COOKIE:
            return content.strip()
    return b""
