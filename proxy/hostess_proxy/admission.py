"""What a route asks of a request before it goes on: each check lets it pass (None) or says what it is answered instead.

Most routes have none, so a request that nothing is asked of pays for an empty loop. Checks run in the order of `checks_of`: where
a client must go elsewhere, then who may come, then how much, then where it goes. A check may put another `request` in the
exchange's place, and another `live` route.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hostess_proxy.canary import divide
from hostess_proxy.headers import BY_TLS
from hostess_proxy.pages import Answer
from hostess_proxy.sign_in import admit
from hostess_proxy.table import Route

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.targets import LiveRoute

_HTTPS_PORT = 443
Check = Callable[["LiveRoute", "Exchange"], Answer | None]


def checks_of(route: Route) -> tuple[Check, ...]:
    """Return what a route asks, in order."""
    wanted: tuple[tuple[bool, Check], ...] = (
        (route.redirect_https, to_https),
        (route.sign_in is not None, signed_in),
        (route.body_limit is not None, small_enough),
        (route.canary is not None, divide),
    )
    return tuple(check for is_wanted, check in wanted if is_wanted)


def to_https(live: "LiveRoute", exchange: "Exchange") -> Answer | None:  # noqa: ARG001 -- one shape for all checks
    """Send who comes by plain HTTP to the same place by TLS; not who a trusted proxy says came to it by TLS."""
    request, port = exchange.request, exchange.traffic.https_port
    if exchange.client.secure or BY_TLS in exchange.client.forwarding_lines(request.fields):
        return None
    path = request.path if request.path.startswith(b"/") else b"/"
    suffix = b":%d" % port if port != _HTTPS_PORT else b""
    return Answer(308, "https-only", b"https://%b%b%b" % (request.fields.name, suffix, path))


def signed_in(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Ask for sign-in; who passes leaves token and cookie here."""
    if live.gate is None:
        return None
    secure = BY_TLS in exchange.client.forwarding_lines(exchange.request.fields)
    verdict = admit(live.gate, exchange.request, exchange.at, secure=secure)
    if isinstance(verdict, Answer):
        return verdict
    exchange.request, exchange.signed_by = verdict
    return None


def small_enough(live: "LiveRoute", exchange: "Exchange") -> Answer | None:
    """Refuse a body whose announced length is over the limit; others are counted while they come."""
    limit = live.route.body_limit
    return Answer(413, "body-too-large") if limit is not None and exchange.request.fields.length > limit else None
