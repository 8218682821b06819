"""The client's side: one HTTP/1.x connection, its requests one after another.

    head ─► exchange begun ─► (body) ─► response ─► next head │ close
      └── refused: an answer, then closed

A connection is closed lingering (we stop writing, and read on for a moment) wherever unread bytes may be on their way:
closing at once would make the kernel reset it, and the client might lose the answer (RFC 9112 §9.6).
"""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy import pace, tcp
from hostess_proxy.crowd import share_of
from hostess_proxy.exchange import NEVER, Exchange
from hostess_proxy.http1 import composing
from hostess_proxy.http1.chunked import LAST_CHUNK, ChunkedDecoder, chunk
from hostess_proxy.http1.headers import forwarding_fields, is_trusted, trusted_forwarding_fields
from hostess_proxy.http1.heads import CHUNKED, MAX_HEAD, NO_BODY, Request, RequestFields, Response, check_partial
from hostess_proxy.http1.refused import Refused
from hostess_proxy.http1.statuses import BODYLESS
from hostess_proxy.http2.downstream import take_over
from hostess_proxy.routes.pages import Answer, render

if TYPE_CHECKING:
    from hostess_proxy.targets import LiveRoute
    from hostess_proxy.traffic import Traffic

HEAD_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 75.0
LINGER_SECONDS: Final = 2.0
_MAX_AHEAD = 64 * 1024  # bytes taken from a client that sends requests ahead of their turn
_JOINED = 16 * 1024  # up to here a copy is cheaper than a second write


class Downstream:
    """One client's connection; the `Client` of its exchanges. To the event loop it is an `asyncio.Protocol`.

    It does not inherit from that class: where this module is compiled, only classes that are compiled, too, can be bases.
    """

    __slots__ = (
        "_ahead", "_body_left", "_chunks_out", "_closing", "_decoder", "_due", "_full", "_held", "_lingering", "_own_lines",
        "_taken", "_taking_heads", "_trusted", "_until_close", "address", "deadline", "exchange", "lost", "secure", "served",
        "traffic", "transport",
    )  # fmt: skip
    transport: asyncio.Transport
    may_be_http2 = True

    def __init__(self, traffic: "Traffic", *, secure: bool) -> None:
        self.traffic = traffic
        self.secure = secure
        self.address = ""
        self.deadline = NEVER
        self.exchange: Exchange | None = None
        self.served = 0
        self.lost = False
        self._own_lines = b""
        self._trusted = False
        self._ahead = b""  # bytes that came before their turn: part of a head, or requests sent ahead
        self._body_left = 0  # bytes of the current request's body that are still to come, or CHUNKED
        self._decoder: ChunkedDecoder | None = None
        self._chunks_out = False
        self._until_close = False
        self._closing = False
        self._lingering = False
        self._taking_heads = False
        self._full = False
        self._due = NEVER  # what the deadline was before the client took no more
        self._taken = 0  # what it had taken when that was looked at last, see `pace`
        self._held = False

    # ---- what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and note who is there."""
        self.transport = cast("asyncio.Transport", transport)
        self.address = tcp.host_of(transport.get_extra_info("peername"))
        port = tcp.port_of(transport.get_extra_info("sockname"))
        self._own_lines = forwarding_fields(self.address, port, b"https" if self.secure else b"http")
        self._trusted = self._trusted or is_trusted(self.address, self.traffic.trusted)
        self.deadline = self.traffic.now + HEAD_SECONDS
        self._closing = not self.traffic.enter(self, "" if self._trusted else share_of(self.address))

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        exchange = self.exchange
        if exchange is None:
            if not self._closing:
                self._take_requests(data)
        elif self._body_left:
            self._take_body(exchange, data)
        elif exchange.upgraded:
            exchange.tunnel_data(data)
        else:
            self._ahead += data
            if len(self._ahead) > _MAX_AHEAD:
                self._set_reading()

    def pause_writing(self) -> None:
        """Hold the backend: the client takes no more for now."""
        self._full = True
        self._due, self.deadline = self.deadline, self.traffic.now + pace.FIRST_SECONDS
        if self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.hold()

    def resume_writing(self) -> None:
        """Let the backend go on: the client takes more again."""
        self._full = False
        exchange = self.exchange
        if exchange is None:
            self.deadline = self.traffic.now + IDLE_SECONDS
            self._take_ahead()
            return
        self.deadline = self._due
        if exchange.upstream is not None:
            exchange.upstream.release()

    def eof_received(self) -> bool:
        """Keep half-closed tunnels open; else a client that stops sending has left (it cannot be told from a hang-up)."""
        exchange = self.exchange
        return exchange is not None and exchange.upgraded and exchange.client_ended_writing()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- why it was lost changes nothing
        """Forget the connection and end its exchange."""
        self.lost = True
        self._closing = True
        self.deadline = NEVER
        self.traffic.leave(self)
        if self.exchange is not None:
            self.exchange.client_gone()

    # ---- requests

    def _take_requests(self, data: bytes) -> None:
        """Take bytes between requests: mostly one whole head, and often one that came before."""
        if self._ahead:
            self._take_heads(self._ahead + data)
            return
        request = None if self._full else self.traffic.heads.known(data)
        if request is None:
            self._take_heads(data)
        else:
            self._begin(request)

    def _take_heads(self, data: bytes) -> None:
        """Take request heads, and begin their exchanges, until one has to be waited for."""
        self._ahead = data
        self._taking_heads = True
        try:
            while self._ahead and self.exchange is None and not self._closing and not self._full:
                if not self._take_head():
                    break
        except Refused as error:
            if self.served or not self.may_be_http2 or not take_over(self, self._ahead):
                self._refuse(error)
        finally:
            self._taking_heads = False
        if len(self._ahead) > _MAX_AHEAD:
            self._set_reading()

    def _take_ahead(self) -> None:
        """Go on with requests that were sent ahead."""
        if self._ahead and not self._taking_heads:
            self._take_heads(self._ahead)
        self._set_reading()

    def _take_head(self) -> bool:
        data = self._ahead
        # RFC 9112 §2.2: one empty line before a request is overlooked.
        start = 2 if data.startswith(b"\r\n") else 0
        end = data.find(b"\r\n\r\n", start)
        if end < 0:
            check_partial(data[start:])
            if not self._held and self.deadline > self.traffic.now + HEAD_SECONDS:
                self.deadline = self.traffic.now + HEAD_SECONDS
            return False
        if end - start > MAX_HEAD:
            raise Refused(431, "fields-too-large")
        heads = self.traffic.heads
        request = heads.request(data[start : end + 2])
        self._ahead = data[end + 4 :]
        if not self._ahead and not start:
            heads.learn(data, request)
        self._begin(request)
        return True

    def _begin(self, request: Request) -> None:
        exchange = Exchange(self.traffic, self, request)
        self.exchange = exchange
        length = request.fields.length
        self._body_left = length
        if length == NO_BODY:
            exchange.begin()
            return
        self._decoder = ChunkedDecoder() if length == CHUNKED else None
        exchange.begin()
        if self._ahead and not exchange.ended:
            data, self._ahead = self._ahead, b""
            self._take_body(exchange, data)

    def _take_body(self, exchange: Exchange, data: bytes) -> None:
        try:
            body = self._decode(data)
        except Refused as error:
            exchange.client_invalid(error.status, error.code)
            return
        exchange.body(body, last=not self._body_left)

    def _decode(self, data: bytes) -> bytes:
        decoder = self._decoder
        if decoder is not None:
            body = decoder.feed(data)
            if decoder.finished:
                self._body_left = 0
                self._ahead = decoder.rest
                self._decoder = None
            return body
        left = self._body_left
        if len(data) > left:
            self._ahead = data[left:]
            data = data[:left]
        self._body_left = left - len(data)
        return data

    def _refuse(self, error: Refused) -> None:
        """Answer what is no request; nothing after it can be read, so the connection ends."""
        head, body = render(Answer(error.status, error.code), b"")
        self.traffic.log_refusal(self.address, error.status, error.code, len(body))
        self.transport.write(head + b"Connection: close\r\n\r\n" + body)
        self._close_lingering()

    # ---- what an exchange asks for

    def find(self, request: Request) -> "LiveRoute | None":
        """Return the route by host and path."""
        return self.traffic.targets.table.find(request.fields.name, request.path)

    def forwarding_lines(self, fields: RequestFields) -> bytes:
        """Return the X-Forwarded lines for a request."""
        host = fields.host or b""
        if not self._trusted or not fields.told:
            return self._own_lines + host + b"\r\n"
        return trusted_forwarding_fields(self.address, fields.told, self.traffic.trusted, self._own_lines + host)

    def start_response(self, exchange: Exchange, response: Response, data: bytes, *, ended: bool) -> None:
        """Send the head of the final response and its first bytes."""
        framing = b""
        self._chunks_out = self._until_close = False
        if response.length < 0 and not exchange.is_head and response.status not in BODYLESS:
            if exchange.request.minor:
                framing = composing.IN_CHUNKS
                self._chunks_out = True
                data = (chunk(data) if data else b"") + (LAST_CHUNK if ended else b"")
            else:
                self._until_close = self._closing = True
        framing += self._persistence(exchange)
        live = exchange.live
        own = live.own_lines if live is not None else b""
        is_joined = len(data) <= _JOINED
        self.transport.write(composing.head(response, exchange.id, framing, own, data if is_joined else b""))
        if not is_joined:
            self.transport.write(data)

    def _persistence(self, exchange: Exchange) -> bytes:
        """Return the Connection line of a response; decides whether the connection lives on."""
        request = exchange.request
        fields = request.fields
        if self._closing or fields.close or self.traffic.draining or not exchange.body_done:
            self._closing = True
            return composing.CLOSE
        if request.minor:
            return b""
        if fields.keep_alive:
            return composing.KEEP_ALIVE
        self._closing = True
        return composing.CLOSE

    def send_body(self, data: bytes) -> None:
        """Send more of the response's body."""
        self.transport.write(chunk(data) if self._chunks_out else data)

    def end_body(self, trailers: bytes = b"") -> None:  # noqa: ARG002 -- few clients of HTTP/1 take any
        """Complete the response's body."""
        if self._chunks_out:
            self.transport.write(LAST_CHUNK)

    def send_interim(self, response: Response) -> None:
        """Send a 1xx response to clients whose version has them."""
        if self.exchange is not None and self.exchange.request.minor:
            self.transport.write(response.line + response.forward + b"\r\n")

    def send_continue(self) -> None:
        """Tell the client to send its body."""
        if self.exchange is not None and self.exchange.request.minor:
            self.transport.write(composing.CONTINUE)

    def send_answer(self, exchange: Exchange, answer: Answer) -> int:
        """Send an answer of our own; return the length of its body."""
        head, body = render(answer, exchange.request.fields.accept)
        if exchange.is_head:
            body = b""
        lines = b"X-Request-Id: %b\r\n%b\r\n" % (exchange.id, self._persistence(exchange))
        if not self.lost:
            self.transport.write(head + lines + body)
        return len(body)

    def start_tunnel(self, exchange: Exchange, response: Response, data: bytes) -> None:
        """Send the 101 and go over to relaying bytes; what the client sent ahead goes first."""
        self._closing = True
        self.transport.write(composing.switch(response, exchange.id) + data)
        tcp.watch(self.transport)
        ahead, self._ahead = self._ahead, b""
        if ahead:
            exchange.tunnel_data(ahead)
        self._set_reading()

    def send_raw(self, data: bytes) -> None:
        """Send bytes of a tunnel."""
        if data:
            self.transport.write(data)

    def end_writing(self) -> None:
        """Half close a tunnel."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def hold_body(self, *, held: bool) -> None:
        """Read no more of the request's body, or read again."""
        self._held = held
        self._set_reading()

    def break_off(self) -> None:
        """Close so that the client sees that the response is incomplete.

        Where a length or chunks frame the body, an early end tells; where only the end frames it, a reset must.
        """
        self._closing = True
        if self._until_close and not self.lost:
            tcp.reset(self.transport)

    def finished(self, exchange: Exchange) -> None:
        """Go on to the next request, or close: the exchange has ended."""
        self.exchange = None
        self.served += 1
        if self.lost:
            return
        if self._held:
            self.hold_body(held=False)
        if self._closing:
            if self._ahead or not exchange.body_done:
                self._close_lingering()
            else:
                self.deadline = self.traffic.now + pace.FIRST_SECONDS
                self.transport.close()
            return
        if not self._full:
            self.deadline = self.traffic.now + IDLE_SECONDS
        if self._ahead and not self._taking_heads:
            self._take_ahead()

    # ---- the end of a connection

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed; how depends on what was being waited for."""
        if self._lingering or self._full or self.transport.is_closing():
            self._taken = pace.taken_or_ended(self.transport, self._taken)
            self.deadline = now + pace.THEN_SECONDS
        elif self.exchange is not None:
            self.exchange.expired(now)
        elif self._ahead.strip(b"\r\n"):
            self._refuse(Refused(408, "head-timeout"))
        else:
            self._closing = True
            self.transport.close()

    def drain(self, by: float) -> None:
        """Close soon if idle. Not at once: a request may be on its way (the response to it will say close). Tunnels are told."""
        exchange = self.exchange
        if exchange is not None:
            exchange.go_away()
        elif not self._ahead:
            self.deadline = min(self.deadline, by)

    def _close_lingering(self) -> None:
        self._closing = self._lingering = True
        self._ahead = b""
        self._held = False
        self.deadline = self.traffic.now + LINGER_SECONDS
        if not self.transport.is_closing():
            self.transport.write_eof()
            self._set_reading()

    def _set_reading(self) -> None:
        if self.lost or self.transport.is_closing():
            return
        if self._held or (len(self._ahead) > _MAX_AHEAD and not self._lingering):
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
