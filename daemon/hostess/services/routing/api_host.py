"""The host name at which the proxy serves the admin API and git, by TLS alone."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from hostess.domain.hostess_yml.stack import Proxy
from hostess.domain.ports import Upstreams
from hostess.domain.problem import Problem
from hostess.domain.routing.route_settings import RouteSettings
from hostess.services.routing.publishing import Routing

OWN: Final = "hostess"
"""A name that no project may have."""
SILENCE: Final = timedelta(minutes=30)
"""How long an answer may take to begin: a deployment that is waited for, a large clone."""
_ANY: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- compared, not bound

log = logging.getLogger(__name__)


class ApiHost:
    """Keeps the route to the API in every table. An empty *host* means that there is none.

    *voucher* is a secret of the daemon's and its proxy's: by it the API knows what the proxy itself has sent. While the daemon is
    away, this one host is answered with 502 and all others are served.
    """

    def __init__(self, routing: Routing, host: str, voucher: str) -> None:
        self._routing = routing
        self._host = host
        self._voucher = voucher
        self._lead(())

    async def listens(self, address: str, port: int) -> None:
        """Lead requests to where the API listens from now on; a proxy that is not there is told when it is back."""
        if not self._host:
            return
        own = _ANY.get(address, address)
        self._lead((f"[{own}]:{port}" if ":" in own else f"{own}:{port}",))
        try:
            await self._routing.publish()
        except Problem as problem:
            log.warning("the proxy does not serve the API at %s yet: %s", self._host, problem)

    def _lead(self, targets: tuple[str, ...]) -> None:
        route = Upstreams(
            host=self._host,
            project="",
            service=OWN,
            release="api",
            targets=targets,
            settings=RouteSettings(Proxy(response_timeout=SILENCE)),
            redirect_https=True,
            voucher=self._voucher,
        )
        self._routing.serve_own([route] if self._host else [])


def claims(host: str) -> Mapping[str, tuple[str, str, str]]:
    """Return the host and whose it is, in the form of the journal's `host_owners`: no project may have it."""
    return {host: (OWN, "api.host", "api")} if host else {}
