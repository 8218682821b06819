"""Between the fields of HTTP/2 and the messages that the rest of the proxy knows.

A request is checked by the rules that HTTP/2 adds (RFC 9113 §8.2, §8.3), written as the head that HTTP/1 would have, and then read by
the same reader as every other: whatever that refuses is refused here too, and what goes on to a backend was checked as one. No value
with a control character comes that far, so a line is what one field made, and nothing else.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from hostess_proxy.http1.heads import CHUNKED, NO_BODY, HeadReader, Request, Response
from hostess_proxy.http1.refused import Refused
from hostess_proxy.http2.frames import Code, StreamViolation
from hostess_proxy.http2.hpack import COOKIE, HOST, LENGTH, MALFORMED, PSEUDO, Decoder, Field, FieldsTooLarge, encoded

MINOR: Final = 2
"""What stands in `Request.minor` for HTTP/2."""

_KNOWN = 64
_LONGEST = 2048
_STATUS_DIGITS = 3
_SCHEMES = frozenset({b"http", b"https"})
_REQUEST_ID = b"\x00\x0cx-request-id"
# Of a connection or of HTTP/1 alone; Host is said as :authority.
_LEFT_OUT = frozenset({b"connection", b"host", b"transfer-encoding", b"upgrade"})
_TE = encoded(b"te", b"trailers")


class Asked(NamedTuple):
    """A request, and the body that it announced: a number of bytes, -1 for any."""

    request: Request
    length: int


class RequestReader:
    """Reads the requests of one connection. Blocks that change nothing in the table, and come again, are remembered as they are."""

    __slots__ = ("_decoder", "_heads", "_known")

    def __init__(self, heads: HeadReader) -> None:
        self._heads = heads
        self._decoder = Decoder()
        self._known: dict[bytes, Asked] = {}

    def read(self, block: bytes) -> Asked:
        """Return the request of a block. Violation, or Refused where a status can tell what is wrong."""
        known = self._known.get(block)
        if known is not None:
            return known
        before = self._decoder.changes
        try:
            fields = self._decode(block)
        except FieldsTooLarge:
            raise Refused(431, "fields-too-large") from None
        head, has_length = request_head(fields)
        request = self._heads.request(head)._replace(minor=MINOR)
        asked = Asked(request, request.fields.length if has_length else -1)
        if self._decoder.changes == before and len(block) <= _LONGEST:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[block] = asked
        return asked

    def trailers(self, block: bytes) -> bool:
        """Read what follows a body, for the table's sake, as it does not go on; return whether it may stand there."""
        try:
            fields = self._decode(block)
        except FieldsTooLarge:
            return False
        return not any(field.kind in {PSEUDO, MALFORMED} for field in fields)

    def _decode(self, block: bytes) -> list[Field]:
        """Return a block's fields. Where it changes the table, all that is remembered may mean something else from now on."""
        before = self._decoder.changes
        try:
            return self._decoder.decode(block)
        finally:
            if self._decoder.changes != before:
                self._known.clear()


def request_head(fields: list[Field]) -> tuple[bytes, bool]:
    """Return the head that a request would have in HTTP/1, and whether it has a Content-Length; StreamViolation when it is malformed."""
    pseudo: dict[bytes, bytes] = {}
    lines: list[bytes] = []
    cookies: list[bytes] = []
    has_length = False
    host: bytes | None = None
    for name, value, kind, line, _ in fields:
        if not kind:
            lines.append(line)
        elif kind == PSEUDO:
            if name in pseudo or lines:
                raise StreamViolation(Code.PROTOCOL_ERROR)
            pseudo[name] = value
        elif kind == COOKIE:
            if not cookies:
                lines.append(b"")  # keeps the others from being followed by a pseudo-field
            cookies.append(value)
        elif kind == HOST and host is None:
            lines.append(b"")
            host = value
        elif kind == LENGTH:
            has_length = True
            lines.append(line)
        else:
            raise StreamViolation(Code.PROTOCOL_ERROR)
    if cookies:
        lines.append(b"cookie: %b\r\n" % b"; ".join(cookies))
    return _first_lines(pseudo, host) + b"".join(lines), has_length


def _first_lines(pseudo: dict[bytes, bytes], host: bytes | None) -> bytes:
    """Return request line and Host (RFC 9113 §8.3.1)."""
    method = pseudo.pop(b":method", b"")
    authority = pseudo.pop(b":authority", None)
    if method == b"CONNECT":
        raise Refused(405, "method-not-allowed")
    path = pseudo.pop(b":path", b"")
    # An authority in the path would be a second one.
    if pseudo.pop(b":scheme", b"") not in _SCHEMES or pseudo or not (path.startswith(b"/") or path == b"*"):
        raise StreamViolation(Code.PROTOCOL_ERROR)
    if authority is not None and host is not None and authority.lower() != host.lower():
        raise Refused(400, "host-mismatch")
    authority = authority or host
    if not authority:
        raise Refused(400, "missing-host")
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, path, authority)


def with_body(asked: Asked, *, ended: bool) -> Request:
    """Return the request as its stream frames it; StreamViolation where its length says otherwise.

    *ended*: no body follows. One without a length is chunked, as HTTP/1 has it.
    """
    request, length = asked
    if length < 0 and not ended:
        return request._replace(fields=request.fields._replace(length=CHUNKED))
    if ended and length > NO_BODY:
        raise StreamViolation(Code.PROTOCOL_ERROR)
    return request


# ---- what goes out


def _status(status: int) -> bytes:
    return encoded(b":status", b"%d" % status)


_STATUSES = [_status(status) for status in range(1000)]


def response_block(response: Response, request_id: bytes, more: bytes) -> bytes:
    """Return the fields of a response; *more* are lines of ours, each with its CRLF."""
    lines = response.forward
    fields = _remembered(lines) if len(lines) <= _LONGEST else encoded_lines(lines)
    return b"%b%b%b%c%b%b" % (
        _STATUSES[response.status], fields, _REQUEST_ID, len(request_id), request_id, _remembered(more) if more else b"",
    )  # fmt: skip


def interim_block(status: int, lines: bytes) -> bytes:
    """Return the fields of a 1xx response."""
    return _STATUSES[status] + encoded_lines(lines)


def answer_block(head: bytes, request_id: bytes) -> bytes:
    """Return the fields of an answer of our own, whose *head* is as HTTP/1 has it."""
    line, _, lines = head.partition(b"\r\n")
    status = int(line.split(b" ", 2)[1])
    own = b"%b%c%b" % (_REQUEST_ID, len(request_id), request_id) if request_id else b""
    return _STATUSES[status] + _remembered(lines) + own


def encoded_lines(lines: bytes) -> bytes:
    """Return lines of HTTP/1, each with its CRLF, as fields."""
    fields = []
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append(encoded(name.lower(), value.strip(b" \t")))
    return b"".join(fields)


_remembered = lru_cache(maxsize=512)(encoded_lines)


def request_block(head: bytes, scheme: bytes) -> bytes:
    """Return the fields of a request whose head is as HTTP/1 has it, for a backend that takes trailers (RFC 9113 §8.3.1)."""
    first, _, lines = head.partition(b"\r\n")
    method, path, _ = first.split(b" ")
    authority = b""
    fields = []
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        lower = name.lower()
        if lower == b"host":
            authority = value.strip(b" \t")
        if colon and lower not in _LEFT_OUT:
            fields.append(encoded(lower, value.strip(b" \t")))
    pseudo = ((b":method", method), (b":scheme", scheme), (b":path", path), (b":authority", authority))
    return b"".join([*(encoded(*pair) for pair in pseudo), *fields, _TE])


def response_head(fields: list[Field]) -> bytes:
    """Return the head that a response would have in HTTP/1; StreamViolation when it is malformed (RFC 9113 §8.3.2)."""
    status = fields[0].value if fields and fields[0].name == b":status" else b""
    if len(status) != _STATUS_DIGITS or not status.isdigit():
        raise StreamViolation(Code.PROTOCOL_ERROR)
    return b"HTTP/1.1 %b \r\n%b" % (status, trailer_lines(fields[1:]))


def trailer_lines(fields: list[Field]) -> bytes:
    """Return fields that may not be pseudo-fields as lines of HTTP/1; StreamViolation when they are malformed."""
    if any(field.kind in {PSEUDO, MALFORMED} for field in fields):
        raise StreamViolation(Code.PROTOCOL_ERROR)
    return b"".join([field.line for field in fields])
