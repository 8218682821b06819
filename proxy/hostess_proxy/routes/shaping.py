"""What a route changes in the responses that pass: each shape takes a response's head and first bytes, and gives others.

Most routes change nothing, so that their responses pay for one look at an empty tuple.
"""

from typing import TYPE_CHECKING, Protocol

from hostess_proxy.http1.heads import Response
from hostess_proxy.routes.canary import with_cookie
from hostess_proxy.routes.encoding import coders, compressed
from hostess_proxy.routes.transport_security import with_hsts
from hostess_proxy.tables.table import Route

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange


class Shape(Protocol):
    """A change to responses."""

    def __call__(self, exchange: "Exchange", response: Response, data: bytes, *, ended: bool) -> tuple[Response, bytes]:
        """Return head and first bytes as they are to go on; with *ended* they are all."""


def shapes_of(route: Route) -> tuple[Shape, ...]:
    """Return what a route changes, in order."""
    compresses = route.compress and route.static is None  # static files have their own ways
    if compresses:
        coders()  # loads what is needed now, not while a request waits
    wanted: tuple[tuple[bool, Shape], ...] = (
        (route.canary is not None, with_cookie),
        (route.terms.hsts is not None, with_hsts),
        (compresses, compressed),
    )
    return tuple(shape for is_wanted, shape in wanted if is_wanted)
