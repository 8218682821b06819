"""What HTTP/2 connections may do (RFC 9113 §5.1), and how often: a table of states, and counts.

Frames that carry nothing (pings, settings, priorities, empty bodies, ...) are counted against those that do: who sends many more of
them than a connection at work would is made to leave. So is who begins streams to have them reset, by whichever side.
"""

from collections import deque
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from hostess_proxy.http2.frames import DATA, HEADERS, RST_STREAM, WINDOW_UPDATE, Code, StreamViolation, Violation

CALM_SECONDS: Final = 10.0
"""How long frames are counted before the count begins anew."""
EMPTY_FRAMES: Final = 1000
"""Frames that carry nothing, and may come within that time beside those that belong to real work."""
RESETS: Final = 100
"""Streams that may be reset within that time before their response is complete, by either side."""
REMEMBERED: Final = 1024

_PER_FRAME_OF_USE = 4


class State(IntEnum):
    """What a stream is that is not open, as the other side sees it."""

    IDLE = 0
    HALF_CLOSED = 1
    CLOSED = 2
    SKIPPED = 3
    RESET = 4


UNEXPECTED: Final[Mapping[tuple[State, int], tuple[type[Violation], Code] | None]] = MappingProxyType({
    (State.IDLE, DATA): (Violation, Code.PROTOCOL_ERROR),
    (State.IDLE, HEADERS): (Violation, Code.PROTOCOL_ERROR),  # of a backend: only clients begin streams
    (State.IDLE, RST_STREAM): (Violation, Code.PROTOCOL_ERROR),
    (State.IDLE, WINDOW_UPDATE): (Violation, Code.PROTOCOL_ERROR),
    (State.HALF_CLOSED, DATA): (StreamViolation, Code.STREAM_CLOSED),
    (State.HALF_CLOSED, HEADERS): (StreamViolation, Code.STREAM_CLOSED),
    (State.CLOSED, DATA): (Violation, Code.STREAM_CLOSED),
    (State.CLOSED, HEADERS): (Violation, Code.STREAM_CLOSED),
    (State.CLOSED, RST_STREAM): None,
    (State.CLOSED, WINDOW_UPDATE): None,
    # A later one was begun instead (RFC 9113 §5.1.1).
    (State.SKIPPED, DATA): (Violation, Code.STREAM_CLOSED),
    (State.SKIPPED, HEADERS): (Violation, Code.PROTOCOL_ERROR),
    (State.SKIPPED, RST_STREAM): None,
    (State.SKIPPED, WINDOW_UPDATE): None,
    # These were on their way when we reset the stream.
    (State.RESET, DATA): None,
    (State.RESET, HEADERS): None,
    (State.RESET, RST_STREAM): None,
    (State.RESET, WINDOW_UPDATE): None,
})  # fmt: skip
"""What a frame breaks whose stream does not await it; None: nothing."""


class Tally:
    """Counts what costs us and brings nobody anything. *useful* are frames that carry something, in either direction."""

    __slots__ = ("_empty", "_resets", "_until", "useful")

    def __init__(self, now: float) -> None:
        self.useful = 0
        self._empty = 0
        self._resets = 0
        self._until = now + CALM_SECONDS

    def count_empty(self, now: float) -> None:
        """Count a frame that carries nothing; Violation when they are too many."""
        self._empty += 1
        if self._empty > EMPTY_FRAMES:
            self._begin_anew(now)
            if self._empty > EMPTY_FRAMES + _PER_FRAME_OF_USE * self.useful:
                raise Violation(Code.ENHANCE_YOUR_CALM)

    def count_reset(self, now: float) -> None:
        """Count a stream that ends before its time, whoever ends it; Violation when they are too many."""
        self._resets += 1
        if self._resets > RESETS:
            self._begin_anew(now)
            if self._resets > RESETS:
                raise Violation(Code.ENHANCE_YOUR_CALM)

    def _begin_anew(self, now: float) -> None:
        """Begin to count anew where the time is over."""
        if now >= self._until:
            self._until = now + CALM_SECONDS
            self._empty = self._resets = 1
            self.useful = 0


class Ended:
    """The streams that have ended lately, and how: what still comes for them depends on that."""

    __slots__ = ("_by_us", "_in_order")

    def __init__(self) -> None:
        self._in_order: deque[int] = deque(maxlen=REMEMBERED)
        self._by_us: deque[int] = deque(maxlen=REMEMBERED)

    def add(self, number: int, *, was_reset: bool) -> None:
        """Remember a stream; *was_reset*: by us."""
        (self._by_us if was_reset else self._in_order).append(number)

    def state(self, number: int) -> State:
        """Return what a stream is that was begun, or skipped, and is open no more."""
        if number in self._by_us:
            return State.RESET
        return State.CLOSED if number in self._in_order else State.SKIPPED
