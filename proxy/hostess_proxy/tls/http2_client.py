"""The client's side of a connection by TLS that speaks HTTP/2, for the hosts of the certificate that was shown.

Browsers send requests for several hosts on one connection where its certificate names them all (RFC 9113 §9.1.1).
"""

from typing import TYPE_CHECKING

from hostess_proxy.http2.downstream import Http2Downstream
from hostess_proxy.tls.client import MISDIRECTED

if TYPE_CHECKING:
    from hostess_proxy.http1.heads import Request
    from hostess_proxy.targets import LiveRoute
    from hostess_proxy.tls.certificates import Identity
    from hostess_proxy.traffic import Traffic


class SecureHttp2(Http2Downstream):
    """An HTTP/2 connection that was shown *identity*."""

    __slots__ = ("_identity",)

    def __init__(self, traffic: "Traffic", identity: "Identity") -> None:
        super().__init__(traffic, secure=True)
        self._identity = identity

    def find(self, request: "Request") -> "LiveRoute | None":
        """Return the route by host and path, where the certificate is for that host. Challenges are answered for any."""
        host = request.fields.name
        if not self._identity.covers(host):
            return self.traffic.targets.table.challenged(request.path) or MISDIRECTED
        return super().find(request)
