"""HTTP/1.x message heads, without I/O: one strict reading of the bytes, or a refusal (RFC 9112).

A head is split at CRLF, and each line is checked as a whole by one regular expression. What other parsers read differently
(Content-Length beside Transfer-Encoding, repeated or decorated lengths, folded lines, bare CR or LF, spaces around names, ...)
is refused, so that a backend can never see another message than the one that was seen here.

Real heads repeat: a connection that is kept alive sends nearly the same fields again and again. `HeadReader` therefore
remembers what it read, by the exact bytes.
"""

import re
from typing import Final, Generic, NamedTuple, TypeVar

from hostess_proxy.http1.field_lines import MAX_LINE, FieldLines
from hostess_proxy.http1.headers import (
    COLLECTED_IN_REQUESTS,
    COLLECTED_IN_RESPONSES,
    DROPPED_IN_REQUESTS,
    DROPPED_IN_RESPONSES,
    without_named_in_connection,
)
from hostess_proxy.http1.refused import Refused
from hostess_proxy.telemetry.log_lines import quoted

MAX_HEAD: Final = 32 * 1024
MAX_TARGET: Final = 8 * 1024
MAX_RESPONSE_HEAD: Final = 64 * 1024

NO_BODY: Final = 0
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

_ENDING = len(b"\r\n\r")  # the most that can be there of a head's end while it is no end yet
_VERSION = b"HTTP/1."
_SLASH: Final = 47
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]{0,23}) ([!\"$-\[\]-~]+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])( [\t -~\x80-\xff]*)?")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?]+)(.*)")
_TOLD = frozenset(b"x-forwarded-" + name for name in (b"for", b"proto", b"host", b"port", b"prefix"))
_NOTHING: dict[bytes, list[bytes]] = {}
_LENGTH = re.compile(rb"[0-9]{1,18}")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:=+/-]{1,64}")


class RequestFields(NamedTuple):
    """What the fields of a request say. *forward* are the lines that go on to the backend, each with its CRLF.

    *host* is None when there is none, else as sent; *name* is the same as tables spell it. *length* is the number of body
    bytes, or CHUNKED. *told* holds the values of forwarding fields, by lower-case name, for senders that are trusted.
    *log_host* and *log_agent* (with its quotes) are ready for the access log.
    """

    forward: bytes
    host: bytes | None
    name: bytes
    length: int
    close: bool
    keep_alive: bool
    upgrade: bytes
    expects_continue: bool
    replayable: bool
    request_id: bytes
    accept: bytes
    log_host: str
    log_agent: str
    told: dict[bytes, list[bytes]]


class Request(NamedTuple):
    """One request. *path* is its target in origin form; *minor* is the x of HTTP/1.x, and 2 for HTTP/2."""

    method: bytes
    path: bytes
    minor: int
    fields: RequestFields


class Response(NamedTuple):
    """The head of one response. *line* and *forward* are the status line and the lines that go on, with their CRLFs.

    *length* is the number of body bytes, CHUNKED or UNTIL_CLOSE, as the fields alone say it.
    """

    status: int
    line: bytes
    forward: bytes
    length: int
    keep_alive: bool
    upgrade: bytes


T = TypeVar("T")


class _Memory(Generic[T]):
    """What was made of some bytes, for bytes that came more than once; bounded in number and size."""

    _ENTRIES = 512
    _LONGEST = 2048

    def __init__(self) -> None:
        self.made: dict[bytes, T] = {}
        self._seen_once: set[int] = set()

    def learn(self, data: bytes, made: T) -> None:
        """Remember *made*, if *data* was here before."""
        mark = hash(data)
        if mark not in self._seen_once:
            if len(self._seen_once) >= self._ENTRIES:
                self._seen_once.clear()
            self._seen_once.add(mark)
        elif len(data) <= self._LONGEST:
            if len(self.made) >= self._ENTRIES:
                self.made.clear()
            self.made[data] = made


class HeadReader:
    """Reads heads and remembers those that repeat."""

    def __init__(self) -> None:
        self._whole: _Memory[Request] = _Memory()
        self._requests: _Memory[RequestFields] = _Memory()
        self._responses: _Memory[Response] = _Memory()

    def known(self, data: bytes) -> Request | None:
        """Return the request where *data* is one head, complete and with nothing behind it, that was learnt; else None."""
        return self._whole.made.get(data)

    def learn(self, data: bytes, request: Request) -> None:
        """Remember what request these bytes are: one head with its empty line, and nothing else."""
        self._whole.learn(data, request)

    def request(self, head: bytes) -> Request:
        """Return the request whose head is *head* (up to and with its last field's CRLF); Refused when it is none."""
        end = head.find(b"\r\n")
        match = _REQUEST_LINE.fullmatch(head, 0, end)
        if match is None:
            raise _bad_request_line(head[:end])
        block = head[end + 2 :]
        fields = self._requests.made.get(block)
        if fields is None:
            fields = parse_request_fields(block)
            self._requests.learn(block, fields)
        method, path, minor = match.groups()
        if minor == b"1":
            if fields.host is None:
                raise Refused(400, "missing-host")
        elif fields.length == CHUNKED:
            raise Refused(400, "transfer-encoding-in-http-1.0")
        elif fields.upgrade:
            fields = fields._replace(upgrade=b"")  # RFC 9110 §7.8: HTTP/1.0 knows no upgrades
        if path[0] != _SLASH or len(path) > MAX_TARGET:
            path = _origin_form(method, path, fields.host)
        elif method == b"CONNECT":
            raise Refused(405, "method-not-allowed")
        return Request(method, path, 1 if minor == b"1" else 0, fields)

    def response(self, head: bytes) -> Response:
        """Return the response whose head is *head* (up to and with its last field's CRLF); Refused when it is none."""
        response = self._responses.made.get(head)
        if response is None:
            response = parse_response(head)
            self._responses.learn(head, response)
        return response


def check_partial(data: bytes) -> None:
    """Refuse a request head that is still incomplete, where what is there can never become a good one."""
    end = data.find(b"\r\n")
    line = data if end < 0 else data[:end]
    if len(line) > MAX_TARGET + 64:
        raise Refused(414, "target-too-long")
    if end >= 0 and _REQUEST_LINE.fullmatch(line) is None:
        raise _bad_request_line(line)
    # What has come of the empty line is no part of a head, and of a line its end is none: pieces are judged as a whole is.
    if len(data) - _ENDING > MAX_HEAD or len(data) - max(data.rfind(b"\r\n"), 0) - _ENDING > MAX_LINE:
        raise Refused(431, "fields-too-large")
    if data.count(b"\n") != data.count(b"\r\n"):
        raise Refused(400, "bare-line-feed")


def check_partial_response(data: bytes) -> None:
    """Refuse a response head that is still incomplete, where what is there can never become a good one."""
    if not data.startswith(_VERSION[: len(data)]):
        raise Refused(502, "bad-status-line")
    if len(data) - _ENDING > MAX_RESPONSE_HEAD:
        raise Refused(502, "head-too-large")
    if data.count(b"\n") != data.count(b"\r\n"):
        raise Refused(502, "bare-line-feed")


def parse_request_fields(block: bytes) -> RequestFields:
    """Return what a block of field lines (each with its CRLF) says in a request; Refused when it has no single reading."""
    lines, found = _REQUEST_FIELDS.read(block)
    tokens = _tokens(found, b"connection")
    length = _request_length(found)
    host = _one_host(found)
    name = _name(host or b"")
    upgrade = b", ".join(found.get(b"upgrade", ())) if b"upgrade" in tokens and length == NO_BODY else b""
    expects = [value.lower() for value in found.get(b"expect", ())]
    if expects not in ([], [b"100-continue"]):
        raise Refused(417, "unknown-expectation")
    ids = found.get(b"x-request-id", ())
    return RequestFields(
        forward=_joined(without_named_in_connection(lines, tokens)),
        host=host,
        name=name,
        length=length,
        close=b"close" in tokens,
        keep_alive=b"keep-alive" in tokens,
        # RFC 9113 §3.1: HTTP/2 by upgrade would let requests pass that nobody here has seen.
        upgrade=b"" if b"h2c" in upgrade.lower() else upgrade,
        expects_continue=bool(expects) and length != NO_BODY,
        replayable=b"idempotency-key" in found,
        request_id=ids[0] if len(ids) == 1 and _REQUEST_ID.fullmatch(ids[0]) else b"",
        accept=b", ".join(found.get(b"accept", ())),
        log_host=name.decode(),
        log_agent=quoted(b" ".join(found.get(b"user-agent", ()))),
        told={name: found[name] for name in found.keys() & _TOLD} if found.keys() & _TOLD else _NOTHING,
    )


def parse_response(head: bytes) -> Response:
    """Return what a response head says; Refused (502) when it has no single reading."""
    end = head.find(b"\r\n")
    match = _STATUS_LINE.fullmatch(head, 0, end)
    if match is None:
        raise Refused(502, "bad-status-line")
    if len(head) - 2 > MAX_RESPONSE_HEAD:
        raise Refused(502, "head-too-large")
    try:
        lines, found = _RESPONSE_FIELDS.read(head[end + 2 :])
        length = _response_length(found)
    except Refused as error:
        raise Refused(502, error.code) from error
    minor, status, reason = match.groups()
    if length == CHUNKED and minor == b"0":
        raise Refused(502, "transfer-encoding-in-http-1.0")
    tokens = _tokens(found, b"connection")
    if status.startswith(b"1") or status == b"204":
        # RFC 9110 §8.6: these have no length. A client that believed one would wait, or take the next head for a body.
        lines = [line for line in lines if not line.lower().startswith(b"content-length:")]
    return Response(
        status=int(status),
        line=b"HTTP/1.1 %b%b\r\n" % (status, reason or b" "),
        forward=_joined(without_named_in_connection(lines, tokens)),
        length=length,
        keep_alive=b"close" not in tokens and (minor == b"1" or b"keep-alive" in tokens),
        upgrade=b", ".join(found.get(b"upgrade", ())),
    )


_REQUEST_FIELDS = FieldLines(COLLECTED_IN_REQUESTS, DROPPED_IN_REQUESTS, plain_names=True)
_RESPONSE_FIELDS = FieldLines(COLLECTED_IN_RESPONSES, DROPPED_IN_RESPONSES, plain_names=False)


def _request_length(found: dict[bytes, list[bytes]]) -> int:
    codings = found.get(b"transfer-encoding")
    if codings is None:
        return _content_length(found, otherwise=NO_BODY)
    if b"content-length" in found:
        raise Refused(400, "two-lengths")
    return _chunked(codings)


def _response_length(found: dict[bytes, list[bytes]]) -> int:
    codings = found.get(b"transfer-encoding")
    if codings is None:
        return _content_length(found, otherwise=UNTIL_CLOSE)
    if b"content-length" in found:
        raise Refused(502, "two-lengths")
    return _chunked(codings)


def _chunked(codings: list[bytes]) -> int:
    if len(codings) == 1 and codings[0].lower() == b"chunked":
        return CHUNKED
    known_shape = len(codings) == 1 and codings[0].isalpha()
    raise Refused(501 if known_shape else 400, "unknown-transfer-encoding")


def _content_length(found: dict[bytes, list[bytes]], *, otherwise: int) -> int:
    values = found.get(b"content-length")
    if values is None:
        return otherwise
    if len(values) != 1 or _LENGTH.fullmatch(values[0]) is None:
        raise Refused(400, "bad-content-length")
    return int(values[0])


def _one_host(found: dict[bytes, list[bytes]]) -> bytes | None:
    hosts = found.get(b"host")
    if hosts is None:
        return None
    if len(hosts) != 1 or _HOST.fullmatch(hosts[0]) is None:
        raise Refused(400, "bad-host")
    return hosts[0]


def _name(host: bytes) -> bytes:
    """Return a host as tables spell it: lower case, without port and trailing dot."""
    if host[:1] == b"[":
        return host[: host.find(b"]") + 1].lower()
    return host.partition(b":")[0].removesuffix(b".").lower()


def _tokens(found: dict[bytes, list[bytes]], name: bytes) -> frozenset[bytes]:
    values = found.get(name)
    if values is None:
        return frozenset()
    return frozenset(token.strip(b" \t").lower() for value in values for token in value.split(b","))


def _origin_form(method: bytes, target: bytes, host: bytes | None) -> bytes:
    """Return the target as path and query; the authority of an absolute form must be the Host (RFC 9112 §3.2.2)."""
    if len(target) > MAX_TARGET:
        raise Refused(414, "target-too-long")
    if method == b"CONNECT":
        raise Refused(405, "method-not-allowed")
    if target == b"*" and method == b"OPTIONS":
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise Refused(400, "bad-target")
    authority, rest = match.groups()
    if authority.lower() != (host or b"").lower():
        raise Refused(400, "host-mismatch")
    return rest if rest.startswith(b"/") else b"/" + rest


def _bad_request_line(line: bytes) -> Refused:
    if len(line) > MAX_TARGET:
        return Refused(414, "target-too-long")
    return Refused(400, "bad-request-line")


def _joined(lines: list[bytes]) -> bytes:
    lines.append(b"")
    return b"\r\n".join(lines)
