"""One request of a client in HTTP/2: the `Client` of an exchange, and a stream of the client's connection."""

from typing import TYPE_CHECKING, Final

from hostess_proxy.exchange import NEVER, Exchange
from hostess_proxy.http1.heads import NO_BODY, Request, RequestFields, Response
from hostess_proxy.http1.statuses import CONTINUE
from hostess_proxy.http2.fields import answer_block, encoded_lines, interim_block, response_block
from hostess_proxy.http2.frames import Code, StreamViolation
from hostess_proxy.http2.sending import Stream
from hostess_proxy.pace import LEAST_BYTES
from hostess_proxy.routes.pages import Answer, render

if TYPE_CHECKING:
    import asyncio

    from hostess_proxy.http2.downstream import Http2Downstream
    from hostess_proxy.targets import LiveRoute

STREAM_WINDOW: Final = 256 * 1024
STALLED_SECONDS: Final = 60.0


class ClientStream(Stream):
    """One request of a client. *deadline* is the exchange's; a client that takes nothing of what waits has one of its own."""

    __slots__ = (
        "_announced", "_holds", "_received", "_stalled_by", "_taken", "address", "connection", "deadline", "exchange", "secure",
    )  # fmt: skip

    def __init__(self, connection: "Http2Downstream", number: int, announced: int, *, ended: bool) -> None:
        super().__init__(number, connection.initial_window, STREAM_WINDOW, remote_ended=ended)
        self.connection = connection
        self.secure = connection.secure
        self.address = connection.address
        self.deadline = NEVER
        self.exchange: Exchange | None = None
        self._announced = announced
        self._received = 0
        self._holds = False
        self._stalled_by = NEVER
        self._taken = 0  # bytes of what waits, since it was looked at last

    @property
    def transport(self) -> "asyncio.Transport":
        """The connection itself."""
        return self.connection.transport

    def begin(self, request: Request) -> None:
        """Send the request on its way."""
        self.exchange = Exchange(self.connection.traffic, self, request)
        self.exchange.begin()

    # ---- what the connection tells

    def take_data(self, data: bytes, *, ended: bool) -> None:
        """Take more of the request's body, which must be as long as was announced."""
        self._received += len(data)
        announced = self._announced
        if announced >= 0 and (self._received > announced or (ended and self._received < announced)):
            raise StreamViolation(Code.PROTOCOL_ERROR)
        self.remote_ended = ended
        exchange = self.exchange
        if exchange is not None and exchange.request.fields.length != NO_BODY:
            exchange.body(data, last=ended)

    def is_gone(self, code: int, *, untouched: bool) -> None:  # noqa: ARG002 -- why changes nothing
        """End the exchange: nobody waits for its response any more."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_gone()

    def backlog(self, *, held: bool) -> None:
        """Hold the backend, or let it go on."""
        if held != self._holds:
            self._holds = held
            upstream = self.exchange.upstream if self.exchange is not None else None
            if upstream is not None:
                upstream.hold() if held else upstream.release()
        if held and self._stalled_by == NEVER:
            self._stalled_by = self.connection.traffic.now + STALLED_SECONDS

    def progressed(self, size: int) -> None:
        """Give the client its time anew once it has taken enough of what waits for it."""
        self._taken += size
        if not self.queued:
            self._stalled_by, self._taken = NEVER, 0
        elif self._taken >= LEAST_BYTES:
            self._stalled_by, self._taken = self.connection.traffic.now + STALLED_SECONDS, 0

    def look(self, now: float) -> None:
        """Act on deadlines that have passed."""
        if self.queued and (self._stalled_by == NEVER or self.connection.full):
            # A connection that takes nothing is looked at as a whole.
            self._stalled_by = now + STALLED_SECONDS
        if self.queued and self._stalled_by <= now:
            self.connection.reset(self, Code.CANCEL)
            self.is_gone(Code.CANCEL, untouched=False)
        elif self.deadline <= now and self.exchange is not None:
            self.exchange.expired(now)

    # ---- what an exchange asks for

    def find(self, request: Request) -> "LiveRoute | None":
        """Return the route by today's table."""
        return self.connection.find(request)

    def forwarding_lines(self, fields: RequestFields) -> bytes:
        """Return the X-Forwarded lines for a request."""
        return self.connection.forwarding_lines(fields)

    def start_response(self, exchange: Exchange, response: Response, data: bytes, *, ended: bool) -> None:
        """Send the fields of the final response and its first bytes."""
        connection = self.connection
        live = exchange.live
        block = response_block(response, exchange.id, live.own_lines if live is not None else b"")
        if connection.prefix:
            block = connection.opening() + block
        connection.send_head(self, block, data, ended=ended)

    def send_body(self, data: bytes) -> None:
        """Send more of the response's body."""
        if data and not self.sent_end:
            self.connection.send_data(self, data, ended=False)

    def end_body(self, trailers: bytes = b"") -> None:
        """Complete the response's body."""
        if self.sent_end:
            return
        if trailers:
            self.connection.send_trailers(self, self.connection.opening() + encoded_lines(trailers))
        else:
            self.connection.send_data(self, b"", ended=True)

    def send_interim(self, response: Response) -> None:
        """Send a 1xx response; none to a client that takes nothing for now, and can do without."""
        connection = self.connection
        if connection.full:
            return
        block = connection.opening() + interim_block(response.status, response.forward)
        connection.send_head(self, block, b"", ended=False)

    def send_continue(self) -> None:
        """Tell the client to send its body."""
        self.connection.send_head(self, self.connection.opening() + interim_block(CONTINUE, b""), b"", ended=False)

    def send_answer(self, exchange: Exchange, answer: Answer) -> int:
        """Send an answer of our own; return the length of its body."""
        head, body = render(answer, exchange.request.fields.accept)
        if exchange.is_head:
            body = b""
        if self.number in self.connection.streams:
            block = self.connection.opening() + answer_block(head, exchange.id)
            self.connection.send_head(self, block, body, ended=True)
        return len(body)

    def hold_body(self, *, held: bool) -> None:
        """Let no more of the request's body come, or let it."""
        self.held = held
        if not held:
            self.connection.pay_stream(self)

    def break_off(self) -> None:
        """Reset the stream, so that the client sees that the response is incomplete."""
        self.connection.reset(self, Code.INTERNAL_ERROR)

    def finished(self, exchange: Exchange) -> None:
        """Let go of the exchange, which has ended; what waits here is still sent."""
        del exchange
        self.exchange = None
        self.deadline = NEVER
        if self.held:
            self.hold_body(held=False)

    # ---- there are no tunnels in HTTP/2 (RFC 9113 §8.6)

    def start_tunnel(self, exchange: Exchange, response: Response, data: bytes) -> None:
        """Do nothing: no request in HTTP/2 asks for another protocol."""

    def send_raw(self, data: bytes) -> None:
        """Do nothing."""

    def end_writing(self) -> None:
        """Do nothing."""
