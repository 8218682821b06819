"""What a client of HTTP/2 may not do, and what it is told then (RFC 9113 and RFC 7541, section by section)."""

import asyncio

import pytest
from hyperframe.frame import WindowUpdateFrame

from tests.integration.proxy.http2_peer import PREFACE, Fields, Peer, a_peer, asking, block, body, head, raw
from tests.integration.proxy.stage import Backend, Reader, Stage, Writer

NO_ERROR, PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION, CALM = 0x0, 0x1, 0x3, 0x5, 0x6, 0x7, 0x9, 0xB
GET = head(1, asking())
POST = head(1, asking("POST"), "END_HEADERS")
INDEXED = b"\x82\x86\x84\x41\x03a.x"  # GET, http, / by their indexes; the authority enters the table

Reaction = tuple[str, int]
ENDS = "the connection ends"
RESETS = "the stream is reset"
ANSWERS = "the stream is answered"

FRAMES: list[tuple[str, list[bytes], Reaction]] = [
    ("4.1 a frame of an unknown type is passed over", [raw(0x16, 0xFF, 0, b"what"), GET], (ANSWERS, 200)),
    ("4.1 unknown flags are passed over", [raw(6, 0x16, 0, b"12345678"), GET], (ANSWERS, 200)),
    ("4.1 the reserved bit is passed over", [raw(6, 0, 0x8000_0000, b"12345678"), GET], (ANSWERS, 200)),
    ("4.2 a body frame of the largest size", [POST, body(1, bytes(16384), ended=True)], (ANSWERS, 200)),
    ("4.2 a body frame above that", [POST, raw(0, 1, 1, bytes(16385))], (ENDS, SIZE)),
    ("4.2 a head above that", [raw(1, 5, 1, bytes(16385))], (ENDS, SIZE)),
    ("4.3 a block that cannot be read", [raw(1, 5, 1, b"\xff\xff\xff\xff\xff\xff")], (ENDS, COMPRESSION)),
    ("4.3 priority inside a block", [raw(1, 1, 1, block(asking())), raw(2, 0, 1, bytes(5))], (ENDS, PROTOCOL)),
    ("4.3 another stream inside a block", [raw(1, 1, 1, block(asking())), head(3, asking())], (ENDS, PROTOCOL)),
    ("5.1 DATA before a stream begins", [body(1, b"x", ended=True)], (ENDS, PROTOCOL)),
    ("5.1 RST_STREAM before a stream begins", [raw(3, 0, 1, bytes(4))], (ENDS, PROTOCOL)),
    ("5.1 WINDOW_UPDATE before a stream begins", [raw(8, 0, 1, b"\0\0\0\x64")], (ENDS, PROTOCOL)),
    ("5.1 CONTINUATION before a stream begins", [raw(9, 4, 1, block(asking()))], (ENDS, PROTOCOL)),
    ("5.1 DATA after the request's end", [GET, body(1, b"x")], (RESETS, CLOSED)),
    ("5.1 HEADERS after the request's end", [GET, GET], (RESETS, CLOSED)),
    ("5.1 CONTINUATION after the request's end", [GET, raw(9, 4, 1, b"")], (ENDS, PROTOCOL)),
    ("5.1 DATA after the client's own reset", [POST, raw(3, 0, 1, bytes(4)), body(1, b"x")], (ENDS, CLOSED)),
    ("5.1 HEADERS after the client's own reset", [POST, raw(3, 0, 1, bytes(4)), GET], (ENDS, CLOSED)),
    ("5.1 priority may come at any time", [raw(2, 0, 7, bytes(5)), GET], (ANSWERS, 200)),
    ("5.1.1 a stream with an even number", [head(2, asking())], (ENDS, PROTOCOL)),
    ("5.1.1 a stream that was skipped", [head(5, asking()), head(3, asking())], (ENDS, PROTOCOL)),
    ("5.3 a stream that depends on itself", [raw(1, 0x25, 1, b"\0\0\0\1\0" + block(asking()))], (RESETS, PROTOCOL)),
    ("5.3 priority of itself", [POST, raw(2, 0, 1, b"\0\0\0\1\0")], (RESETS, PROTOCOL)),
    ("6.1 DATA in no stream", [raw(0, 0, 0, b"x")], (ENDS, PROTOCOL)),
    ("6.1 padding as long as the frame", [POST, raw(0, 9, 1, b"\x05abcde")], (ANSWERS, 200)),
    ("6.1 padding longer than the frame", [POST, raw(0, 9, 1, b"\x06abcde")], (ENDS, PROTOCOL)),
    ("6.2 HEADERS in no stream", [raw(1, 5, 0, block(asking()))], (ENDS, PROTOCOL)),
    ("6.2 a padded head", [raw(1, 0xD, 1, b"\x02" + block(asking()) + b"\0\0")], (ANSWERS, 200)),
    ("6.2 padding longer than the head", [raw(1, 0xD, 1, b"\xff" + block(asking()))], (ENDS, PROTOCOL)),
    ("6.2 a head with priority", [raw(1, 0x25, 1, b"\0\0\0\3\x10" + block(asking()))], (ANSWERS, 200)),
    ("6.3 priority of no stream", [raw(2, 0, 0, bytes(5))], (ENDS, PROTOCOL)),
    ("6.3 priority of another size", [POST, raw(2, 0, 1, bytes(4))], (RESETS, SIZE)),
    ("6.4 RST_STREAM of no stream", [raw(3, 0, 0, bytes(4))], (ENDS, PROTOCOL)),
    ("6.4 RST_STREAM of another size", [POST, raw(3, 0, 1, bytes(3))], (ENDS, SIZE)),
    ("6.5 SETTINGS with an answer's payload", [raw(4, 1, 0, bytes(6))], (ENDS, SIZE)),
    ("6.5 SETTINGS in a stream", [raw(4, 0, 1)], (ENDS, PROTOCOL)),
    ("6.5 SETTINGS of another size", [raw(4, 0, 0, bytes(3))], (ENDS, SIZE)),
    ("6.5.2 push neither on nor off", [raw(4, 0, 0, b"\0\2\0\0\0\2")], (ENDS, PROTOCOL)),
    ("6.5.2 a window that is too large", [raw(4, 0, 0, b"\0\4\x80\0\0\0")], (ENDS, FLOW)),
    ("6.5.2 frames that are too small", [raw(4, 0, 0, b"\0\5\0\0\x3f\xff")], (ENDS, PROTOCOL)),
    ("6.5.2 frames that are too large", [raw(4, 0, 0, b"\0\5\1\0\0\0")], (ENDS, PROTOCOL)),
    ("6.5.2 an unknown setting", [raw(4, 0, 0, b"\0\xff\0\0\0\1"), GET], (ANSWERS, 200)),
    ("6.6 a client that promises", [raw(5, 4, 1, b"\0\0\0\2" + block(asking()))], (ENDS, PROTOCOL)),
    ("6.7 PING in a stream", [raw(6, 0, 1, bytes(8))], (ENDS, PROTOCOL)),
    ("6.7 PING of another size", [raw(6, 0, 0, bytes(6))], (ENDS, SIZE)),
    ("6.8 GOAWAY in a stream", [raw(7, 0, 1, bytes(8))], (ENDS, PROTOCOL)),
    ("6.8 GOAWAY of another size", [raw(7, 0, 0, bytes(7))], (ENDS, SIZE)),
    ("6.8 requests before GOAWAY are answered", [GET, raw(7, 0, 0, bytes(8))], (ANSWERS, 200)),
    ("6.9 a window that grows by nothing", [raw(8, 0, 0, bytes(4))], (ENDS, PROTOCOL)),
    ("6.9 a stream's window that grows by nothing", [POST, raw(8, 0, 1, bytes(4))], (RESETS, PROTOCOL)),
    ("6.9 WINDOW_UPDATE of another size", [raw(8, 0, 0, bytes(3))], (ENDS, SIZE)),
    ("6.9.1 a window beyond all bounds", [raw(8, 0, 0, b"\x7f\xff\xff\xff")], (ENDS, FLOW)),
    ("6.9.1 a stream's window beyond all bounds", [POST, raw(8, 0, 1, b"\x7f\xff\xff\xff")], (RESETS, FLOW)),
    ("6.9.2 windows that settings overflow",
     [POST, raw(8, 0, 1, b"\0\0\0\1"), raw(4, 0, 0, b"\0\4\x7f\xff\xff\xff")], (ENDS, FLOW)),
    ("6.10 a head in pieces",
     [raw(1, 1, 1, block(asking())[:9]), raw(9, 0, 1), raw(9, 4, 1, block(asking())[9:])], (ANSWERS, 200)),
    ("6.10 CONTINUATION after the head's end", [POST, raw(9, 4, 1)], (ENDS, PROTOCOL)),
    ("6.10 CONTINUATION after a body", [POST, body(1, b"x"), raw(9, 4, 1)], (ENDS, PROTOCOL)),
    ("6.10 CONTINUATION without end", [raw(1, 1, 1), *[raw(9, 0, 1)] * 9], (ENDS, CALM)),
    ("6.10 a head in pieces above 32 KB", [raw(1, 1, 1), *[raw(9, 0, 1, bytes(16384))] * 3], (ENDS, CALM)),
    ("8.1 a second head that ends nothing", [POST, head(1, [("x-a", "1")], "END_HEADERS")], (RESETS, PROTOCOL)),
    ("8.1 trailers", [POST, body(1, b"x"), head(1, [("x-a", "1")])], (ANSWERS, 200)),
    ("8.1 trailers with pseudo-fields", [POST, head(1, [(":path", "/")])], (RESETS, PROTOCOL)),
    ("8.1.1 a body shorter than announced",
     [head(1, asking("POST", "/", ("content-length", "2")), "END_HEADERS"), body(1, b"x", ended=True)], (RESETS, PROTOCOL)),
    ("8.1.1 a body longer than announced",
     [head(1, asking("POST", "/", ("content-length", "2")), "END_HEADERS"), body(1, b"xyz")], (RESETS, PROTOCOL)),
    ("8.1.1 no body where one was announced", [head(1, asking("POST", "/", ("content-length", "2")))], (RESETS, PROTOCOL)),
    ("8.1.1 a body where none was announced",
     [head(1, asking("POST", "/", ("content-length", "0")), "END_HEADERS"), body(1, b"x", ended=True)], (RESETS, PROTOCOL)),
    ("8.1.1 an empty body where none was announced",
     [head(1, asking("POST", "/", ("content-length", "0")), "END_HEADERS"), body(1, b"", ended=True)], (ANSWERS, 200)),
    ("7541 2.3.3 an index beyond the table", [raw(1, 5, 1, INDEXED + b"\xff\x01")], (ENDS, COMPRESSION)),
    ("7541 4.2 a table above what was allowed", [raw(1, 5, 1, b"\x3f\xe2\x1f" + INDEXED)], (ENDS, COMPRESSION)),
    ("7541 4.2 a new size after a field", [raw(1, 5, 1, INDEXED + b"\x20")], (ENDS, COMPRESSION)),
    ("7541 4.2 a new size before all fields", [raw(1, 5, 1, b"\x20\x3f\xe1\x1f" + INDEXED)], (ANSWERS, 200)),
    ("7541 5.2 Huffman code with too much padding", [raw(1, 5, 1, INDEXED + b"\x00\x81x\x85\xf1\xe3\xc2\xff\xff")], (ENDS, COMPRESSION)),
    ("7541 5.2 Huffman code padded with zeros", [raw(1, 5, 1, INDEXED + b"\x00\x01x\x81\x00")], (ENDS, COMPRESSION)),
    ("7541 5.2 Huffman code with its end in it", [raw(1, 5, 1, INDEXED + b"\x00\x01x\x84\xff\xff\xff\xff")], (ENDS, COMPRESSION)),
    ("7541 5.2 a string that the block cuts off", [raw(1, 5, 1, INDEXED + b"\x00\x01x\x05ab")], (ENDS, COMPRESSION)),
    ("7541 6.1 the index zero", [raw(1, 5, 1, INDEXED + b"\x80")], (ENDS, COMPRESSION)),
]  # fmt: skip


def but(**changes: str | None) -> Fields:
    """Return the pseudo-fields of a request with some of them changed, or left out."""
    given = {"method": "GET", "scheme": "http", "authority": "a.x", "path": "/"} | changes
    return [(f":{name}", value) for name, value in given.items() if value is not None]


REQUESTS: list[tuple[str, Fields, Reaction]] = [
    ("8.2.1 a name in upper case", asking("GET", "/", ("X-Test", "1")), (RESETS, PROTOCOL)),
    ("8.2.1 a name with a space", asking("GET", "/", ("x test", "1")), (RESETS, PROTOCOL)),
    ("8.2.1 a name with a colon", asking("GET", "/", ("x:test", "1")), (RESETS, PROTOCOL)),
    ("8.2.1 an empty name", asking("GET", "/", ("", "1")), (RESETS, PROTOCOL)),
    ("8.2.1 a name with a line end", asking("GET", "/", ("x\r\nhost", "1")), (RESETS, PROTOCOL)),
    ("8.2.1 a value with a line end", asking("GET", "/", ("x", "1\r\nTransfer-Encoding: chunked")), (RESETS, PROTOCOL)),
    ("8.2.1 a value with a bare carriage return", asking("GET", "/", ("x", "1\r2")), (RESETS, PROTOCOL)),
    ("8.2.1 a value with a bare line feed", asking("GET", "/", ("x", "1\n2")), (RESETS, PROTOCOL)),
    ("8.2.1 a value with NUL", asking("GET", "/", ("x", "1\x002")), (RESETS, PROTOCOL)),
    ("8.2.1 a value that begins with a space", asking("GET", "/", ("x", " 1")), (RESETS, PROTOCOL)),
    ("8.2.1 a value that ends with a tab", asking("GET", "/", ("x", "1\t")), (RESETS, PROTOCOL)),
    ("8.2.1 a path with a line end", but(path="/ HTTP/1.1\r\nhost: b.x\r\n\r\nGET /"), (RESETS, PROTOCOL)),
    ("8.2.1 a method with a line end", but(method="GET / HTTP/1.1\r\nhost: b.x\r\n\r\nGET"), (RESETS, PROTOCOL)),
    ("8.2.1 an authority with a line end", but(authority="a.x\r\nx: y"), (RESETS, PROTOCOL)),
    *[(f"8.2.2 {name}: {value}", asking("GET", "/", (name, value)), (RESETS, PROTOCOL)) for name, value in [
        ("connection", "close"), ("keep-alive", "1"), ("proxy-connection", "close"), ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"), ("te", "gzip"), ("te", "trailers, deflate")]],
    ("8.2.2 te: trailers", asking("GET", "/", ("te", "trailers")), (ANSWERS, 200)),
    ("8.3 a pseudo-field after others", [*but(path=None), ("x-a", "1"), (":path", "/")], (RESETS, PROTOCOL)),
    ("8.3 a pseudo-field after a cookie", [*but(path=None), ("cookie", "a=1"), (":path", "/")], (RESETS, PROTOCOL)),
    ("8.3 an unknown pseudo-field", [*but(), (":test", "1")], (RESETS, PROTOCOL)),
    ("8.3 a pseudo-field of responses", [*but(), (":status", "200")], (RESETS, PROTOCOL)),
    ("8.3 a pseudo-field twice", [*but(), (":path", "/")], (RESETS, PROTOCOL)),
    ("8.3.1 no method", but(method=None), (ANSWERS, 400)),
    ("8.3.1 no scheme", but(scheme=None), (RESETS, PROTOCOL)),
    ("8.3.1 another scheme", but(scheme="ftp"), (RESETS, PROTOCOL)),
    ("8.3.1 no path", but(path=None), (RESETS, PROTOCOL)),
    ("8.3.1 an empty path", but(path=""), (RESETS, PROTOCOL)),
    ("8.3.1 a path that is a URL", but(path="http://b.x/"), (RESETS, PROTOCOL)),
    ("8.3.1 a path with a space", but(path="/a b"), (ANSWERS, 400)),
    ("8.3.1 a path above 8 KB", but(path="/" + "a" * 8192), (ANSWERS, 414)),
    ("8.3.1 the asterisk of OPTIONS", but(method="OPTIONS", path="*"), (ANSWERS, 200)),
    ("8.3.1 the asterisk of others", but(path="*"), (ANSWERS, 400)),
    ("8.3.1 no host at all", but(authority=None), (ANSWERS, 400)),
    ("8.3.1 a host without an authority", [*but(authority=None), ("host", "a.x")], (ANSWERS, 200)),
    ("8.3.1 a host as the authority says", [*but(), ("host", "A.x")], (ANSWERS, 200)),
    ("8.3.1 a host that differs", [*but(), ("host", "b.x")], (ANSWERS, 400)),
    ("8.3.1 two hosts", [*but(authority=None), ("host", "a.x"), ("host", "a.x")], (RESETS, PROTOCOL)),
    ("8.3.1 an authority with a name in it", but(authority="me@a.x"), (ANSWERS, 400)),
    ("8.5 CONNECT", [(":method", "CONNECT"), (":authority", "a.x:443")], (ANSWERS, 405)),
    ("a method in lower case", but(method="get"), (ANSWERS, 400)),
    ("a length that is none", asking("POST", "/", ("content-length", "+1")), (ANSWERS, 400)),
    ("two lengths", asking("POST", "/", ("content-length", "0"), ("content-length", "0")), (ANSWERS, 400)),
    ("another expectation", asking("POST", "/", ("expect", "more")), (ANSWERS, 417)),
    ("101 fields", asking("GET", "/", *[("x-a", "1")] * 101), (ANSWERS, 431)),
]  # fmt: skip


async def reaction(peer: Peer, kind: str, number: int) -> int | None:
    """Return the code that the client was told of, once it was told so."""
    if kind == ENDS:
        await peer.until(lambda: peer.goaway_code() is not None and peer.closed)
        return peer.goaway_code()
    if kind == RESETS:
        await peer.until(lambda: peer.reset_code(number) is not None or peer.closed)
        return peer.reset_code(number)
    return int((await peer.answered(number))[":status"])


@pytest.mark.parametrize(("frames", "told"), [pytest.param(*case[1:], id=case[0]) for case in FRAMES])
async def test_frames(stage: Stage, frames: list[bytes], told: Reaction) -> None:
    """Each sequence of frames has the reaction that the standard names, and the proxy serves others afterwards."""
    stage.route(await stage.backend())

    async with a_peer(stage) as peer:
        peer.send(*frames)
        code = await reaction(peer, told[0], 1)

    assert code == told[1]
    assert (await stage.get()).status == 200


@pytest.mark.parametrize(("fields", "told"), [pytest.param(*case[1:], id=case[0]) for case in REQUESTS])
async def test_requests(stage: Stage, fields: Fields, told: Reaction) -> None:
    """Each request has the reaction that the standard names, no backend sees a bad one, and the connection goes on."""
    backend = await stage.backend()
    stage.route(backend)

    async with a_peer(stage) as peer:
        peer.send(head(1, fields))
        code = await reaction(peer, told[0], 1)
        seen = len(backend.heads)
        peer.send(head(3, asking("GET", "/next")))
        after = await peer.answered(3)

    assert (code, seen) == (told[1], 1 if told == (ANSWERS, 200) else 0)
    assert after[":status"] == "200"


@pytest.mark.parametrize(
    "first", [PREFACE[:-1] + b"x", PREFACE + GET, PREFACE + raw(4, 1, 0), PREFACE + raw(6, 0, 0, bytes(8))]
)
async def test_first_words(stage: Stage, first: bytes) -> None:
    """A connection that opens with another preface, or with another frame than SETTINGS, is closed."""
    reader, writer = await stage.connect()
    writer.write(first)

    data = await reader.read()

    assert data.startswith(b"HTTP/1.1 400") or b"\x00\x00\x08\x07" in data


async def test_preface_in_pieces(stage: Stage) -> None:
    """A preface that comes byte by byte opens HTTP/2 all the same."""
    stage.route(await stage.backend())
    reader, writer = await stage.connect()
    for byte in PREFACE:
        writer.write(bytes([byte]))
        await writer.drain()
    peer = Peer(reader, writer)
    peer.send(raw(4, 0, 0), GET)

    assert (await peer.answered())[":status"] == "200"
    await peer.close()


async def test_no_window_is_overrun(stage: Stage) -> None:
    """A client gets no more room while the backend takes nothing, and one that sends beyond its room has its stream reset."""
    go_on = asyncio.Event()

    async def wait(_backend: Backend, _head: bytes, _reader: Reader, _writer: Writer) -> None:
        await go_on.wait()

    stage.route(await stage.backend(wait))

    async with a_peer(stage) as peer:
        peer.send(POST)
        sent = await fill(peer, 1)
        peer.send(body(1, bytes(16384)))
        code = await reaction(peer, RESETS, 1)

    go_on.set()
    assert sent < 32 * 1024 * 1024
    assert code == FLOW


async def fill(peer: Peer, number: int) -> int:
    """Send as much as there is room for until there is none; return how much that was."""
    sent = 0
    while True:
        await peer.settled()
        room = 256 * 1024 + sum(frame.window_increment for frame in peer.got(WindowUpdateFrame, number)) - sent  # type: ignore[attr-defined]
        if room < 16384:
            return sent
        peer.send(*[body(number, bytes(16384))] * (room // 16384))
        sent += room // 16384 * 16384
