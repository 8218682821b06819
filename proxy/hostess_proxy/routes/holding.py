"""Requests that are held until another table comes: their route pauses, or nothing runs behind it yet and it is being woken.

A held request costs no task and no connection: `Waiting` stands where a connection to a backend would, and keeps the client from
sending more of the body. With every table all of them begin anew, in the order in which they came: to wait on, to be sent, to be
answered, as that table says.
"""

from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from hostess_proxy.routes.pages import Answer
from hostess_proxy.tables.terms import Hold
from hostess_proxy.tcp import hung_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostess_proxy.exchange import Exchange
    from hostess_proxy.tables.table import Route

HELD: Final = Answer(0, "held")
"""What a check says when it has put the request into a room."""

CALL_SECONDS: Final = 1.0
"""How often is said that somebody waits for a service that sleeps."""

_FULL = Answer(503, "too-many-held")


class Sleeper(NamedTuple):
    """A route without targets that somebody has asked for: whose it is, and which of them."""

    project: str
    service: str
    host: str
    path: str


class Waiting:
    """One request's place in a room. At the *deadline* it is answered with this *status* and *code*."""

    __slots__ = ("_room", "code", "deadline", "exchange", "status")
    is_full = False  # nothing of a request waits here for a backend that does not take it

    def __init__(self, exchange: "Exchange", room: "Room", deadline: float, late: tuple[int, str]) -> None:
        self.exchange = exchange
        self.deadline = deadline
        self.status, self.code = late
        self._room = room
        self.release()

    def send_body(self, data: bytes) -> None:
        """Keep what has come of the body, and let no more come."""
        self.exchange.pending.append(data)
        self.exchange.client.hold_body(held=True)
        self.release()

    def end_body(self) -> None:
        """Note that the body is complete."""
        self.exchange.pending.append(b"")
        self.exchange.client.hold_body(held=False)
        self.release()

    def hold(self) -> None:
        """Do nothing: there is nothing to be sent to the client."""

    def release(self) -> None:
        """Let nothing but our own deadline count, whatever has happened on the client's side."""
        self.exchange.client.deadline = float("inf")

    def end_writing(self) -> None:
        """Hear that a tunnel is half closed; there is none here."""

    def close(self, *, flush: bool = False) -> None:  # noqa: ARG002 -- nothing waits here to be flushed
        """Leave the place to somebody else: the request has ended."""
        self._room.waiting.pop(self, None)


class Room:
    """Those who wait at one route; *sleeper* is what they wait for, if it is to be woken, *called* when that was last said."""

    __slots__ = ("called", "sleeper", "waiting")

    def __init__(self, sleeper: Sleeper | None) -> None:
        self.waiting: dict[Waiting, None] = {}
        self.sleeper = sleeper
        self.called = float("-inf")


class Holding:
    """The held requests of one worker. *call* hears of services that are to be woken, again and again while somebody waits."""

    __slots__ = ("_rooms", "call")

    def __init__(self) -> None:
        self._rooms: dict[tuple[str, str], Room] = {}
        self.call: Callable[[list[Sleeper]], None] | None = None

    def take(
        self, exchange: "Exchange", route: "Route", hold: Hold, late: tuple[int, str], *, wake: bool = False
    ) -> Answer:
        """Hold a request and return HELD, or an answer where too many wait already. Time counts from when it came.

        *late* is how it is answered when that is over.
        """
        place = route.host, route.path
        room = self._rooms.get(place)
        if room is None:
            sleeper = Sleeper(route.project, route.service, *place) if wake else None
            room = self._rooms[place] = Room(sleeper)
        if len(room.waiting) >= hold.requests:
            return _FULL
        exchange.upstream = waiting = Waiting(exchange, room, exchange.started + hold.seconds, late)
        room.waiting[waiting] = None
        if not exchange.body_done:
            exchange.client.hold_body(held=True)
        self._call([room], exchange.started + exchange.waited)
        return HELD

    def release(self) -> None:
        """Let all begin anew: there is another table. Who has hung up meanwhile is sent to nobody."""
        rooms, self._rooms = self._rooms, {}
        now = monotonic()
        for room in rooms.values():
            for waiting in list(room.waiting):
                exchange = waiting.exchange
                if not exchange.ended and not _gone(exchange):
                    _go_on(exchange, now)

    def sweep(self, now: float) -> None:
        """Answer who has waited too long, forget who has hung up, and call again for what is still waited for."""
        if not self._rooms:
            return
        for room in list(
            self._rooms.values()
        ):  # a client that is answered may have sent the next request ahead, for another one
            for waiting in list(room.waiting):
                if waiting.deadline <= now:
                    waiting.exchange.refuse(waiting.status, waiting.code, "timeout")
                else:
                    _gone(waiting.exchange)
        self._rooms = {place: room for place, room in self._rooms.items() if room.waiting}
        self._call(self._rooms.values(), now)

    def _call(self, rooms: "Iterable[Room]", now: float) -> None:
        due = [room for room in rooms if room.sleeper is not None and now - room.called >= CALL_SECONDS]
        if not due or self.call is None:
            return
        for room in due:
            room.called = now
        self.call([room.sleeper for room in due if room.sleeper is not None])


def _go_on(exchange: "Exchange", now: float) -> None:
    """Let a request begin anew, and hand on what has come of its body, to whatever stands there now."""
    body, exchange.pending = exchange.pending, []
    exchange.upstream = None
    exchange.waited = now - exchange.started
    if not exchange.body_done:
        exchange.client.hold_body(held=False)
    exchange.begin()
    upstream = exchange.upstream
    if exchange.ended or not body:
        return
    if upstream is None:
        exchange.pending = body
        exchange.client.hold_body(held=True)
        return
    for data in body:
        if data:
            upstream.send_body(data)
    if exchange.body_done:
        upstream.end_body()


def _gone(exchange: "Exchange") -> bool:
    """Whether a client has hung up, which nobody tells while nothing is read from it; its connection is closed."""
    transport = exchange.client.transport
    if transport.is_closing():
        return True
    if not hung_up(transport):
        return False
    transport.abort()
    return True
