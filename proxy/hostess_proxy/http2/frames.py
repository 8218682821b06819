"""HTTP/2 frames, without I/O (RFC 9113 §4, §6, §7): how they are laid out, how ours are made, and what is wrong with theirs.

Every frame is a head of nine bytes (length, type, flags, stream) and so many bytes more. What breaks a rule is a `Violation`: of
one stream, which is then reset and the rest goes on, or of the whole connection, which then ends with GOAWAY.
"""

from enum import IntEnum
from struct import Struct, error
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD: Final = Struct(">HBBBI")
"""A frame's head: the length's upper 16 and lower 8 bits, type, flags, stream."""
HEAD_SIZE: Final = 9
MAX_FRAME: Final = 16_384
MAX_WINDOW: Final = 0x7FFF_FFFF
FIRST_WINDOW: Final = 65_535
STREAM_BITS: Final = 0x7FFF_FFFF
MAX_SETTINGS: Final = 32
"""Settings in one frame: each may change the windows of all streams, and there are but a few of them."""

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 0x01
ACK: Final = 0x01
END_HEADERS: Final = 0x04
PADDED: Final = 0x08
WITH_PRIORITY: Final = 0x20
PRIORITY_SIZE: Final = 5

_NUMBER = Struct(">I")
_TWO_NUMBERS = Struct(">II")
_SETTING = Struct(">HI")
_LARGEST_FRAME = 0xFF_FFFF


class Code(IntEnum):
    """Why a stream or a connection ends (RFC 9113 §7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class Setting(IntEnum):
    """What the ends of a connection tell each other about themselves (RFC 9113 §6.5.2)."""

    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6


class Violation(Exception):  # noqa: N818 -- what is wrong is theirs
    """The whole connection breaks a rule."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class StreamViolation(Violation):
    """One stream breaks a rule; all others go on."""


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, number) + payload


def head_frames(number: int, block: bytes, *, ended: bool) -> bytes:
    """Return HEADERS with a block of fields, and CONTINUATION where it does not fit; *ended*: nothing follows in this stream."""
    flags = END_STREAM if ended else 0
    if len(block) <= MAX_FRAME:
        return frame(HEADERS, flags | END_HEADERS, number, block)
    parts = [frame(HEADERS, flags, number, block[:MAX_FRAME])]
    for at in range(MAX_FRAME, len(block), MAX_FRAME):
        is_last = at + MAX_FRAME >= len(block)
        parts.append(frame(CONTINUATION, END_HEADERS if is_last else 0, number, block[at : at + MAX_FRAME]))
    return b"".join(parts)


def reset(number: int, code: int) -> bytes:
    """Return RST_STREAM."""
    return frame(RST_STREAM, 0, number, _NUMBER.pack(code))


def window_update(number: int, more: int) -> bytes:
    """Return WINDOW_UPDATE: so many more bytes may come (in all streams together, for number 0)."""
    return frame(WINDOW_UPDATE, 0, number, _NUMBER.pack(more))


def goaway(last: int, code: int) -> bytes:
    """Return GOAWAY: streams above *last* are not, and will not be, looked at."""
    return frame(GOAWAY, 0, 0, _TWO_NUMBERS.pack(last, code))


def settings(values: dict[Setting, int]) -> bytes:
    """Return SETTINGS."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in values.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the settings of a frame in order, those that nobody knows too; Violation when one has no meaning."""
    try:
        pairs = list(_SETTING.iter_unpack(payload))
    except error:
        raise Violation(Code.FRAME_SIZE_ERROR) from None
    if len(pairs) > MAX_SETTINGS:
        raise Violation(Code.ENHANCE_YOUR_CALM)
    for key, value in pairs:
        if key == Setting.INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise Violation(Code.FLOW_CONTROL_ERROR)
        if key == Setting.ENABLE_PUSH and value > 1:
            raise Violation(Code.PROTOCOL_ERROR)
        if key == Setting.MAX_FRAME_SIZE and not MAX_FRAME <= value <= _LARGEST_FRAME:
            raise Violation(Code.PROTOCOL_ERROR)
    return pairs


def read_number(payload: bytes) -> int:
    """Return the one number that a frame holds; Violation when it has another size."""
    if len(payload) != _NUMBER.size:
        raise Violation(Code.FRAME_SIZE_ERROR)
    return int(_NUMBER.unpack(payload)[0])


def read_goaway(payload: bytes) -> tuple[int, int]:
    """Return the last stream that is looked at, and why; Violation when the frame is too short for that."""
    if len(payload) < _TWO_NUMBERS.size:
        raise Violation(Code.FRAME_SIZE_ERROR)
    last, code = _TWO_NUMBERS.unpack_from(payload)
    return last & STREAM_BITS, code


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return a payload without its padding."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise Violation(Code.FRAME_SIZE_ERROR)
    end = len(payload) - payload[0]
    if end < 1:
        raise Violation(Code.PROTOCOL_ERROR)
    return payload[1:end]


def without_priority(payload: bytes, number: int) -> bytes:
    """Return what follows the priority at a payload's beginning, which nobody minds."""
    if len(payload) < PRIORITY_SIZE:
        raise Violation(Code.FRAME_SIZE_ERROR)
    if _NUMBER.unpack_from(payload)[0] & STREAM_BITS == number:
        raise StreamViolation(Code.PROTOCOL_ERROR)
    return payload[PRIORITY_SIZE:]
