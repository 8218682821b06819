"""Requests that came through the proxy, which serves the API by TLS: what it says of them counts, and what anybody else says does not.

It is known by a voucher, a secret that the daemon derives from its key and gives to its proxy alone, in the routing table; the proxy
puts it in place of whatever a client has sent by that name. It crosses no network: the proxy runs on this host.
"""

import hmac
from typing import Final

from aiohttp import web

from hostess.domain.problem import Problem
from hostess.doors.api.peers import came_over_a_network

VOUCHER: Final = "X-Hostess-Voucher"


def came_in_clear(voucher: str, request: web.Request) -> bool:
    """Whether somebody on the way could have read it: it came over a network, without TLS."""
    if request.secure or (_came_by_proxy(voucher, request) and _came_to_it_by_tls(request)):
        return False
    return came_over_a_network(request)


def refuse_proxied_in_clear(voucher: str, request: web.Request) -> None:
    """Raise Problem "https-only" for what came through the proxy without TLS; it sends such clients on, so none should come."""
    if _came_by_proxy(voucher, request) and not _came_to_it_by_tls(request):
        raise Problem("https-only", "the API is served here by HTTPS alone", remedy="begin the URL with https://")


def _came_by_proxy(voucher: str, request: web.Request) -> bool:
    given = request.headers.getall(VOUCHER, [])
    return len(given) == 1 and hmac.compare_digest(given[0].encode(errors="surrogateescape"), voucher.encode())


def _came_to_it_by_tls(request: web.Request) -> bool:
    return request.headers.getall("X-Forwarded-Proto", []) == ["https"]
