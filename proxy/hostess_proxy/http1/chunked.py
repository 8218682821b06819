"""Chunked bodies, without I/O: a strict decoder (RFC 9112 §7.1).

Bodies are decoded and framed anew on the other side, so that sizes in odd spellings, extensions and trailers end here.
"""

import re
from typing import Final

from hostess_proxy.http1.refused import Refused

LAST_CHUNK: Final = b"0\r\n\r\n"

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;%b(?:=(?:%b|\"[!#-\[\]-~]*\"))?)*" % (_TOKEN, _TOKEN))
_PLAIN_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")
_CRLF = len(b"\r\n")
_MAX_SIZE_LINE = 15 + 1 + 256
_MAX_EXTENSIONS = 16 * 1024
_MAX_TRAILERS = 8 * 1024


class ChunkedDecoder:
    """Takes what arrives, piece by piece, and gives the body's bytes.

    After `finished` nothing more is taken; `rest` holds what came behind the body. A wrong byte raises Refused (400), after
    which the decoder is of no more use.
    """

    __slots__ = ("_left", "_line", "_overhead", "_trailers", "finished", "rest")

    def __init__(self) -> None:
        self.finished = False
        self.rest = b""
        self._left = 0  # bytes of the current chunk that are still to come, its CRLF included
        self._line = b""  # the beginning of a line whose end has not come
        self._overhead = 0
        self._trailers = False

    def feed(self, data: bytes) -> bytes:
        """Return the body bytes that *data* holds."""
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.finished:
            if self._left:
                at = self._chunk(data, at, pieces)
            elif self._line or self._trailers:
                at = self._take_line(data, at)
            else:
                at = _whole_chunks(data, at, pieces)
                if at < end:
                    at = self._take_line(data, at)
        if at < end:
            self.rest += data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _chunk(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Take bytes of the current chunk and, behind them, its CRLF; return where they end."""
        left = self._left
        if left > _CRLF:
            piece = data[at : at + left - _CRLF]
            pieces.append(piece)
            at += len(piece)
            left -= len(piece)
        if left <= _CRLF:
            ending = data[at : at + left]
            if not b"\r\n".startswith(ending, _CRLF - left):
                raise Refused(400, "bad-chunk")
            at += len(ending)
            left -= len(ending)
        self._left = left
        return at

    def _take_line(self, data: bytes, at: int) -> int:
        """Take a size line or a trailer line; return where it ends."""
        end = data.find(b"\n", at) + 1
        line = self._line + (data[at:end] if end else data[at:])
        if not end:
            self._line = line
            if len(line) > (_MAX_TRAILERS if self._trailers else _MAX_SIZE_LINE + 1):
                raise Refused(400, "bad-chunk")
            return len(data)
        self._line = b""
        if line[-2:] != b"\r\n":
            raise Refused(400, "bad-chunk")
        if self._trailers:
            self._trailer(line[:-2])
        else:
            self._size(line[:-2])
        return end

    def _size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None or len(line) > _MAX_SIZE_LINE:
            raise Refused(400, "bad-chunk")
        digits = match[1]
        self._overhead += len(line) - len(digits)
        if self._overhead > _MAX_EXTENSIONS:
            raise Refused(400, "bad-chunk")
        size = int(digits, 16)
        if size:
            self._left = size + _CRLF
        else:
            self._trailers = True
            self._overhead = 0

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.finished = True
            return
        self._overhead += len(line) + _CRLF
        if self._overhead > _MAX_TRAILERS or _TRAILER_LINE.fullmatch(line) is None:
            raise Refused(400, "bad-trailer")


def _whole_chunks(data: bytes, at: int, pieces: list[bytes]) -> int:
    """Take chunks that are here as a whole and have no extension; return where they end. What else there is takes longer."""
    while (line := _PLAIN_SIZE_LINE.match(data, at)) is not None:
        start = line.end()
        end = start + int(line[1], 16)
        if end == start or data[end : end + 2] != b"\r\n":
            break
        pieces.append(data[start:end])
        at = end + 2
    return at


def chunk(data: bytes) -> bytes:
    """Return *data*, which must not be empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
