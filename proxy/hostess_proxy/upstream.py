"""The backend's side: one HTTP/1.1 connection to a target, used for one exchange after another.

It frames responses; what happens to them is decided in `exchange`. Whatever is not a fully framed, well ended response makes
the connection unfit for another use: bytes that nobody asked for must never become somebody else's answer.
"""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy.http1.chunked import LAST_CHUNK, ChunkedDecoder, chunk
from hostess_proxy.http1.heads import CHUNKED, NO_BODY, Response, check_partial_response
from hostess_proxy.http1.refused import Refused
from hostess_proxy.http1.statuses import BODYLESS, FINAL, SWITCHING_PROTOCOLS

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.targets import Target
    from hostess_proxy.traffic import Traffic

# What the next bytes from the backend are.
_HEAD: Final = 0
_LENGTH: Final = 1
_CHUNKS: Final = 2
_UNTIL_CLOSE: Final = 3
_TUNNEL: Final = 4


class Upstream:
    """One connection to a target. *exchange* is the one it works for, None while it rests in the target's idle list.

    To the event loop it is an `asyncio.Protocol`; it does not inherit from it for the reason that `Downstream` gives.
    """

    __slots__ = (
        "_buffer", "_chunked_request", "_decoder", "_held", "_keep", "_left", "_reading", "closed", "exchange",
        "got_bytes", "idle_since", "reused", "target", "traffic", "transport",
    )  # fmt: skip
    transport: asyncio.Transport
    untouched = False  # HTTP/1 cannot tell

    def __init__(self, traffic: "Traffic", target: "Target") -> None:
        self.traffic = traffic
        self.target = target
        self.exchange: Exchange | None = None
        self.closed = False
        self.reused = False
        self.got_bytes = False
        self.idle_since = 0.0
        self._reading = _HEAD
        self._buffer = b""
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._keep = False
        self._held = False
        self._chunked_request = False

    # ---- what the exchange asks for

    def spare(self) -> None:
        """Rest: nobody needs the connection now."""
        self.target.give_back(self, self.traffic.now)

    def send(self, exchange: "Exchange", head: bytes) -> None:
        """Begin a request for *exchange*; its body follows by `send_body` and `end_body`."""
        self.exchange = exchange
        self.got_bytes = False
        self._reading = _HEAD
        self._chunked_request = exchange.request.fields.length == CHUNKED
        self.transport.write(head)

    @property
    def is_full(self) -> bool:
        """Whether something of the request waits to be taken."""
        return self.transport.get_write_buffer_size() > 0

    def send_body(self, data: bytes) -> None:
        """Send more of the request's body (or of a tunnel)."""
        self.transport.write(chunk(data) if self._chunked_request else data)

    def end_body(self) -> None:
        """Complete the request's body."""
        if self._chunked_request:
            self.transport.write(LAST_CHUNK)

    def hold(self) -> None:
        """Read no more until `release`: the client takes no more."""
        if not self._held and not self.closed:
            self._held = True
            self.transport.pause_reading()

    def release(self) -> None:
        """Read again."""
        if self._held and not self.closed:
            self._held = False
            self.transport.resume_reading()

    def close(self, *, flush: bool = False) -> None:
        """Close, with *flush* after what was written; the exchange, if any, hears nothing of it."""
        self.exchange = None
        if self.closed:
            return
        self.closed = True
        if flush:
            self.transport.close()
        else:
            self.transport.abort()

    def end_writing(self) -> None:
        """Half close a tunnel."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def body_again(self) -> None:
        """Return nothing: what was sent is not kept."""

    # ---- what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the backend."""
        exchange = self.exchange
        if exchange is None:
            # Nobody asked: a late answer, or a backend's "408, you were idle".
            self.close()
            return
        self.got_bytes = True
        reading = self._reading
        if reading == _HEAD:
            self._take_heads(exchange, data)
        elif reading == _LENGTH:
            self._take_length(exchange, data)
        elif reading == _CHUNKS:
            self._take_chunks(exchange, data)
        else:
            exchange.response_body(data)

    def pause_writing(self) -> None:
        """Hold the client's body: the backend takes no more for now."""
        exchange = self.exchange
        if exchange is not None:
            (exchange.spool or exchange.client).hold_body(held=True)

    def resume_writing(self) -> None:
        """Let the client go on: the backend takes more again."""
        exchange = self.exchange
        if exchange is not None:
            (exchange.spool or exchange.client).hold_body(held=False)

    def eof_received(self) -> bool:
        """Keep half-closed tunnels open; in all other cases the end of the stream is the end."""
        exchange = self.exchange
        if exchange is None:
            self.close()  # at once: a request of this very turn of the loop must not be given to it
        elif self._reading == _TUNNEL:
            return exchange.upstream_ended_writing()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, unless it was us who closed."""
        was_closed, self.closed = self.closed, True
        exchange, self.exchange = self.exchange, None
        if exchange is None or was_closed:
            return
        if self._reading == _UNTIL_CLOSE and exc is None:
            exchange.upstream = None
            exchange.response_end()
        else:
            exchange.upstream_lost(self)

    # ---- framing of responses

    def _take_heads(self, exchange: "Exchange", data: bytes) -> None:
        """Take interim responses and the head of the final one."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        end = data.find(b"\r\n\r\n")
        while end >= 0:
            try:
                response = self.traffic.heads.response(data[: end + 2])
            except Refused as error:
                exchange.backend_invalid(error.code)
                return
            data = data[end + 4 :]
            if response.status >= FINAL:
                self._take_final(exchange, response, data)
                return
            if response.status == SWITCHING_PROTOCOLS:
                self._take_switch(exchange, response, data)
                return
            exchange.interim(response)
            end = data.find(b"\r\n\r\n")
        try:
            check_partial_response(data)
        except Refused as error:
            exchange.backend_invalid(error.code)
            return
        self._buffer = data

    def _take_final(self, exchange: "Exchange", response: Response, data: bytes) -> None:
        length = response.length
        self._keep = response.keep_alive
        if length != NO_BODY and (exchange.is_head or response.status in BODYLESS):
            length = NO_BODY
        if length >= 0:
            missing = length - len(data)
            if missing <= 0:
                if missing < 0:
                    self._keep = False
                    data = data[:length]
                self._retire(exchange)
                exchange.response(response, data, ended=True)
                return
            self._reading = _LENGTH
            self._left = missing
            exchange.response(response, data, ended=False)
        elif length == CHUNKED:
            self._reading = _CHUNKS
            self._decoder = ChunkedDecoder()
            self._first_chunks(exchange, response, data)
        else:
            self._reading = _UNTIL_CLOSE
            exchange.response(response, data, ended=False)

    def _take_switch(self, exchange: "Exchange", response: Response, data: bytes) -> None:
        if not exchange.may_upgrade or not response.upgrade:
            exchange.backend_invalid("unasked-upgrade")
            return
        self._reading = _TUNNEL
        exchange.upgrade(response, data)

    def _take_length(self, exchange: "Exchange", data: bytes) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            exchange.response_body(data)
            return
        if left < 0:
            self._keep = False
            data = data[:left]
        self._retire(exchange)
        exchange.response_body(data)
        exchange.response_end()

    def _first_chunks(self, exchange: "Exchange", response: Response, data: bytes) -> None:
        body = self._decode(exchange, data)
        if body is None:
            return
        ended = self._decoder is None
        if ended:
            self._retire(exchange)
        exchange.response(response, body, ended=ended)

    def _take_chunks(self, exchange: "Exchange", data: bytes) -> None:
        body = self._decode(exchange, data)
        if body is None:
            return
        ended = self._decoder is None
        if ended:
            self._retire(exchange)
        if body:
            exchange.response_body(body)
        if ended:
            exchange.response_end()

    def _decode(self, exchange: "Exchange", data: bytes) -> bytes | None:
        """Return decoded bytes, None when the framing broke (the exchange knows); the decoder is dropped at the end."""
        decoder = self._decoder
        if decoder is None:
            return None
        try:
            body = decoder.feed(data)
        except Refused as error:
            exchange.backend_invalid(error.code)
            return None
        if decoder.finished:
            self._keep = self._keep and not decoder.rest
            self._decoder = None
        return body

    def _retire(self, exchange: "Exchange") -> None:
        """Part from the exchange, whose response is complete, and rest or close.

        It rests only when both messages were fully framed and sent; before the client is told, so that a pipelined request
        finds it.
        """
        exchange.upstream = None
        self.exchange = None
        if self._keep and exchange.body_done and not self.closed:
            self.release()
            self.reused = True
            self.target.give_back(self, self.traffic.now)
        else:
            self.close()
