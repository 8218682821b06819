"""The receiving half of an HTTP/2 connection: bytes to frames, frames to their streams, and every rule that they may break.

    first SETTINGS ─► frames ─► GOAWAY (theirs or ours) ─► no stream left ─► closed

What a frame may do depends on what its stream is: not begun, open, half closed or over. Open streams are in `streams`; `UNEXPECTED`
in `rules` is the table of all other cases. A `StreamViolation` resets one stream, a `Violation` ends the connection.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hostess_proxy.exchange import NEVER
from hostess_proxy.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEAD,
    HEAD_SIZE,
    HEADERS,
    MAX_FRAME,
    PING,
    PRIORITY_SIZE,
    RST_STREAM,
    SETTINGS,
    STREAM_BITS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Code,
    Setting,
    StreamViolation,
    Violation,
    frame,
    goaway,
    read_goaway,
    read_number,
    read_settings,
    reset,
    settings,
    unpadded,
    window_update,
    without_priority,
)
from hostess_proxy.http2.hpack import MAX_LIST
from hostess_proxy.http2.rules import UNEXPECTED, Ended, State, Tally
from hostess_proxy.http2.sending import Http2Sender, Stream

if TYPE_CHECKING:
    from hostess_proxy.traffic import Traffic

HEAD_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 2.0
MAX_CONTINUATIONS: Final = 8
_PING_SIZE = 8
FIRST_STREAMS: Final = 100  # as many as all allow, until their settings tell


class Http2Connection(Http2Sender):
    """What both sides of the proxy share of receiving. *last* is the highest stream that the other side, or we, have begun."""

    __slots__ = (
        "_begun", "_block", "_buffer", "_continuations", "_ended", "_handlers", "_owed", "_window", "accepts", "deadline",
        "granted", "head_by", "is_overfull", "last", "max_streams", "prefix", "stream_window", "traffic",
    )  # fmt: skip

    def __init__(self, traffic: "Traffic", *, stream_window: int, window: int) -> None:
        super().__init__(Tally(traffic.now))
        self.traffic = traffic
        self.deadline = NEVER
        self.head_by = NEVER
        self.is_overfull = False  # whether so much waits to be sent that no frame is looked at
        self.accepts = False  # whether their first SETTINGS have come
        self.last = 0
        self.max_streams = FIRST_STREAMS
        self.prefix = b""  # what the next block that we send has to begin with
        self.stream_window = stream_window
        self.granted = FIRST_WINDOW
        self._window = window
        self._owed = window - FIRST_WINDOW
        self._buffer = b""
        self._begun: tuple[int, int] | None = None  # stream and flags of HEADERS that CONTINUATION follows
        self._block: list[bytes] = []
        self._continuations = 0
        self._ended = Ended()
        self._handlers: tuple[Callable[[int, int, bytes], None], ...] = (
            self._take_data, self._take_headers, self._take_priority, self._take_reset, self._take_settings, self._take_promise,
            self._take_ping, self._take_goaway, self._take_window_update, self._take_continuation,
        )  # fmt: skip

    def greet(self, first: bytes, said: dict[Setting, int]) -> None:
        """Send what a connection begins with: *first*, our settings, and a window for all streams together."""
        self.write(first + settings(said) + window_update(0, self._owed))
        self.granted += self._owed
        self._owed = 0

    # ---- what subclasses add

    @abstractmethod
    def take_block(self, number: int, block: bytes, *, ended: bool) -> None:
        """Take a block of fields."""

    @abstractmethod
    def went_away(self, last: int) -> None:
        """Take GOAWAY: the other side looks at no stream of ours above *last*."""

    @abstractmethod
    def is_idle(self, number: int) -> bool:
        """Whether nobody has begun this stream yet."""

    # ---- frames

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self.closing:
            return
        if self._buffer:
            data = self._buffer + data
        at, end = 0, len(data)
        try:
            while end - at >= HEAD_SIZE and not self.is_overfull:
                high, low, kind, flags, number = HEAD.unpack_from(data, at)
                size = high << 8 | low
                if size > MAX_FRAME:
                    raise Violation(Code.FRAME_SIZE_ERROR)  # noqa: TRY301 -- as all others
                start = at + HEAD_SIZE
                at = start + size
                if at > end:
                    at = start - HEAD_SIZE
                    break
                number &= STREAM_BITS
                if self._begun is not None or not self.accepts:
                    self._check_order(kind, flags, number)
                self._take_frame(kind, flags, number, data[start:at])
                if self.closing:
                    return
        except Violation as violation:
            self.fail(violation.code)
            return
        self._buffer = data[at:] if at else data

    def _take_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        try:
            if kind < len(self._handlers):
                self._handlers[kind](flags, number, payload)
            else:
                self.tally.count_empty(self.traffic.now)
        except StreamViolation as violation:
            self._violated(number, violation.code)

    def _check_order(self, kind: int, flags: int, number: int) -> None:
        """Check what has to be first, and what nothing may come between."""
        if self._begun is not None:
            if kind != CONTINUATION or number != self._begun[0]:
                raise Violation(Code.PROTOCOL_ERROR)
        elif kind != SETTINGS or flags & ACK:
            raise Violation(Code.PROTOCOL_ERROR)

    def _take_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self.granted -= size
        if self.granted < 0:
            raise Violation(Code.FLOW_CONTROL_ERROR)
        data = unpadded(payload, flags)
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            self._pay(size)
            self._unexpected(DATA, number, stream)
            return
        stream.granted -= size
        stream.kept += size
        if stream.granted < 0:
            raise StreamViolation(Code.FLOW_CONTROL_ERROR)
        ended = bool(flags & END_STREAM)
        if data or ended:
            self.tally.useful += 1
        else:
            self.tally.count_empty(self.traffic.now)
        stream.take_data(data, ended=ended)
        if not stream.held:
            self.pay_stream(stream)

    def _take_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number:
            raise Violation(Code.PROTOCOL_ERROR)
        block = unpadded(payload, flags)
        violation: StreamViolation | None = None
        if flags & WITH_PRIORITY:
            try:
                block = without_priority(block, number)
            except StreamViolation as error:
                violation, block = error, block[PRIORITY_SIZE:]
        if not flags & END_HEADERS:
            self._begun = (number, flags)
            self._block = [block]
            self._continuations = 0
            self.head_by = self.traffic.now + HEAD_SECONDS
            self.deadline = min(self.deadline, self.head_by)
            return
        self.take_block(number, block, ended=bool(flags & END_STREAM))
        if violation is not None:
            raise violation

    def _take_continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._begun is None:
            raise Violation(Code.PROTOCOL_ERROR)
        self._continuations += 1
        self._block.append(payload)
        if self._continuations > MAX_CONTINUATIONS or sum(map(len, self._block)) > MAX_LIST:
            raise Violation(Code.ENHANCE_YOUR_CALM)
        if flags & END_HEADERS:
            block, first = b"".join(self._block), self._begun[1]
            self._begun = None
            self._block = []
            self.head_by = NEVER
            self.take_block(number, block, ended=bool(first & END_STREAM))

    def _take_priority(self, flags: int, number: int, payload: bytes) -> None:
        del flags
        self.tally.count_empty(self.traffic.now)
        if not number:
            raise Violation(Code.PROTOCOL_ERROR)
        if len(payload) != PRIORITY_SIZE:
            raise StreamViolation(Code.FRAME_SIZE_ERROR)
        without_priority(payload, number)

    def _take_reset(self, flags: int, number: int, payload: bytes) -> None:
        del flags
        code = read_number(payload)
        stream = self.streams.get(number)
        if stream is None:
            self.tally.count_empty(self.traffic.now)
            self._unexpected(RST_STREAM, number, None)
            return
        self.count_reset()
        self.forget(stream, was_reset=False)
        stream.is_gone(code, untouched=code == Code.REFUSED_STREAM)

    def _take_settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Violation(Code.PROTOCOL_ERROR)
        if flags & ACK:
            if payload:
                raise Violation(Code.FRAME_SIZE_ERROR)
            return
        self.tally.count_empty(self.traffic.now)
        for key, value in read_settings(payload):
            if key == Setting.INITIAL_WINDOW_SIZE:
                self.set_initial_window(value)
            elif key == Setting.MAX_CONCURRENT_STREAMS:
                self.max_streams = value
            elif key == Setting.HEADER_TABLE_SIZE:
                self.prefix = (
                    b"\x20"  # RFC 7541 §4.2: the next block says that our table has no room; it never had an entry
                )
        self.accepts = True
        self.write(frame(SETTINGS, ACK, 0))

    def _take_promise(self, *_: object) -> None:
        raise Violation(Code.PROTOCOL_ERROR)  # clients may not, and servers were told not to

    def _take_ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Violation(Code.PROTOCOL_ERROR)
        if len(payload) != _PING_SIZE:
            raise Violation(Code.FRAME_SIZE_ERROR)
        self.tally.count_empty(self.traffic.now)
        if not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))

    def _take_goaway(self, flags: int, number: int, payload: bytes) -> None:
        del flags
        if number:
            raise Violation(Code.PROTOCOL_ERROR)
        self.tally.count_empty(self.traffic.now)
        last, _ = read_goaway(payload)
        self.went_away(last)

    def _take_window_update(self, flags: int, number: int, payload: bytes) -> None:
        del flags
        more = read_number(payload) & STREAM_BITS
        self.tally.count_empty(self.traffic.now)
        if number and number not in self.streams:
            self._unexpected(WINDOW_UPDATE, number, None)
            return
        self.grow_window(number, more)

    # ---- what is wrong

    def _unexpected(self, kind: int, number: int, stream: Stream | None) -> None:
        """Look up what to do about a frame that its stream does not await."""
        broken = UNEXPECTED[(self.state(number, stream), kind)]
        if broken is not None:
            violation, code = broken
            raise violation(code)  # one of its own each time: an exception keeps everything through which it passed

    def state(self, number: int, stream: Stream | None) -> State:
        """Return what a stream is that takes no frame of this kind."""
        if stream is not None:
            return State.HALF_CLOSED
        if not number or self.is_idle(number):
            return State.IDLE
        return self._ended.state(number)

    def unexpected_headers(self, number: int, stream: Stream | None) -> None:
        """Do what has to be done about fields for a stream that takes none."""
        self._unexpected(HEADERS, number, stream)

    def _violated(self, number: int, code: Code) -> None:
        """Reset a stream that broke a rule."""
        self.count_reset()
        stream = self.streams.get(number)
        if stream is None:
            self._ended.add(number, was_reset=True)
            self.write(reset(number, code))
            return
        self.reset(stream, code)
        stream.is_gone(code, untouched=False)

    def count_reset(self) -> None:
        """Count a stream that ends before its time; Violation when they are too many."""
        self.tally.count_reset(self.traffic.now)

    def fail(self, code: Code) -> None:
        """End the connection: it broke a rule, or we have no more use for it."""
        if self.closing:
            return
        self.write(goaway(self.last, code))
        self.flush()
        self.closing = True
        self._buffer = b""
        self._block = []
        for stream in list(self.streams.values()):
            self.forget(stream, was_reset=False)
            stream.is_gone(code, untouched=False)
        # What is still on its way is read and dropped: closing at once might cost the other side our last words.
        self.deadline = self.traffic.now + LINGER_SECONDS
        self.part()

    def part(self) -> None:
        """Let the other side read our last words, and go."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # ---- streams and their windows

    def forget(self, stream: Stream, *, was_reset: bool) -> None:
        """Drop a stream that has ended."""
        if self.streams.pop(stream.number, None) is None:
            return
        self._ended.add(stream.number, was_reset=was_reset)
        stream.queue = None
        stream.queued = 0
        if stream.kept:
            self._pay(stream.kept)
            stream.kept = 0

    def pay_stream(self, stream: Stream) -> None:
        """Let more come in place of what came in a stream, and has gone on."""
        size, stream.kept = stream.kept, 0
        self._pay(size)
        stream.owed += size
        if stream.owed > self.stream_window >> 1 and not stream.remote_ended and stream.number in self.streams:
            self.write(window_update(stream.number, stream.owed))
            stream.granted += stream.owed
            stream.owed = 0

    def _pay(self, size: int) -> None:
        self._owed += size
        if self._owed > self._window >> 2:
            self.write(window_update(0, self._owed))
            self.granted += self._owed
            self._owed = 0

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- why it was lost changes nothing
        """End all streams."""
        self.closing = True
        self._handlers = ()  # they hold the connection; nothing is to wait for the collector
        self.deadline = NEVER
        for stream in list(self.streams.values()):
            self.forget(stream, was_reset=False)
            stream.is_gone(Code.CANCEL, untouched=False)
