"""What a route asks of a request before it goes on: each check lets it pass (None) or says what it is answered instead.

Most routes have none, so a request that nothing is asked of pays for an empty loop. Checks run in the order of `checks_of`: where
a client must go elsewhere, then whether anybody is served, then who may come, then how much, then when, then where it goes. A check
may put another `request` in the exchange's place, and another `live` route; one that says HELD has put the exchange into a room, from
which it begins anew.
"""

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from hostess_proxy.http1.headers import CLIENT, PREFIX, ip_of, lies_in
from hostess_proxy.routes import prefix
from hostess_proxy.routes.basic_auth import admitted
from hostess_proxy.routes.canary import divide
from hostess_proxy.routes.challenge_answers import asks_for_challenge
from hostess_proxy.routes.pages import Answer
from hostess_proxy.routes.rate_limit import counted_as
from hostess_proxy.routes.sign_in import admit
from hostess_proxy.routes.transport_security import came_by_tls
from hostess_proxy.routes.voucher import vouched
from hostess_proxy.tables.table import Route

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.targets import LiveRoute

PAUSED = 504, "paused"
ASLEEP = 503, "asleep"
"""How requests are answered that were held too long."""

_HTTPS_PORT = 443
Check = Callable[["LiveRoute", "Exchange"], Answer | None]


def checks_of(route: Route) -> tuple[Check, ...]:
    """Return what a route asks, in order."""
    terms = route.terms
    wanted: tuple[tuple[bool, Check], ...] = (
        (terms.redirect is not None, to_canonical_host),
        (route.redirect_https, to_https),
        (terms.maintenance is not None, not_in_maintenance),
        (terms.allow is not None, from_allowed_network),
        (terms.rate_limit is not None, within_rate),
        (terms.basic_auth is not None, with_password),
        (route.sign_in is not None, signed_in),
        (route.body_limit is not None, small_enough),
        (terms.pause is not None, not_paused),
        (terms.wake is not None and not route.targets, awake),
        (route.canary is not None, divide),
        (terms.strip_prefix and route.path != "/", without_prefix),
        (terms.voucher != "", with_voucher),
    )
    return tuple(check for is_wanted, check in wanted if is_wanted)


def to_canonical_host(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Send who comes to another host to the canonical one: by TLS where that is asked for, too, so that there is one hop."""
    redirect, name = live.route.terms.redirect, exchange.request.fields.name
    if redirect is None or name == redirect.host.encode() or asks_for_challenge(exchange):
        return None
    secure = came_by_tls(exchange)
    if live.route.redirect_https and not secure:
        return Answer(redirect.status, "other-host", _by_tls(exchange, redirect.host.encode()))
    port = (exchange.request.fields.host or b"")[len(name) :].lstrip(b".")  # what led here leads there
    scheme = b"https" if secure else b"http"
    return Answer(
        redirect.status, "other-host", b"%b://%b%b%b" % (scheme, redirect.host.encode(), port, _path(exchange))
    )


def to_https(live: "LiveRoute", exchange: "Exchange") -> Answer | None:  # noqa: ARG001 -- one shape for all checks
    """Send who comes by plain HTTP to the same place by TLS; not who a trusted proxy says came to it by TLS."""
    if came_by_tls(exchange) or asks_for_challenge(exchange):
        return None
    return Answer(308, "https-only", _by_tls(exchange, exchange.request.fields.name))


def not_in_maintenance(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Turn everybody away but those who look after the service; what watches from outside hears that all is well."""
    maintenance, request = live.route.terms.maintenance, exchange.request
    if maintenance is None or lies_in(ip_of(_client(exchange)), maintenance.allow):
        return None
    path = request.path.partition(b"?")[0]
    if path == maintenance.health_path.encode() and request.method in {b"GET", b"HEAD"}:
        return Answer(200, "in-maintenance")
    return Answer(503, "maintenance", retry_after=maintenance.retry_after, sentence=maintenance.message)


def from_allowed_network(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Refuse clients of other networks."""
    return None if lies_in(ip_of(_client(exchange)), live.route.terms.allow or ()) else Answer(403, "not-allowed")


def within_rate(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Refuse what a client asks too often. A request that begins anew was counted already."""
    route, limit = live.route, live.route.terms.rate_limit
    if limit is None or exchange.waited or exchange.tried:
        return None
    who = b"%b%b %b" % (route.host.encode(), live.prefix, counted_as(_client(exchange)))
    seconds = exchange.traffic.rates.wait(who, limit, exchange.started)
    return Answer(429, "too-many-requests", retry_after=ceil(seconds)) if seconds else None


def with_password(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Ask for a name and a password; who passes leaves them here. Each route is a realm, so that a browser keeps them apart."""
    request = admitted(live.route.terms.basic_auth or (), exchange.request)
    if request is None:
        return Answer(401, "password-needed", realm=exchange.request.fields.name + live.prefix)
    exchange.request = request
    return None


def signed_in(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Ask for sign-in; who passes leaves token and cookie here."""
    if live.gate is None:
        return None
    verdict = admit(live.gate, exchange.request, exchange.at, secure=came_by_tls(exchange))
    if isinstance(verdict, Answer):
        return verdict
    exchange.request, exchange.signed_by = verdict
    return None


def small_enough(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Refuse a body whose announced length is over the limit; others are counted while they come."""
    limit = live.route.body_limit
    return Answer(413, "body-too-large") if limit is not None and exchange.request.fields.length > limit else None


def not_paused(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Hold the request while the route pauses."""
    pause = live.route.terms.pause
    return exchange.traffic.holding.take(exchange, live.route, pause, PAUSED) if pause else None


def awake(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Hold the request while nothing runs behind the route, and call for it."""
    wake = live.route.terms.wake
    return exchange.traffic.holding.take(exchange, live.route, wake, ASLEEP, wake=True) if wake else None


def without_prefix(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Cut the prefix off the path, and tell the backend of it, after what was cut off in front of us."""
    request = exchange.request
    path = prefix.cut(request.path, live.prefix)
    if path is None:
        return Answer(400, "climbing-path")
    fields = request.fields
    before = exchange.client.forwarding_lines(fields).partition(PREFIX)[2].partition(b"\r\n")[0].rstrip(b"/")
    told = {name: values for name, values in fields.told.items() if name != b"x-forwarded-prefix"}
    forward = b"%b%b%b%b\r\n" % (fields.forward, PREFIX.lstrip(), before, live.prefix)
    exchange.request = request._replace(path=path, fields=fields._replace(forward=forward, told=told))
    return None


def with_voucher(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Tell the backend that the request came through here."""
    exchange.request = vouched(exchange.request, live.route.terms.voucher)
    return None


def _by_tls(exchange: "Exchange", host: bytes) -> bytes:
    """Return the URL of what was asked for, at a host, by TLS."""
    port = exchange.traffic.https_port
    return b"https://%b%b%b" % (host, b":%d" % port if port != _HTTPS_PORT else b"", _path(exchange))


def _client(exchange: "Exchange") -> str:
    """Return the client's address: the peer's, or what trusted proxies say."""
    lines = exchange.client.forwarding_lines(exchange.request.fields)
    return lines.partition(CLIENT)[2].partition(b"\r\n")[0].decode("latin-1")


def _path(exchange: "Exchange") -> bytes:
    """Return path and query for a redirect; `*` (of OPTIONS) is nowhere else."""
    path = exchange.request.path
    return path if path.startswith(b"/") else b"/"
