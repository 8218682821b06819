"""The client's side of a connection by TLS: HTTP/1.1 as elsewhere, for the hosts of the certificate that was shown."""

from typing import TYPE_CHECKING, Final

from hostess_proxy.downstream import Downstream
from hostess_proxy.routes.pages import Answer
from hostess_proxy.tables.table import DEFAULT_HOST, Route
from hostess_proxy.targets import LiveRoute

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.http1.heads import Request
    from hostess_proxy.tls.certificates import Identity
    from hostess_proxy.traffic import Traffic


def _misdirected(live: LiveRoute, exchange: "Exchange") -> Answer:  # noqa: ARG001 -- one shape for all checks
    return Answer(421, "misdirected-request")


MISDIRECTED: Final = LiveRoute(Route(host=DEFAULT_HOST, service="", release="", targets=()), ())
"""Where requests go for a host that the connection's certificate is not for (RFC 9110 §15.5.20)."""
MISDIRECTED.checks = (_misdirected,)


class SecureClient(Downstream):
    """An HTTP/1.1 connection that was shown *identity*."""

    __slots__ = ("_identity",)
    may_be_http2 = False  # ALPN decides

    def __init__(self, traffic: "Traffic", identity: "Identity") -> None:
        super().__init__(traffic, secure=True)
        self._identity = identity

    def find(self, request: "Request") -> LiveRoute | None:
        """Return the route by host and path, where the certificate is for that host. Challenges are answered for any."""
        host = request.fields.name
        if host and not self._identity.covers(host):
            return self.traffic.targets.table.challenged(request.path) or MISDIRECTED
        return super().find(request)
