"""Whether a client came by TLS, and what browsers are told of coming by nothing else (HSTS, RFC 6797)."""

from typing import TYPE_CHECKING

from hostess_proxy.http1.headers import BY_TLS
from hostess_proxy.http1.heads import Response
from hostess_proxy.routes.pages import Answer
from hostess_proxy.tables.terms import Hsts

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

_NAME = b"\r\nstrict-transport-security:"


def came_by_tls(exchange: "Exchange") -> bool:
    """Whether the client came by TLS, to us or to a proxy that is trusted."""
    return exchange.client.secure or BY_TLS in exchange.client.forwarding_lines(exchange.request.fields)


def hsts_line(hsts: Hsts) -> bytes:
    """Return the field as a line with its CRLF (RFC 6797 §6.1)."""
    subdomains = b"; includeSubDomains" if hsts.subdomains else b""
    preload = b"; preload" if hsts.preload else b""
    return b"Strict-Transport-Security: max-age=%d%b%b\r\n" % (hsts.max_age, subdomains, preload)


def with_hsts(exchange: "Exchange", response: Response, data: bytes, *, ended: bool) -> tuple[Response, bytes]:
    """Return the response with the route's field; what the app says itself stands: it knows of its own names."""
    del ended
    hsts, forward = exchange.live.route.terms.hsts if exchange.live is not None else None, response.forward
    if hsts is not None and came_by_tls(exchange) and _NAME not in b"\r\n" + forward.lower():
        response = response._replace(forward=forward + hsts_line(hsts))
    return response, data


def secured(answer: Answer, exchange: "Exchange") -> Answer:
    """Return an answer of our own with the field of its route, redirects included: lists for browsers ask for it there."""
    hsts = exchange.live.route.terms.hsts if exchange.live is not None else None
    if hsts is None or not came_by_tls(exchange):
        return answer
    return answer._replace(lines=answer.lines + hsts_line(hsts))
