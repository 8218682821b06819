"""As much of WebSocket (RFC 6455) as a polite good-bye needs: where one frame ends and the next begins."""

from typing import Final

GOING_AWAY: Final = b"\x88\x02\x03\xe9"  # a Close frame from the server's side, code 1001

_LENGTH_BYTES = {126: 2, 127: 8}


class FrameBoundary:
    """Watches the frames that a server sends and knows whether the last byte seen ended one."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    @property
    def between_frames(self) -> bool:
        """Whether a frame of ours may be put in now."""
        return not self._head and not self._left

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere."""
        while data:
            if self._left:
                step = min(self._left, len(data))
                self._left -= step
                data = data[step:]
                continue
            head = self._head + data[:14]
            size = _frame_size(head)
            if size is None:
                self._head = head
                return
            used = len(head) - len(self._head)
            whole_head, body = size
            data = data[used - (len(head) - whole_head) :]
            self._head = b""
            self._left = body


def _frame_size(head: bytes) -> tuple[int, int] | None:
    """Return the lengths of a frame's head and body, None while too little of the head is there."""
    if len(head) < 2:  # noqa: PLR2004 -- the shortest head
        return None
    masked = 4 if head[1] & 0x80 else 0
    short = head[1] & 0x7F
    extra = _LENGTH_BYTES.get(short, 0)
    if len(head) < 2 + extra + masked:
        return None
    body = int.from_bytes(head[2 : 2 + extra], "big") if extra else short
    return 2 + extra + masked, body
