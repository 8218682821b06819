"""What is tried again, and where; the contract is the table in docs/proxy.md.

Nothing was sent to a target that let us not connect, so that any request may go to another one. A request that was sent and lost is
sent again only where that does no harm and no byte of a response came: on the same target where a kept connection had closed (the
old race: it closes while we write), else once on another one.

Such repeats are lent by the route's `Budget`. A request that kills what answers it must not go round, and targets that are in
trouble must not get twice the load.
"""

from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.ports import Backend
    from hostess_proxy.targets import LiveRoute, Target

MAX_TRIES: Final = 3
DIALING_SECONDS: Final = 3.0
FLOOR: Final = 20
SHARE: Final = 5  # one in so many
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
_SAME, _OTHER = 1, 2


class Budget:
    """How many repeats of one route may be on their way at once: FLOOR, and one for each SHARE requests in flight."""

    __slots__ = ("lent",)

    def __init__(self) -> None:
        self.lent = 0

    def lends(self, in_flight: int) -> bool:
        """Whether one more may go; then it is lent until `close`."""
        if self.lent >= FLOOR + in_flight // SHARE:
            return False
        self.lent += 1
        return True

    def close(self) -> None:
        """Take back what was lent for one exchange, which has ended."""
        self.lent -= 1


class Way(NamedTuple):
    """Where a request goes next. *repeat* is how it is sent again: 0 when it was not sent yet.

    A *target* of None: another table has come meanwhile, and asks something of the request, which begins anew.
    """

    live: "LiveRoute"
    target: "Target | None"
    repeat: int = 0


def is_repeatable(exchange: "Exchange") -> bool:
    """Whether sending the request twice does no harm, and can be done: its body, if any, must still be here."""
    request = exchange.request
    if not exchange.body_done or (exchange.received and exchange.spool is None):
        return False
    return request.method in _IDEMPOTENT or request.fields.replayable


def elsewhere(exchange: "Exchange") -> Way | None:
    """Return where a request goes that was not sent yet, by today's table; None when there is no other target, or no time."""
    # The time for which the request was held does not count.
    spent = monotonic() - exchange.started - exchange.waited
    if len(exchange.tried) >= MAX_TRIES or spent > DIALING_SECONDS:
        return None
    live = exchange.client.find(exchange.asked)
    if live is not None and begins_anew(exchange, live):
        return Way(live, None)
    return _way(exchange, exchange.tried, 0)


def begins_anew(exchange: "Exchange", live: "LiveRoute") -> bool:
    """Whether a request that was not sent yet begins anew on its way to *live*: that is of another table, and asks something of it."""
    return bool(live.checks) and exchange.live is not live and exchange.live is not live.canary


def once_more(exchange: "Exchange", lost: "Backend") -> Way | None:
    """Return where a request is sent again whose connection was *lost* before a response; None when it must not be."""
    live, target = exchange.live, exchange.target
    if lost.untouched:
        return _as_if_new(exchange, lost)
    if live is None or target is None or lost.got_bytes or exchange.repeat == _OTHER or not is_repeatable(exchange):
        return None
    if lost.reused and not exchange.repeat:
        way: Way | None = Way(live, target, _SAME)
    else:
        way = _way(exchange, (*exchange.tried, target), _OTHER)
    if way is None or not live.budget.lends(sum(len(one.exchanges) for one in live.targets)):
        return None
    exchange.ends_with += (live.budget,)
    return way


def _as_if_new(exchange: "Exchange", lost: "Backend") -> Way | None:
    """Return where a request goes that its backend has not looked at: there again, on what connection there is now."""
    live, target = exchange.live, exchange.target
    # A body that was read wholly before is poured out once more.
    body = lost.body_again() if exchange.spool is None else []
    if live is None or target is None or body is None or exchange.retries >= MAX_TRIES:
        return None
    exchange.pending = body
    return Way(live, target)


def today(exchange: "Exchange", tried: "tuple[Target, ...]" = ()) -> "LiveRoute | None":
    """Return the route by today's table: the canary's, if the request is for it and it has a target that is well and not *tried*."""
    live = exchange.client.find(exchange.asked)
    canary = live.canary if live is not None and exchange.live is not None and exchange.live.is_canary else None
    return canary if canary is not None and canary.is_well(exchange.traffic.now, tried) else live


def _way(exchange: "Exchange", tried: "tuple[Target, ...]", repeat: int) -> Way | None:
    live = today(exchange, tried)
    target = live.pick(exchange.traffic.now, tried) if live is not None else None
    return Way(live, target, repeat) if live is not None and target is not None else None
