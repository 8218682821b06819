"""What an exchange needs of the client's side, whatever HTTP version it speaks."""

from typing import TYPE_CHECKING, Protocol

from hostess_proxy.http1.heads import Request, RequestFields, Response
from hostess_proxy.routes.pages import Answer

if TYPE_CHECKING:
    import asyncio

    from hostess_proxy.exchange import Exchange
    from hostess_proxy.targets import LiveRoute, Target
    from hostess_proxy.telemetry.counting import Counts


class InFlight(Protocol):
    """What a target is busy with: a request, or (*upgraded*) bytes that are relayed."""

    @property
    def upgraded(self) -> bool:
        """Whether bytes are relayed whose end cannot be foreseen."""

    @property
    def counts(self) -> "Counts | None":
        """What is counted of the release that it is for."""

    def cut(self) -> None:
        """End it now: its target goes away."""

    def recheck(self) -> None:
        """End it where today's table lets it pass no more."""


class Ending(Protocol):
    """What ends with an exchange."""

    def close(self) -> None:
        """Hear that the exchange has ended."""


class Sink(Protocol):
    """Where the body of a response goes: the client, or what changes it on the way there."""

    def send_body(self, data: bytes) -> None:
        """Send more of the response's body."""

    def end_body(self, trailers: bytes = b"") -> None:
        """Complete the response's body; *trailers* are lines for clients that can take them."""


class Connection(Protocol):
    """What a worker has to know of each connection of a client. *deadline* is when `expired` shall be called."""

    deadline: float

    @property
    def transport(self) -> "asyncio.Transport":
        """The connection itself."""

    @property
    def exchange(self) -> InFlight | None:
        """What it is busy with."""

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed."""

    def drain(self, by: float) -> None:
        """Close until *by* if nothing goes on."""


class Backend(Protocol):
    """What an exchange needs of the backend's side, whatever HTTP version it speaks.

    *reused*: requests were sent there before; *got_bytes*: something of a response came.
    """

    target: "Target"
    reused: bool
    got_bytes: bool

    @property
    def untouched(self) -> bool:
        """Whether the backend says that it has not looked at the request."""

    @property
    def is_full(self) -> bool:
        """Whether something of the request waits to be taken."""

    def spare(self) -> None:
        """Hear that nothing will be sent: it was opened for nothing."""

    def send(self, exchange: "Exchange", head: bytes) -> None:
        """Begin a request."""

    def send_body(self, data: bytes) -> None:
        """Send more of the request's body (or of a tunnel)."""

    def end_body(self) -> None:
        """Complete the request's body."""

    def hold(self) -> None:
        """Read no more until `release`."""

    def release(self) -> None:
        """Read again."""

    def close(self, *, flush: bool = False) -> None:
        """Close, with *flush* after what was written; the exchange hears nothing of it."""

    def end_writing(self) -> None:
        """Half close a tunnel."""

    def body_again(self) -> list[bytes] | None:
        """Return what was sent of the body of a request that is *untouched*; None when it is not here any more."""


class Client(Protocol):
    """What an exchange needs of the client's side. *deadline* is when `Exchange.expired` shall be called."""

    deadline: float
    secure: bool
    address: str

    @property
    def transport(self) -> "asyncio.Transport":
        """The connection itself."""

    def find(self, request: Request) -> "LiveRoute | None":
        """Return where a request goes by today's table; None when nothing is served there."""

    def forwarding_lines(self, fields: RequestFields) -> bytes:
        """Return the X-Forwarded lines for a request, each with its CRLF."""

    def start_response(self, exchange: "Exchange", response: Response, data: bytes, *, ended: bool) -> None:
        """Send the head of the final response and its first bytes."""

    def send_body(self, data: bytes) -> None:
        """Send more of the response's body."""

    def end_body(self, trailers: bytes = b"") -> None:
        """Complete the response's body; *trailers* are lines for clients that can take them."""

    def send_interim(self, response: Response) -> None:
        """Send a 1xx response, where the client's version has them."""

    def send_continue(self) -> None:
        """Tell the client to send its body."""

    def send_answer(self, exchange: "Exchange", answer: Answer) -> int:
        """Send an answer of our own; return the length of its body."""

    def start_tunnel(self, exchange: "Exchange", response: Response, data: bytes) -> None:
        """Send the 101 and go over to relaying bytes."""

    def send_raw(self, data: bytes) -> None:
        """Send bytes of a tunnel."""

    def end_writing(self) -> None:
        """Half close a tunnel."""

    def hold_body(self, *, held: bool) -> None:
        """Read no more of the request's body, or read again."""

    def break_off(self) -> None:
        """Close so that the client sees that the response is incomplete."""

    def finished(self, exchange: "Exchange") -> None:
        """Hear that the exchange has ended; the connection may go on to the next."""
