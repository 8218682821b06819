"""What must hold for whatever bytes a client or a backend sends: the checks of fuzzers, whichever makes the bytes.

Both sides of the proxy stand between wires that take everything. A backend answers each request that a careless reading finds.
"""

import asyncio
import re
from typing import NamedTuple, cast

import httptools

from hostess_proxy.downstream import Downstream
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.traffic import Traffic
from tests.integration.proxy.lenient import READINGS, Seen
from tests.unit.proxy.test_no_smuggling import InstantDialer, Wire

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TABLE = parse_table({"routes": [{"host": "*", "service": "a", "release": "1", "targets": ["127.0.0.1:1"]}]})
BROKEN = None
# Where llhttp is stricter than the standard, and the proxy is not: it refuses space behind a coding (RFC 9110 §5.5: it is not part
# of the value), and trailers that are named like framing (RFC 9110 §6.5.1: a recipient may ignore trailers; all end here).
_ONLY_IN_LLHTTP = re.compile(
    rb"chunked[\t ]+\r\n|\n0+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*(?:content-length|transfer-encoding):",
    re.IGNORECASE | re.DOTALL,
)


class Outcome(NamedTuple):
    """What became of a client's bytes: the requests that a backend got as a whole, and whether the connection ends."""

    seen: dict[str, list[Seen]]
    ends: bool


class Answer(NamedTuple):
    """What a client got of a backend's bytes, where that was a whole response, and whether the backend's connection is kept."""

    statuses: list[int]
    body: bytes
    kept: bool


class Stand:
    """The proxy between wires."""

    def __init__(self) -> None:
        self.traffic = Traffic(None)
        self.dialer = InstantDialer(self.traffic)
        self.traffic.dialer = self.dialer
        self.traffic.targets.swap(TABLE)
        self.protocol = Downstream(self.traffic, secure=False)
        self.client = Wire(cast("asyncio.Protocol", self.protocol))
        self._answered: dict[int, int] = {}

    def seen(self, reading: str) -> list[Seen]:
        """Return the requests that backends got as a whole."""
        return [one for wire in self.dialer.wires for one in READINGS[reading].requests(wire.written)]

    def answer_all(self) -> None:
        """Answer what has not been answered yet, and what follows from it."""
        went_on = True
        while went_on:
            went_on = False
            for number, wire in enumerate(self.dialer.wires):
                count = len(READINGS["coding first"].requests(wire.written))
                if count > self._answered.get(number, 0) and not wire.closing:
                    self._answered[number] = count
                    wire.deliver(ANSWER)
                    went_on = True
                wire.settle()


def outcome(pieces: list[bytes]) -> Outcome:
    """Return what becomes of what a client sends, in these pieces."""
    stand = Stand()
    for piece in pieces:
        stand.client.deliver(piece)
        stand.answer_all()
    return Outcome({reading: stand.seen(reading) for reading in READINGS}, stand.protocol._closing)


def answer(pieces: list[bytes], method: bytes = b"GET", *, closes: bool = False) -> Answer | None:
    """Return what a client gets of what a backend says in these pieces; BROKEN where it is a 502, or breaks off, or goes on."""
    stand = Stand()
    stand.client.deliver(b"%b / HTTP/1.1\r\nHost: a.x\r\n\r\n" % method)
    (wire,) = stand.dialer.wires
    for piece in pieces:
        wire.deliver(piece)
    kept = not wire.closing
    if closes:
        wire.closing = True
        wire.settle()
    if stand.protocol.exchange is not None or b"X-Hostess-Error" in stand.client.written or stand.protocol._closing:
        return BROKEN
    return _read(stand.client.written, method, kept=kept and not closes)


def _read(written: bytes, method: bytes, *, kept: bool) -> Answer:
    """Read what the proxy wrote to its client: strictly, because it is the proxy's own work."""
    statuses: list[int] = []
    while True:
        head, end, written = written.partition(b"\r\n\r\n")
        assert end, "no head"
        status = re.fullmatch(rb"HTTP/1\.1 ([1-5]\d\d) [^\r\n]*", head.partition(b"\r\n")[0])
        assert status is not None, head
        statuses.append(int(status[1]))
        if statuses[-1] >= 200:
            break
    lengths = re.findall(rb"\r\nContent-Length:[\t ]*(\d+)[\t ]*(?=\r\n|$)", head, re.IGNORECASE)
    if method == b"HEAD" or statuses[-1] in {204, 304}:
        assert not written, "a body where none may be"
        return Answer(statuses, b"", kept)
    if b"\r\nTransfer-Encoding: chunked" not in head:
        assert len(lengths) == 1
        assert int(lengths[0]) == len(written)
        return Answer(statuses, written, kept)
    assert not lengths
    body = b""
    while True:
        line, _, written = written.partition(b"\r\n")
        size = int(line, 16)
        assert written[size : size + 2] == b"\r\n"
        if size == 0:
            assert written == b"\r\n"
            return Answer(statuses, body, kept)
        body += written[:size]
        written = written[size + 2 :]


class Messages:
    """Counts the messages that llhttp finds complete."""

    def __init__(self) -> None:
        self.complete = 0

    def on_message_complete(self) -> None:
        """Count."""
        self.complete += 1


def llhttp_finds(message: bytes) -> int | None:
    """Return how many requests llhttp finds before it refuses.

    None where it has no say: methods that it has no name for (RFC 9110 §16.1: the list is open), upgrades, and what only it refuses.
    """
    if _ONLY_IN_LLHTTP.search(message) is not None:
        return None
    messages = Messages()
    try:
        httptools.HttpRequestParser(messages).feed_data(message)
    except (httptools.HttpParserInvalidMethodError, httptools.HttpParserUpgrade):
        return None
    except httptools.HttpParserError:
        pass
    return messages.complete


def llhttp_refuses_response(message: bytes) -> bool:
    """Whether llhttp refuses a response, and not for what only it refuses; what comes behind one is another matter."""
    if _ONLY_IN_LLHTTP.search(message) is not None:
        return False
    messages = Messages()
    try:
        httptools.HttpResponseParser(messages).feed_data(message)
    except httptools.HttpParserUpgrade:
        return False
    except httptools.HttpParserError:
        return messages.complete == 0
    return False


def check_request(pieces: list[bytes]) -> None:
    """Assert what holds for the bytes of any client.

    Pieces change nothing; careless backends agree about what they got; what llhttp refuses is refused here, too.
    """
    message = b"".join(pieces)
    whole = outcome([message])
    assert outcome(pieces) == whole
    seen = whole.seen["coding first"]
    assert all(one == seen for one in whole.seen.values()), whole
    found = llhttp_finds(message)
    assert found is None or len(seen) <= found, (seen, found)


def check_response(pieces: list[bytes], method: bytes) -> None:
    """Assert what holds for the bytes of any backend: pieces change nothing, and what llhttp refuses is refused here, too."""
    message = b"".join(pieces)
    whole = answer([message], method)
    assert answer(pieces, method) == whole
    closed = answer([message], method, closes=True)
    assert answer(pieces, method, closes=True) == closed
    if closed is not BROKEN and method == b"GET":
        assert not llhttp_refuses_response(message)
