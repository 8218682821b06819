"""The client's side in HTTP/2: one connection, and a `Client` of an exchange for each of its streams.

    preface ─► requests, each in a stream ─► GOAWAY ─► streams end ─► closed

Everything that is asked of a request, and all that becomes of it, is the exchange's matter, as for HTTP/1. Here are the limits of the
connection: how many streams, how long it may be idle, how long a client may take nothing. A worker that drains says GOAWAY twice: first
that new streams will be refused soon, then, when what was on its way has come, from where on (RFC 9113 §6.8).
"""

import asyncio
from typing import TYPE_CHECKING, Final

from hostess_proxy.crowd import share_of
from hostess_proxy.exchange import NEVER, Exchange
from hostess_proxy.http1.headers import forwarding_fields, is_trusted, trusted_forwarding_fields
from hostess_proxy.http1.heads import Request, RequestFields
from hostess_proxy.http1.refused import Refused
from hostess_proxy.http2.client_stream import STREAM_WINDOW, ClientStream
from hostess_proxy.http2.fields import MINOR, RequestReader, answer_block, with_body
from hostess_proxy.http2.frames import PREFACE, STREAM_BITS, Code, Setting, StreamViolation, Violation, goaway
from hostess_proxy.http2.hpack import MAX_LIST
from hostess_proxy.http2.receiving import HEAD_SECONDS, Http2Connection
from hostess_proxy.http2.sending import Stream
from hostess_proxy.pace import FIRST_SECONDS, THEN_SECONDS, taken_or_ended
from hostess_proxy.routes.pages import Answer, render
from hostess_proxy.tcp import host_of, port_of

if TYPE_CHECKING:
    from hostess_proxy.downstream import Downstream
    from hostess_proxy.targets import LiveRoute
    from hostess_proxy.traffic import Traffic

MAX_STREAMS: Final = 128
WINDOW: Final = 4 * 1024 * 1024
"""For the bodies of all streams together: so large that a few that stand still do not stop the others."""
UNSENT: Final = 1024 * 1024
"""Bytes of frames that may wait for a client to take them until its own are looked at no more."""
IDLE_SECONDS: Final = 75.0
_LOOK_SECONDS = 0.5  # how often the deadlines of streams are looked at
_SETTINGS = {
    Setting.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
    Setting.MAX_HEADER_LIST_SIZE: MAX_LIST,
}


def take_over(client: "Downstream", data: bytes) -> bool:
    """Serve in HTTP/2 a connection whose first bytes, *data*, open it; False when they do not, and cannot become what does.

    They are no request of HTTP/1, and are looked at only after they were refused as such, so that nobody else pays for it.
    """
    if not PREFACE.startswith(data[: len(PREFACE)]):
        return False
    if len(data) >= len(PREFACE):
        client.lost = True
        client.traffic.leave(client)
        successor = Http2Downstream(client.traffic, secure=client.secure)
        client.transport.set_protocol(successor)
        successor.connection_made(client.transport)
        successor.data_received(data)
    return True


class Http2Downstream(Http2Connection):
    """One client's connection. While requests are open it stands for all of them as what it is busy with."""

    __slots__ = (
        "_awaits_preface", "_final_at", "_idle_by", "_lines", "_reader", "_refuses_above", "_stalled_by", "_taken", "_trusted", "address",
        "secure",
    )  # fmt: skip
    upgraded = False
    counts = None

    def __init__(self, traffic: "Traffic", *, secure: bool) -> None:
        super().__init__(traffic, stream_window=STREAM_WINDOW, window=WINDOW)
        self.secure = secure
        self.address = ""
        self._reader = RequestReader(traffic.heads)
        self._lines = b""
        self._trusted = False
        self._awaits_preface = True
        self._idle_by = NEVER
        self._stalled_by = NEVER
        self._taken = 0  # what the client had taken when that was looked at last, see `pace`
        self._final_at = NEVER
        self._refuses_above = STREAM_BITS

    # ---- what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and note who is there."""
        super().connection_made(transport)
        self.address = host_of(transport.get_extra_info("peername"))
        port = port_of(transport.get_extra_info("sockname"))
        self._lines = forwarding_fields(self.address, port, b"https" if self.secure else b"http")
        self._trusted = is_trusted(self.address, self.traffic.trusted)
        self.deadline = self.head_by = self.traffic.now + HEAD_SECONDS
        self.traffic.enter(self, "" if self._trusted else share_of(self.address))
        self.greet(b"", _SETTINGS)
        if self.traffic.draining:
            self.drain(self.deadline)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first ones must be the preface."""
        if self._awaits_preface:
            data = self._buffer + data
            if len(data) < len(PREFACE) and PREFACE.startswith(data):
                self._buffer = data
                return
            if not data.startswith(PREFACE):
                self.fail(Code.PROTOCOL_ERROR)
                return
            self._awaits_preface = False
            self._buffer = b""
            self.head_by = NEVER
            self.rest()
            data = data[len(PREFACE) :]
        super().data_received(data)

    def pause_writing(self) -> None:
        """Let streams wait, but not for ever: the client takes no more for now."""
        super().pause_writing()
        self._stalled_by = self.traffic.now + FIRST_SECONDS
        self.deadline = min(self.deadline, self._stalled_by)

    def resume_writing(self) -> None:
        """Go on: the client takes more again."""
        self._stalled_by = NEVER
        self._taken = 0
        super().resume_writing()
        if self.is_overfull and not self.transport.is_closing():
            self.is_overfull = False
            self.transport.resume_reading()
            self.data_received(b"")

    def flush(self) -> None:
        """Write what was gathered. A client that takes none of its answers, which may be all heads and know no window, asks no more."""
        super().flush()
        if self.full and self.transport.get_write_buffer_size() > UNSENT and not self.transport.is_closing():
            self.is_overfull = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and end its exchanges."""
        self.traffic.leave(self)
        super().connection_lost(exc)

    # ---- streams

    def take_block(self, number: int, block: bytes, *, ended: bool) -> None:
        """Begin a request, or end one that has trailers."""
        stream = self.streams.get(number)
        if number <= self.last or stream is not None or not number & 1:
            self._take_trailers(number, stream, good=self._reader.trailers(block) and ended)
            return
        self.last = number
        self.tally.useful += 1
        if len(self.streams) >= MAX_STREAMS or number > self._refuses_above:
            self._reader.trailers(block)
            raise StreamViolation(Code.REFUSED_STREAM)
        try:
            asked = self._reader.read(block)
        except Refused as error:
            self._refuse(number, error, ended=ended)
            return
        request = with_body(asked, ended=ended)
        begun = ClientStream(self, number, asked.length, ended=ended)
        self.streams[number] = begun
        self.deadline = min(self.deadline, self.traffic.now + _LOOK_SECONDS)
        begun.begin(request)

    def _take_trailers(self, number: int, stream: Stream | None, *, good: bool) -> None:
        if not number & 1:
            raise Violation(Code.PROTOCOL_ERROR)
        if stream is None or stream.remote_ended:
            self.unexpected_headers(number, stream)
        elif good:
            stream.take_data(b"", ended=True)
        else:
            raise StreamViolation(Code.PROTOCOL_ERROR)

    def _refuse(self, number: int, error: Refused, *, ended: bool) -> None:
        """Answer what is no request that could go on."""
        head, body = render(Answer(error.status, error.code), b"")
        self.traffic.log_refusal(self.address, error.status, error.code, len(body), minor=MINOR)
        stream = ClientStream(self, number, -1, ended=ended)
        self.streams[number] = stream
        self.send_head(stream, self.opening() + answer_block(head, b""), body, ended=True)

    def half_closed(self, stream: Stream) -> None:
        """Ask the client not to send the rest of a request that was answered (RFC 9113 §8.1)."""
        self.reset(stream, Code.NO_ERROR)

    def forget(self, stream: Stream, *, was_reset: bool) -> None:
        """Drop a stream that has ended; with the last one the connection rests, or ends."""
        super().forget(stream, was_reset=was_reset)
        if not self.streams and not self.closing:
            self.rest()

    def is_idle(self, number: int) -> bool:
        """Whether the client has not begun this stream yet; those with even numbers would be ours, and are never begun."""
        return number > self.last or not number & 1

    def went_away(self, last: int) -> None:
        """Do nothing: a client that goes away finishes what it began."""

    # ---- what the worker asks for

    @property
    def exchange(self) -> "Http2Downstream | None":
        """Itself, while requests are open."""
        return self if self.streams else None

    def cut(self) -> None:
        """End all requests now."""
        for exchange in self._exchanges():
            exchange.cut()
        self.flush()

    def recheck(self) -> None:
        """End those requests that today's table lets pass no more."""
        for exchange in self._exchanges():
            exchange.recheck()

    def expired(self, now: float) -> None:
        """Look at all deadlines."""
        if self.closing or self._stalled_by <= now:
            # What was sent last may still be on its way to a slow client.
            self._taken = taken_or_ended(self.transport, self._taken)
            self._stalled_by = now + THEN_SECONDS
        if self.closing:
            self.deadline = now + THEN_SECONDS
        elif self.head_by <= now:
            self.fail(Code.PROTOCOL_ERROR if self._awaits_preface else Code.ENHANCE_YOUR_CALM)
        else:
            self._say_final_goaway(now)
            streams = [stream for stream in self.streams.values() if isinstance(stream, ClientStream)]
            for stream in streams:
                stream.look(now)
            if not self.streams and self._idle_by <= now:
                self.fail(Code.NO_ERROR)
            elif not self.closing:
                self._look_again(now)

    def drain(self, by: float) -> None:
        """Say that we are about to go; *by* then no new stream is taken, and the connection ends with its last one."""
        if self.closing or self._final_at < NEVER or self._refuses_above < STREAM_BITS:
            return
        self._final_at = by
        if not self._awaits_preface:
            self.write(goaway(STREAM_BITS, Code.NO_ERROR))
        self.deadline = min(self.deadline, by)

    def _say_final_goaway(self, now: float) -> None:
        if self._final_at <= now:
            self._final_at = NEVER
            self._refuses_above = self.last
            self.write(goaway(self.last, Code.NO_ERROR))
            self.rest()

    def rest(self) -> None:
        """Wait for the next request, or end: no stream is open, or may be."""
        now = self.traffic.now
        self._idle_by = now if self._refuses_above < STREAM_BITS else now + IDLE_SECONDS
        self._look_again(now)

    def _look_again(self, now: float) -> None:
        soonest = now + _LOOK_SECONDS if self.streams else self._idle_by
        self.deadline = min(soonest, self.head_by, self._stalled_by, self._final_at)

    def _exchanges(self) -> list[Exchange]:
        streams = [stream for stream in self.streams.values() if isinstance(stream, ClientStream)]
        return [stream.exchange for stream in streams if stream.exchange is not None]

    # ---- what streams ask for

    def find(self, request: Request) -> "LiveRoute | None":
        """Return the route by host and path."""
        return self.traffic.targets.table.find(request.fields.name, request.path)

    def forwarding_lines(self, fields: RequestFields) -> bytes:
        """Return the X-Forwarded lines for a request."""
        host = fields.host or b""
        if not self._trusted or not fields.told:
            return self._lines + host + b"\r\n"
        return trusted_forwarding_fields(self.address, fields.told, self.traffic.trusted, self._lines + host)

    def opening(self) -> bytes:
        """Return what the next block of fields has to begin with."""
        opening, self.prefix = self.prefix, b""
        return opening
