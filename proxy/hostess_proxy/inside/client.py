"""HTTP from inside a stack: the connection of a caller that wanted to go to a service's virtual address."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from hostess_proxy.downstream import Downstream
from hostess_proxy.http1.headers import forwarding_fields
from hostess_proxy.http1.heads import Request

if TYPE_CHECKING:
    from hostess_proxy.targets import LiveRoute
    from hostess_proxy.traffic import Traffic


class Destination(NamedTuple):
    """Where a caller wanted to go: a virtual address and a port."""

    address: str
    port: int


class InsideClient(Downstream):
    """An HTTP connection of a caller in the stack. It goes to the service that was called, whatever its Host field says."""

    __slots__ = ("_wanted",)
    may_be_http2 = False

    def __init__(self, traffic: "Traffic", wanted: Destination) -> None:
        super().__init__(traffic, secure=False)
        self._wanted = wanted
        self._trusted = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport. What the caller says of its own client is passed on: a gateway in the stack knows it best."""
        super().connection_made(transport)
        self._own_lines = forwarding_fields(self.address, self._wanted.port, b"http")

    def find(self, request: Request) -> "LiveRoute | None":
        """Return the route of the service that was called."""
        del request
        return self.traffic.targets.table.inside(*self._wanted)
