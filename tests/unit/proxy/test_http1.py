"""Heads have one reading or are refused."""

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostess_proxy.http1.field_lines import MAX_LINE
from hostess_proxy.http1.heads import (
    CHUNKED,
    MAX_HEAD,
    MAX_TARGET,
    NO_BODY,
    UNTIL_CLOSE,
    HeadReader,
    Request,
    check_partial,
    check_partial_response,
)
from hostess_proxy.http1.refused import Refused

HEAD = b"GET /p HTTP/1.1\r\nHost: a.x\r\n"

REFUSED = {
    "length and coding": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n", 400),
    "coding and length": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n", 400),
    **{
        f"length {value!r}": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n" % value, 400)
        for value in (b"+5", b"-5", b"0x5", b"5,5", b"5, 5", b"1_0", b"", b"9" * 30, b"5 5", b"\xb2", b"5;")
    },
    "two equal lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 6\r\n", 400),
    **{
        f"coding {value!r}": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %b\r\n" % value, status)
        for value, status in {
            b"xchunked": 501,
            b"identity": 501,
            b"chunked, chunked": 400,
            b",chunked": 400,
            b"chunked,": 400,
            b"gzip, chunked": 400,
            b"chunked;q=1": 400,
            b'"chunked"': 400,
            b"": 400,
            b"\x0bchunked": 400,
            b"\xa0chunked": 400,
        }.items()
    },
    "coding twice": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        400,
    ),
    "coding hidden behind another": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n",
        400,
    ),
    "coding on HTTP/1.0": (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", 400),
    "space before colon": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n", 400),
    "tab before colon": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n", 400),
    "folded line": (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n", 400),
    "folded first line": (b"GET / HTTP/1.1\r\n Host: a\r\n", 400),
    "bare line feed": (b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n", 400),
    "bare line feed in request line": (b"GET / HTTP/1.1\nHost: a\r\n", 400),
    "bare carriage return": (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\x00\r\n", 400),
    "control character": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n", 400),
    "empty name": (b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n", 400),
    "odd name": (b"GET / HTTP/1.1\r\nHost: a\r\nX(Y): 1\r\n", 400),
    "non-ASCII name": (b"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa9: 1\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\nX: 1\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
    "two equal hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n", 400),
    **{
        f"host {value!r}": (b"GET / HTTP/1.1\r\nHost: %b\r\n" % value, 400)
        for value in (
            b"",
            b"a@b",
            b"a,b",
            b"a b",
            b"a/b",
            b"a?b",
            b"a:",
            b"a:b",
            b"a%2eb",
            b"[::1",
            b"a\\b",
            b"a#b",
            b"\xe4.x",
        )
    },
    "absolute form of another host": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n", 400),
    "absolute form with userinfo": (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n", 400),
    "absolute form of another scheme": (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n", 400),
    "space at the end": (b"GET / HTTP/1.1 \r\nHost: a\r\n", 400),
    "fragment": (b"GET /#x HTTP/1.1\r\nHost: a\r\n", 400),
    "backslash": (b"GET /\\x HTTP/1.1\r\nHost: a\r\n", 400),
    "control in target": (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n", 400),
    "non-ASCII target": (b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n", 400),
    "tab between": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n", 400),
    "no slash": (b"GET p HTTP/1.1\r\nHost: a\r\n", 400),
    "asterisk for GET": (b"GET * HTTP/1.1\r\nHost: a\r\n", 400),
    **{
        f"version {version!r}": (b"GET / %b\r\nHost: a\r\n" % version, 400)
        for version in (
            b"HTTP/1.2",
            b"HTTP/2.0",
            b"HTTP/0.9",
            b"http/1.1",
            b"HTTP/1.10",
            b"HTTP/01.1",
            b"HTTP/1,1",
            b"HTTPS/1.1",
        )
    },
    "HTTP/0.9": (b"GET /\r\n", 400),
    "no target": (b"GET HTTP/1.1\r\nHost: a\r\n", 400),
    "odd method": (b"GE(T / HTTP/1.1\r\nHost: a\r\n", 400),
    "lower-case method": (b"get / HTTP/1.1\r\nHost: a\r\n", 400),
    "body before the method": (b"helloGET / HTTP/1.1\r\nHost: a\r\n", 400),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n", 405),
    "CONNECT of a path": (b"CONNECT / HTTP/1.1\r\nHost: a\r\n", 405),
    "long target": (b"GET /%b HTTP/1.1\r\nHost: a\r\n" % (b"a" * 9000), 414),
    "101 fields": (HEAD + b"X: 1\r\n" * 100, 431),
    "long line": (HEAD + b"X: %b\r\n" % (b"a" * 17000), 431),
    "unknown expectation": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-ok\r\n", 417),
}


def read(head: bytes) -> Request:
    """Read with a reader that remembers nothing."""
    return HeadReader().request(head)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What has more than one reading, or none, is refused with its status, at first and at second sight."""
    head, status = REFUSED[name]
    reader = HeadReader()

    for _ in range(2):
        with pytest.raises(Refused) as refusal:
            reader.request(head)
        assert refusal.value.status == status


@pytest.mark.parametrize("name", REFUSED)
def test_request_with_a_remembered_head_is_judged_anew(name: str) -> None:
    """A reader that remembers fields still refuses what its request line makes wrong."""
    head, status = REFUSED[name]
    reader = HeadReader()
    reader.request(HEAD)

    with pytest.raises(Refused) as refusal:
        reader.request(head)
    assert refusal.value.status == status


def refused_by_httptools(message: bytes) -> bool:
    """Whether llhttp refuses a message for another reason than a method it does not know."""
    try:
        httptools.HttpRequestParser(object()).feed_data(message)
    except httptools.HttpParserInvalidMethodError:
        return False
    except httptools.HttpParserUpgrade:
        return False
    except httptools.HttpParserError:
        return True
    return False


LINES = st.lists(
    st.sampled_from(
        [
            b"Host: a.x", b"Host: b", b"Host:", b"host: a.x:80", b"Content-Length: 3", b"Content-Length: +3", b"Content-Length:3 ",
            b"Content-Length : 3", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding:\tchunked",
            b"Transfer-Encoding: x", b"Connection: close", b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: websocket", b" folded",
            b"X: \x00", b"X: a\rb", b"X\x0b: 1", b": empty", b"Expect: 100-continue", b"Cookie: \xff", b"A_B: 1", b"X: \x01", b"X",
        ]
    ),
    max_size=6,
)  # fmt: skip
REQUEST_LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1", b"POST /p?q HTTP/1.1", b"GET / HTTP/1.0", b"GET  / HTTP/1.1", b"GET / HTTP/1.2", b"GET /\x80 HTTP/1.1",
        b"GET http://a.x/ HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET / http/1.1", b"GET /", b"GET / HTTP/1.1 ", b"G\x00T / HTTP/1.1",
    ]
)  # fmt: skip


@given(REQUEST_LINES, LINES, st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]))
@settings(max_examples=400, deadline=None)
def test_no_laxer_than_llhttp(request_line: bytes, lines: list[bytes], ending: bytes) -> None:
    """Whatever httptools (llhttp) refuses is refused here, too."""
    head = b"".join(line + ending for line in (request_line, *lines))
    if b"\r\n\r\n" in head or not refused_by_httptools(head + b"\r\n"):
        return

    with pytest.raises(Refused):
        read(head)


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_bytes(data: bytes) -> None:
    """No bytes at all make the reader fail in another way than by refusing; and what it takes, llhttp takes."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + data + b"\r\n"
    if b"\r\n\r\n" in head:
        return
    try:
        read(head)
    except Refused:
        return
    assert not refused_by_httptools(head + b"\r\n")


def test_plain_request() -> None:
    """An ordinary head is read as it stands."""
    request = read(b"GET /p?a=1;b&%zz HTTP/1.1\r\nHost: A.X:8080\r\nUser-Agent: ua\r\nAccept: */*\r\n")

    assert (request.method, request.path, request.minor) == (b"GET", b"/p?a=1;b&%zz", 1)
    assert (request.fields.host, request.fields.name) == (b"A.X:8080", b"a.x")
    assert request.fields.forward == b"Host: A.X:8080\r\nUser-Agent: ua\r\nAccept: */*\r\n"
    assert request.fields.length == NO_BODY


@pytest.mark.parametrize("host", [b"a.x", b"A.X", b"a.x.", b"a.x:8080", b"A.x.:80"])
def test_host_spellings(host: bytes) -> None:
    """Case, port and trailing dot make no other host."""
    assert read(b"GET / HTTP/1.1\r\nHost: %b\r\n" % host).fields.name == b"a.x"


def test_absolute_form() -> None:
    """The absolute form of the same host goes on in origin form."""
    assert read(b"GET http://a.x/p?q HTTP/1.1\r\nHost: a.x\r\n").path == b"/p?q"
    assert read(b"GET http://a.x?q HTTP/1.1\r\nHost: a.x\r\n").path == b"/?q"


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"\tchunked "])
def test_chunked(value: bytes) -> None:
    """Exactly one coding is known, in any case and with any space around it."""
    request = read(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %b\r\n" % value)

    assert request.fields.length == CHUNKED
    assert b"ransfer" not in request.fields.forward


def test_hop_by_hop_fields_end_here() -> None:
    """Hop-by-hop fields, what Connection names, our own fields and ambiguous names do not go on; the rest keeps its order."""
    request = read(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Foo, Host, Authorization\r\nX-Foo: 1\r\nKeep-Alive: 5\r\nB: 2\r\n"
        b"X-Forwarded-For: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\nX.Y: 1\r\nTE: trailers\r\nProxy-Connection: x\r\nForwarded: for=x\r\n"
        b"HTTP2-Settings: x\r\nAuthorization: me\r\nA: 1\r\nX-Request-Start: 1\r\n"
    )

    assert request.fields.forward == b"Host: a\r\nB: 2\r\nAuthorization: me\r\nA: 1\r\n"
    assert request.fields.close


def test_end_to_end_fields_go_on() -> None:
    """Traces, languages and repeated fields go on as they are; `Forwarded`, which nobody here vouches for, does not."""
    lines = (
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=1,b=2\r\ntracestate: c=3\r\n"
        b"Via: 1.1 edge\r\nAccept-Language: de\r\nAccept-Language: en\r\n"
    )

    request = read(HEAD + b"Forwarded: for=1.2.3.4\r\n" + lines + b"TE: trailers, gzip\r\n")

    assert request.fields.forward == b"Host: a.x\r\n" + lines


def test_upgrades() -> None:
    """An upgrade needs both fields; HTTP/2 by upgrade and an upgrade with a body are ordinary requests."""
    asked = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: %b\r\n"

    assert read(asked % b"websocket").fields.upgrade == b"websocket"
    assert read(asked % b"h2c").fields.upgrade == b""
    assert read(asked % b"websocket, H2C").fields.upgrade == b""
    assert read(asked % b"websocket" + b"Content-Length: 1\r\n").fields.upgrade == b""
    assert read(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n").fields.upgrade == b""
    assert read((asked % b"websocket").replace(b"HTTP/1.1", b"HTTP/1.0")).fields.upgrade == b""


@pytest.mark.parametrize(("sent", "kept"), [(b"abc-1", b"abc-1"), (b"a b", b""), (b"x" * 65, b""), (b"", b"")])
def test_request_id(sent: bytes, kept: bytes) -> None:
    """A well-formed request id is kept; another is replaced."""
    assert read(HEAD + b"X-Request-Id: %b\r\n" % sent).fields.request_id == kept


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (HEAD + b"X: " + b"a" * 17000, 431),
        (HEAD + b"X: 1\r\n" * 6000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
    ],
)
def test_hopeless_beginnings(data: bytes, status: int) -> None:
    """A beginning that can never become a good head is refused without waiting for the rest."""
    with pytest.raises(Refused) as refusal:
        check_partial(data)
    assert refusal.value.status == status


@pytest.mark.parametrize("end", range(len(HEAD)))
def test_good_beginnings(end: int) -> None:
    """Every beginning of a good head may go on."""
    check_partial(HEAD[:end])


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"a" * (MAX_LINE - 3) + b"\r\n",
        b"GET /" + b"a" * (MAX_TARGET - 1) + b" HTTP/1.1\r\nHost: a.x\r\n",
        HEAD + b"X: %b\r\n" % (b"a" * 1000) * 32 + b"Y: %b\r\n" % (b"a" * (MAX_HEAD - len(HEAD) - 32 * 1005 - 3)),
    ],
    ids=["line", "target", "head"],
)
def test_limits_are_the_same_in_pieces(head: bytes) -> None:
    """What is just within a limit may come in pieces, too."""
    for end in range(len(head) - 3000, len(head) + 2):
        check_partial((head + b"\r\n")[:end])
    read(head)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0", b"HTTP/2", b"\r\n", b"HTTP/1.1 200 OK\nA: 1", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000]
)
def test_hopeless_beginnings_of_responses(data: bytes) -> None:
    """A beginning that can never become a good head of a response is refused without waiting for the rest."""
    with pytest.raises(Refused) as refusal:
        check_partial_response(data)
    assert refusal.value.status == 502


@pytest.mark.parametrize("status", [b"103 Early Hints", b"204 No Content", b"101 Switching Protocols"])
def test_statuses_without_a_length(status: bytes) -> None:
    """Responses that never have a body pass on no length, whatever their backend says."""
    response = HeadReader().response(b"HTTP/1.1 %b\r\nA: 1\r\nContent-Length: 4\r\n" % status)

    assert response.forward == b"A: 1\r\n"


RESPONSES_REFUSED = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n",
    "other coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
    "coding on HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
    "bare line feed": b"HTTP/1.1 200 OK\r\nA: 1\nB: 2\r\n",
    "bare line feed after the status": b"HTTP/1.1 200 OK\nA: 1\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nA: 1\r\n B\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nA : 1\r\n",
    "no status": b"HTTP/1.1 OK\r\n",
    "big status": b"HTTP/1.1 2000 OK\r\n",
    "other version": b"HTTP/2.0 200 OK\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nA: \x00\r\n",
}


@pytest.mark.parametrize("name", RESPONSES_REFUSED)
def test_responses_refused(name: str) -> None:
    """A backend's head without a single reading is a bad gateway."""
    with pytest.raises(Refused) as refusal:
        HeadReader().response(RESPONSES_REFUSED[name])
    assert refusal.value.status == 502


def test_response() -> None:
    """A response keeps its status line, the order and case of its fields, and repeated ones."""
    response = HeadReader().response(
        b"HTTP/1.0 404 Nicht da\r\nSet-Cookie: a\r\nsEt-cookie: b\r\nConnection: X-A\r\nX-A: 1\r\nX-Hostess-Error: fake\r\n"
    )

    assert response.line == b"HTTP/1.1 404 Nicht da\r\n"
    assert response.forward == b"Set-Cookie: a\r\nsEt-cookie: b\r\n"
    assert (response.status, response.length, response.keep_alive) == (404, UNTIL_CLOSE, False)
