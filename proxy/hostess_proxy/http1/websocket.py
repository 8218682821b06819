"""As much of WebSocket (RFC 6455) as a polite good-bye needs: where one frame ends and the next begins."""

from typing import Final

GOING_AWAY: Final = b"\x88\x02\x03\xe9"  # a Close frame from the server's side, code 1001

_SHORTEST_HEAD = 2
_LENGTH_BYTES = {126: 2, 127: 8}


class FrameBoundary:
    """Watches the frames that a server sends, knows whether the last byte seen ended one, and puts a last one of ours in."""

    __slots__ = ("_has_left", "_head", "_is_leaving", "_left")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._is_leaving = False
        self._has_left = False

    @property
    def between_frames(self) -> bool:
        """Whether a frame of ours may be put in now."""
        return not self._head and not self._left

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, cut anywhere; return what goes to the client: all of them, and nothing after our Close."""
        if self._has_left:
            return b""
        rest = data
        while rest:
            if self._is_leaving and self.between_frames:
                self._has_left = True
                return data[: len(data) - len(rest)] + GOING_AWAY
            rest = self._step(rest)
        return data + self.go_away() if self._is_leaving else data

    def go_away(self) -> bytes:
        """Ask the client to leave, as soon as a frame of the server's has ended; return what is to be sent now."""
        self._is_leaving = True
        if self._has_left or not self.between_frames:
            return b""
        self._has_left = True
        return GOING_AWAY

    def _step(self, data: bytes) -> bytes:
        """Take bytes of one frame; return those after it."""
        if self._left:
            step = min(self._left, len(data))
            self._left -= step
            return data[step:]
        head = self._head + data[:14]
        size = _frame_size(head)
        if size is None:
            self._head = head
            return b""
        whole_head, body = size
        used = whole_head - len(self._head)
        self._head = b""
        self._left = body
        return data[used:]


def _frame_size(head: bytes) -> tuple[int, int] | None:
    """Return the lengths of a frame's head and body, None while too little of the head is there."""
    if len(head) < _SHORTEST_HEAD:
        return None
    masked = 4 if head[1] & 0x80 else 0
    short = head[1] & 0x7F
    extra = _LENGTH_BYTES.get(short, 0)
    if len(head) < 2 + extra + masked:
        return None
    body = int.from_bytes(head[2 : 2 + extra], "big") if extra else short
    return 2 + extra + masked, body
