"""Chunked bodies, without I/O: a strict decoder (RFC 9112 §7.1).

Bodies are decoded and framed anew on the other side, so that sizes in odd spellings, extensions and trailers end here.
"""

import re
from typing import Final

from hostess_proxy.http1 import Refused

LAST_CHUNK: Final = b"0\r\n\r\n"

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;%b(?:=(?:%b|\"[!#-\[\]-~]*\"))?)*" % (_TOKEN, _TOKEN))
_TRAILER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")
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
        while data and not self.finished:
            data = self._chunk(data, pieces) if self._left else self._take_line(data)
        self.rest += data
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _chunk(self, data: bytes, pieces: list[bytes]) -> bytes:
        """Take bytes of the current chunk and, behind them, its CRLF; return what is left of *data*."""
        body = self._left - 2
        if body > 0:
            piece = data if len(data) <= body else data[:body]
            pieces.append(piece)
            self._left -= len(piece)
            data = data[len(piece) :]
        if self._left <= 2:  # noqa: PLR2004 -- the length of CRLF
            ending = data[: self._left]
            if ending != b"\r\n"[2 - self._left :][: len(ending)]:
                raise Refused(400, "bad-chunk")
            self._left -= len(ending)
            data = data[len(ending) :]
        return data

    def _take_line(self, data: bytes) -> bytes:
        """Take a size line or a trailer line; return what is left of *data*."""
        line = self._line + data
        end = line.find(b"\n")
        if end < 0:
            self._line = line
            if len(line) > (_MAX_TRAILERS if self._trailers else _MAX_SIZE_LINE + 1):
                raise Refused(400, "bad-chunk")
            return b""
        self._line = b""
        if line[end - 1 : end] != b"\r":
            raise Refused(400, "bad-chunk")
        if self._trailers:
            self._trailer(line[: end - 1])
        else:
            self._size(line[: end - 1])
        return line[end + 1 :]

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
            self._left = size + 2
        else:
            self._trailers = True
            self._overhead = 0

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.finished = True
            return
        self._overhead += len(line) + 2
        if self._overhead > _MAX_TRAILERS or _TRAILER_LINE.fullmatch(line) is None:
            raise Refused(400, "bad-trailer")


def chunk(data: bytes) -> bytes:
    """Return *data*, which must not be empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
