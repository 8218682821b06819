"""The backend's side in HTTP/2, without TLS (h2c): a connection to a target, and one stream of it for each exchange.

A stream has the methods of `upstream.Upstream`, so an exchange does not know the difference. Its request is composed as one of HTTP/1, as
always, and said in HTTP/2 here; its response is written as the head that HTTP/1 would have and read by the same reader. Trailers
go on to clients that can take them: what gRPC says last.

What a backend says that it has not looked at (REFUSED_STREAM, or GOAWAY with a lower number) can be sent again, whatever the method, as
long as all that was sent of its body is still here.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from hostess_proxy.http1.heads import NO_BODY
from hostess_proxy.http1.refused import Refused
from hostess_proxy.http1.statuses import BODYLESS, FINAL, SWITCHING_PROTOCOLS
from hostess_proxy.http2.fields import request_block, response_head, trailer_lines
from hostess_proxy.http2.frames import PREFACE, STREAM_BITS, Code, Setting, StreamViolation
from hostess_proxy.http2.hpack import MAX_LIST, Decoder, Field, FieldsTooLarge
from hostess_proxy.http2.receiving import Http2Connection
from hostess_proxy.http2.rules import State
from hostess_proxy.http2.sending import Stream

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.http2.pool import Pool
    from hostess_proxy.targets import Target
    from hostess_proxy.traffic import Traffic

STREAM_WINDOW: Final = 128 * 1024
WINDOW: Final = 16 * 1024 * 1024
"""For all streams together; what one client does not take waits within its stream's window and stops no other."""
STREAMS: Final = WINDOW // STREAM_WINDOW // 2
"""On one connection, whatever the backend allows: when all stand still, and all wait to be told of more room, some of it is left."""
KEPT: Final = 64 * 1024
"""Bytes of a request's body that are kept until the backend has answered."""
_SETTINGS = {
    Setting.ENABLE_PUSH: 0,
    Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
    Setting.MAX_HEADER_LIST_SIZE: MAX_LIST,
}


class Http2Upstream(Http2Connection):
    """One connection to a target. It takes no new stream once its target has left the table, or either side is going."""

    __slots__ = ("_decoder", "_pool", "idle_since", "is_going", "target")

    def __init__(self, traffic: "Traffic", target: "Target", pool: "Pool") -> None:
        super().__init__(traffic, stream_window=STREAM_WINDOW, window=WINDOW)
        self.target = target
        self.idle_since = traffic.now
        self.is_going = False
        self._pool = pool
        self._decoder = Decoder()

    def has_room(self, most: int) -> bool:
        """Whether one more request can be sent here, where *most* may go at once."""
        return (
            len(self.streams) < min(most, STREAMS)
            and not self.is_going
            and not self.closing
            and self.last + 2 <= STREAM_BITS
        )

    def begin(self, stream: "UpstreamStream") -> None:
        """Give a stream its number."""
        # Ours are odd.
        self.last += 2 if self.last else 1
        stream.number = self.last
        stream.window = self.initial_window
        self.streams[stream.number] = stream

    def go(self) -> None:
        """Take no more requests, and close when those that are here have ended."""
        self.is_going = True
        if not self.streams:
            self.fail(Code.NO_ERROR)

    # ---- what the event loop, and the other side, tell

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and say what we are."""
        super().connection_made(transport)
        self.greet(PREFACE, _SETTINGS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell its exchanges."""
        self._pool.remove(self)
        super().connection_lost(exc)

    def take_block(self, number: int, block: bytes, *, ended: bool) -> None:
        """Take the fields of a response, or of its end."""
        try:
            fields: list[Field] | None = self._decoder.decode(block)
        except FieldsTooLarge:
            fields = None
        stream = self.streams.get(number)
        if not isinstance(stream, UpstreamStream) or stream.remote_ended:
            self.unexpected_headers(number, stream)
        else:
            self.tally.useful += 1
            stream.take_fields(fields, ended=ended)

    def went_away(self, last: int) -> None:
        """Send elsewhere what the backend will not look at, and let the rest end."""
        self.is_going = True
        self._pool.remove(self)
        for stream in [stream for stream in self.streams.values() if stream.number > last]:
            self.forget(stream, was_reset=False)
            stream.is_gone(Code.REFUSED_STREAM, untouched=True)
        if not self.streams:
            self.fail(Code.NO_ERROR)

    def is_idle(self, number: int) -> bool:
        """Whether we have not begun this stream; those with even numbers would be pushed, and never are."""
        return number > self.last or not number & 1

    def state(self, number: int, stream: Stream | None) -> State:
        """Return what a stream is that takes no frame of this kind. None was skipped: it has ended so long ago that it is forgotten."""
        found = super().state(number, stream)
        return State.RESET if found is State.SKIPPED else found

    def count_reset(self) -> None:
        """Do nothing: the streams are those of many clients, and what one of them brings about ends nothing of the others."""

    def half_closed(self, stream: Stream) -> None:
        """Wait for the response: the request is complete."""

    def forget(self, stream: Stream, *, was_reset: bool) -> None:
        """Drop a stream that has ended; after the last one the connection rests, or closes."""
        super().forget(stream, was_reset=was_reset)
        self.idle_since = self.traffic.now
        if not self.streams and not self.closing and (self.is_going or not self.target.in_table):
            self.fail(Code.NO_ERROR)

    def part(self) -> None:
        """Close."""
        self._pool.remove(self)
        self.transport.close()


class UpstreamStream(Stream):
    """One request on a connection to a target. It has no number until it is sent."""

    __slots__ = (
        "_has_begun",
        "_kept",
        "_kept_bytes",
        "_left",
        "connection",
        "exchange",
        "got_bytes",
        "reused",
        "target",
        "untouched",
    )

    def __init__(self, connection: Http2Upstream, *, reused: bool) -> None:
        super().__init__(0, 0, STREAM_WINDOW, remote_ended=False)
        self.connection = connection
        self.target = connection.target
        self.exchange: Exchange | None = None
        self.reused = reused
        self.got_bytes = False
        self.untouched = False
        self._kept: list[bytes] | None = []  # what was sent of the body, None when it is too much
        self._kept_bytes = 0
        self._has_begun = False
        self._left = -1  # bytes of the response that its length announced, -1 for any number

    # ---- what the exchange asks for

    @property
    def is_full(self) -> bool:
        """Whether something of the request waits to be taken."""
        return bool(self.queued)

    def spare(self) -> None:
        """Do nothing: a stream that was not sent is none."""

    def send(self, exchange: "Exchange", head: bytes) -> None:
        """Begin a request for *exchange*; its body follows by `send_body` and `end_body`."""
        self.exchange = exchange
        connection = self.connection
        connection.begin(self)
        block, connection.prefix = connection.prefix + request_block(head, b"http"), b""
        connection.send_head(self, block, b"", ended=exchange.request.fields.length == NO_BODY)

    def send_body(self, data: bytes) -> None:
        """Send more of the request's body."""
        if self._kept is not None:
            self._kept.append(data)
            self._kept_bytes += len(data)
            if self._has_begun or self._kept_bytes > KEPT:
                self._kept = None
        if not self.sent_end:
            self.connection.send_data(self, data, ended=False)

    def end_body(self) -> None:
        """Complete the request's body."""
        if not self.sent_end:
            self.connection.send_data(self, b"", ended=True)

    def hold(self) -> None:
        """Let no more of the response come until `release`: the client takes no more."""
        self.held = True

    def release(self) -> None:
        """Let it come again."""
        self.held = False
        self.connection.pay_stream(self)

    def close(self, *, flush: bool = False) -> None:  # noqa: ARG002 -- what is abandoned need not arrive
        """End the request, if it still goes on; the exchange hears nothing of it."""
        self.exchange = None
        self.connection.reset(self, Code.CANCEL)

    def end_writing(self) -> None:
        """Do nothing: there are no tunnels here."""

    def body_again(self) -> list[bytes] | None:
        """Return what was sent of the body, to be sent once more; None when it is not here any more."""
        return self._kept

    # ---- what the connection tells

    def take_fields(self, fields: list[Field] | None, *, ended: bool) -> None:
        """Take the fields of a response, interim or final, or its trailers; None where they were too large."""
        exchange = self.exchange
        if exchange is None:
            return
        self.got_bytes = True
        try:
            if fields is None:
                raise Refused(502, "head-too-large")  # noqa: TRY301 -- as what the reader refuses
            if self._has_begun:
                self._take_trailers(exchange, fields, ended=ended)
            else:
                self._take_head(exchange, fields, ended=ended)
        except Refused as error:
            exchange.backend_invalid(error.code)
        except StreamViolation:
            exchange.backend_invalid("bad-field")

    def _take_head(self, exchange: "Exchange", fields: list[Field], *, ended: bool) -> None:
        response = self.connection.traffic.heads.response(response_head(fields))
        if response.status < FINAL:
            if ended or response.status == SWITCHING_PROTOCOLS:
                raise StreamViolation(Code.PROTOCOL_ERROR)
            exchange.interim(response)
            return
        self._has_begun = True
        self._kept = None
        has_body = not exchange.is_head and response.status not in BODYLESS
        self._left = response.length if has_body and response.length >= 0 else -1 if has_body else 0
        if ended:
            if self._left > 0:
                raise Refused(502, "bad-length")
            self._part(exchange)
        exchange.response(response, b"", ended=ended)

    def _take_trailers(self, exchange: "Exchange", fields: list[Field], *, ended: bool) -> None:
        if not ended:
            raise StreamViolation(Code.PROTOCOL_ERROR)
        if self._left > 0:
            raise Refused(502, "bad-length")
        lines = trailer_lines(fields)
        self._part(exchange)
        exchange.response_end(lines)

    def take_data(self, data: bytes, *, ended: bool) -> None:
        """Take more of the response's body, which must be as long as was announced."""
        exchange = self.exchange
        if exchange is None:
            return
        if not self._has_begun:
            raise StreamViolation(Code.PROTOCOL_ERROR)
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0 or (ended and self._left):
                exchange.backend_invalid("bad-length")
                return
        if data:
            exchange.response_body(data)
        if ended and self.exchange is not None:
            self._part(exchange)
            exchange.response_end()

    def _part(self, exchange: "Exchange") -> None:
        """Part from the exchange, whose response is complete; what is left of its request need not be sent."""
        self.remote_ended = True
        self.exchange = exchange.upstream = None
        if self.sent_end:
            self.connection.forget(self, was_reset=False)
        else:
            self.connection.reset(self, Code.CANCEL)

    def is_gone(self, code: int, *, untouched: bool) -> None:  # noqa: ARG002 -- any early end is one
        """Tell the exchange that there will be no response, or no more of it."""
        exchange, self.exchange = self.exchange, None
        self.untouched = untouched and not self.got_bytes and self._kept is not None
        self.reused = self.reused or untouched
        if exchange is not None:
            exchange.upstream_lost(self)

    def backlog(self, *, held: bool) -> None:
        """Hold the client's body, or let it go on."""
        exchange = self.exchange
        if exchange is not None:
            (exchange.spool or exchange.client).hold_body(held=held)

    def progressed(self, size: int) -> None:
        """Do nothing: the client's deadline runs."""
