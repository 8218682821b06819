"""The sending half of an HTTP/2 connection: frames are gathered and written together; bodies go as far as the windows let them.

Every stream has a window, and the connection has one (RFC 9113 §5.2): so many bytes may be sent until the other side allows
more. What does not fit waits in its stream, and whoever it comes from is asked to hold. Streams that wait for the connection alone
(its window, or a socket that takes no more) stand in a line and send one frame each in turn, so that a large body does not keep
small ones waiting.

What is written within one turn of the event loop leaves in one piece: one system call, and one record of TLS.
"""

import asyncio
from abc import abstractmethod
from collections import deque
from typing import Final, cast

from hostess_proxy.http2.frames import (
    DATA,
    END_STREAM,
    FIRST_WINDOW,
    HEAD,
    MAX_FRAME,
    MAX_WINDOW,
    Code,
    StreamViolation,
    Violation,
    frame,
    head_frames,
    reset,
)
from hostess_proxy.http2.rules import Tally

BACKLOG: Final = 32 * 1024
"""From so many waiting bytes on a stream's source is held."""

_GATHERED = 64 * 1024


class Stream:
    """One stream. *window* is how much may be sent in it; what waits is in *queue*; *granted* is how much may still come.

    *ends* means that nothing follows what waits, *trailers* is a block of fields to end with. *kept* are bytes that came and that
    the other side may not replace yet, *owed* those that it may, but was not told of.
    """

    __slots__ = (
        "ends", "granted", "held", "is_waiting", "kept", "number", "owed", "queue", "queued", "remote_ended", "sent_end",
        "trailers", "window",
    )  # fmt: skip

    def __init__(self, number: int, window: int, granted: int, *, remote_ended: bool) -> None:
        self.number = number
        self.window = window
        self.granted = granted
        self.queue: deque[bytes | memoryview] | None = None
        self.queued = 0
        self.ends = False
        self.trailers = b""
        self.sent_end = False
        self.is_waiting = False
        self.remote_ended = remote_ended
        self.held = False
        self.kept = 0
        self.owed = 0

    @abstractmethod
    def take_data(self, data: bytes, *, ended: bool) -> None:
        """Take bytes that came in this stream; StreamViolation when they may not be."""

    @abstractmethod
    def is_gone(self, code: int, *, untouched: bool) -> None:
        """Hear that the stream is no more; *untouched*: the other side says that it has not looked at it."""

    @abstractmethod
    def backlog(self, *, held: bool) -> None:
        """Hold what is sent here, or let it go on."""

    @abstractmethod
    def progressed(self, size: int) -> None:
        """Hear that so many bytes of what waited were sent."""


class Http2Sender(asyncio.Protocol):
    """What both sides of the proxy share of sending. *streams* are those that are open, by number."""

    transport: asyncio.Transport
    __slots__ = (
        "_flush_is_due", "_gathered", "_line", "_loop", "_out", "closing", "full", "initial_window", "streams", "tally",
        "transport", "window",
    )  # fmt: skip

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.streams: dict[int, Stream] = {}
        self.window = FIRST_WINDOW
        self.initial_window = FIRST_WINDOW
        self.full = False
        self.closing = False
        self._out: list[bytes] = []
        self._gathered = 0
        self._flush_is_due = False
        self._line: deque[Stream] = deque()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    # ---- frames

    def write(self, data: bytes) -> None:
        """Send frames, together with all others of this turn."""
        if self.closing:
            return
        self._out.append(data)
        self._gathered += len(data)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self.flush)
        elif self._gathered > _GATHERED:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        self._flush_is_due = False
        out = self._out
        if out:
            self._out = []
            self._gathered = 0
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    def send_head(self, stream: Stream, block: bytes, data: bytes, *, ended: bool) -> None:
        """Send a block of fields, and the first bytes of the body; with *ended* they are all."""
        if data:
            self.write(head_frames(stream.number, block, ended=False))
            self.send_data(stream, data, ended=ended)
        else:
            self.write(head_frames(stream.number, block, ended=ended))
            if ended:
                self._has_ended(stream)

    def send_data(self, stream: Stream, data: bytes, *, ended: bool) -> None:
        """Send bytes as far as the windows let them, the rest when they do; with *ended* nothing follows."""
        size = len(data)
        if (
            size <= MAX_FRAME
            and stream.queue is None
            and size <= stream.window
            and size <= self.window
            and not self.full
        ):
            stream.window -= size
            self.window -= size
            self.tally.useful += 1
            self.write(HEAD.pack(size >> 8, size & 0xFF, DATA, ended, stream.number) + data)
            if ended:
                self._has_ended(stream)
            return
        if stream.queue is None:
            stream.queue = deque()
        stream.queue.append(data)
        stream.queued += size
        stream.ends = ended
        self._wait(stream)
        self.pump()
        if stream.queued > BACKLOG:
            stream.backlog(held=True)

    def send_trailers(self, stream: Stream, block: bytes) -> None:
        """End a stream with a block of fields, after what waits in it."""
        if stream.queue is None:
            self.write(head_frames(stream.number, block, ended=True))
            self._has_ended(stream)
        else:
            stream.trailers = block
            stream.ends = True

    def reset(self, stream: Stream, code: int) -> None:
        """End a stream now, in both directions. It is not told."""
        if stream.number in self.streams:
            self.write(reset(stream.number, code))
            self.forget(stream, was_reset=True)

    @abstractmethod
    def forget(self, stream: Stream, *, was_reset: bool) -> None:
        """Drop a stream that has ended; *was_reset*: by us, so that more of it may still be on its way."""

    # ---- windows

    def grow_window(self, number: int, more: int) -> None:
        """Take WINDOW_UPDATE."""
        stream = self.streams.get(number)
        if stream is None:
            self.window += more
            if not more:
                raise Violation(Code.PROTOCOL_ERROR)
            if self.window > MAX_WINDOW:
                raise Violation(Code.FLOW_CONTROL_ERROR)
        else:
            stream.window += more
            if not more:
                raise StreamViolation(Code.PROTOCOL_ERROR)
            if stream.window > MAX_WINDOW:
                raise StreamViolation(Code.FLOW_CONTROL_ERROR)
            self._wait(stream)
        self.pump()

    def set_initial_window(self, size: int) -> None:
        """Take SETTINGS_INITIAL_WINDOW_SIZE: the windows of all streams change by the difference (RFC 9113 §6.9.2)."""
        more = size - self.initial_window
        self.initial_window = size
        for stream in self.streams.values():
            stream.window += more
            if stream.window > MAX_WINDOW:
                raise Violation(Code.FLOW_CONTROL_ERROR)
            self._wait(stream)
        self.pump()

    def pause_writing(self) -> None:
        """Let streams wait: the socket takes no more for now."""
        self.full = True

    def resume_writing(self) -> None:
        """Go on: the socket takes more again."""
        self.full = False
        self.pump()

    def _wait(self, stream: Stream) -> None:
        """Put a stream that has something to send, and may, at the end of the line."""
        if stream.queue is not None and not stream.is_waiting and (stream.window > 0 or not stream.queued):
            stream.is_waiting = True
            self._line.append(stream)

    def pump(self) -> None:
        """Send what may be sent of what waits: one frame for each stream in turn."""
        line = self._line
        while line and not self.full:
            stream = line[0]
            if stream.number not in self.streams:
                line.popleft()
                continue
            if stream.queued and self.window <= 0 < stream.window:
                return
            line.popleft()
            stream.is_waiting = False
            if stream.queue is not None and (stream.window > 0 or not stream.queued):
                self._send_piece(stream, stream.queue)
                self._wait(stream)

    def _send_piece(self, stream: Stream, queue: "deque[bytes | memoryview]") -> None:
        """Send one frame of what waits in a stream."""
        room = max(0, min(MAX_FRAME, stream.window, self.window))
        piece = queue.popleft()
        if len(piece) > room:
            view = memoryview(piece)
            queue.appendleft(view[room:])
            piece = view[:room]
        size = len(piece)
        stream.window -= size
        self.window -= size
        stream.queued -= size
        self.tally.useful += 1
        is_last = not queue
        if is_last:
            stream.queue = None
        ended = is_last and stream.ends and not stream.trailers
        self.write(frame(DATA, END_STREAM if ended else 0, stream.number, bytes(piece)))
        if is_last and stream.trailers:
            self.write(head_frames(stream.number, stream.trailers, ended=True))
            ended = True
        if ended:
            self._has_ended(stream)
        else:
            stream.progressed(size)
            if stream.queued <= BACKLOG:
                stream.backlog(held=False)

    def _has_ended(self, stream: Stream) -> None:
        """Note that we have sent everything in a stream."""
        stream.sent_end = True
        if stream.remote_ended:
            self.forget(stream, was_reset=False)
        else:
            self.half_closed(stream)

    @abstractmethod
    def half_closed(self, stream: Stream) -> None:
        """Hear that we have sent everything in a stream, and the other side has not."""
