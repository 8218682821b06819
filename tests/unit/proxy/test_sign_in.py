"""A gate lets pass who shows a listed token or a session that such a token began, and shows neither to what is behind it."""

from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess_proxy.http1.heads import HeadReader, Request
from hostess_proxy.http1.refused import Refused
from hostess_proxy.routes.pages import Answer, render
from hostess_proxy.routes.sign_in import COOKIE, SESSION_SECONDS, Gate, Passed, admit

TOKEN = b"hst_" + b"a" * 43
OTHER = b"hst_" + b"b" * 43
STRANGER = b"hst_" + b"c" * 43
NOW = 1_700_000_000.0


def digest(token: bytes) -> str:
    """Return what a table says of a token."""
    return sha256(token).hexdigest()


GATE = Gate([digest(TOKEN), digest(OTHER)], b"k" * 16)


def request(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"a.x") -> Request:
    """Return a request as the proxy reads it."""
    return HeadReader().request(b"\r\n".join([line, b"Host: " + host, *lines, b""]))


def basic(text: bytes) -> bytes:
    """Return the field line of Basic authentication."""
    return b"Authorization: Basic " + b64encode(text)


def come(*lines: bytes, gate: Gate = GATE, now: float = NOW, host: bytes = b"a.x") -> Passed | Answer:
    """Let a request come to the gate."""
    return admit(gate, request(*lines, host=host), now, secure=False)


def session(host: bytes = b"a.x", gate: Gate = GATE, token: bytes = TOKEN) -> bytes:
    """Return the cookie that a browser has after it has signed in."""
    return COOKIE + b"=" + gate.session(digest(token).encode(), host, NOW)


def passed(*lines: bytes, now: float = NOW, host: bytes = b"a.x", gate: Gate = GATE) -> bool:
    """Whether a request passes; one that does not is told what to do."""
    verdict = come(*lines, now=now, host=host, gate=gate)
    if isinstance(verdict, Passed):
        return True
    assert verdict == Answer(401, "sign-in-needed")
    return False


@pytest.mark.parametrize(
    "line",
    [
        basic(b"anybody:" + TOKEN),
        basic(b":" + OTHER),
        b"authorization: basic " + b64encode(b"x:" + TOKEN),
        b"AUTHORIZATION:BASIC  " + b64encode(b"x:" + TOKEN),
        b"Authorization: Basic " + b64encode(b"xx:" + TOKEN).rstrip(b"="),
        b"Authorization: Bearer " + TOKEN,
        b"authorization:bearer\t" + TOKEN + b" ",
    ],
)
def test_a_token_passes_and_is_not_passed_on(line: bytes) -> None:
    """A listed token passes, by Basic and Bearer in any case, and its line is the one thing that the backend does not see."""
    verdict = come(b"Accept: */*", line, b"X-Other: 1")

    assert isinstance(verdict, Passed)
    assert verdict.request.fields.forward == b"Host: a.x\r\nAccept: */*\r\nX-Other: 1\r\n"
    assert verdict.digest.decode() in {digest(TOKEN), digest(OTHER)}


@pytest.mark.parametrize(
    "line",
    [
        b"Accept: */*",
        basic(b"x:" + STRANGER),
        basic(b"x:" + TOKEN + b"\n"),
        basic(b"x: " + TOKEN),
        basic(TOKEN + b":"),
        basic(TOKEN),
        basic(b"x:"),
        basic(b""),
        b"Authorization: Basic",
        b"Authorization: Basic =",
        b"Authorization: Basic A",
        b"Authorization: Basic \xff\xfe",
        b"Authorization:",
        b"Authorization: Bearer",
        b"Authorization: Bearer " + TOKEN.upper(),
        b"Authorization: Bearer " + TOKEN[:-1],
        b"Authorization: Bearer " + digest(TOKEN).encode(),
        b"Authorization: Token " + TOKEN,
        b"Authorization: " + TOKEN,
        b"X-Authorization: Bearer " + TOKEN,
        b"Proxy-Authorization: Bearer " + TOKEN,
        b"Cookie: " + COOKIE + b"=" + TOKEN,
        b"Cookie: " + COOKIE + b"=" + digest(TOKEN).encode(),
        b"Cookie: " + COOKIE + b"=",
        b"Cookie: " + COOKIE,
        b"Cookie: " + COOKIE + b"=9999999999." + digest(TOKEN)[:16].encode() + b".",
        b"Cookie: " + COOKIE + b"=9999999999..",
    ],
)
def test_anything_else_is_asked(line: bytes) -> None:
    """What is no listed token, or not in its place, does not pass."""
    assert not passed(line)


def test_a_gate_without_tokens_lets_nobody_pass() -> None:
    """Where no token is listed any more nobody passes, not even with a session from before."""
    gate = Gate([], b"k" * 16)

    assert not passed(basic(b"x:" + TOKEN), gate=gate)
    assert not passed(b"Cookie: " + session(), gate=gate)
    assert not gate.lists(b"")


def test_a_session_ends() -> None:
    """A session passes for twelve hours on its host, whatever the port and case, and ends when its token is no longer listed."""
    line = b"Cookie: " + session()

    assert passed(line, now=NOW + SESSION_SECONDS - 1)
    assert passed(line, host=b"A.X.:8080")
    assert not passed(line, now=NOW + SESSION_SECONDS)
    assert not passed(line, host=b"b.x")
    assert not passed(line, gate=Gate([digest(TOKEN)], b"l" * 16))
    assert not passed(line, gate=Gate([digest(OTHER)], b"k" * 16))


@given(st.integers(0, 200), st.binary(min_size=1, max_size=1))
def test_a_changed_session_is_none(at: int, byte: bytes) -> None:
    """No byte of a session can be changed: not its expiry, not its token, not its signature."""
    value = session()
    at = len(COOKIE) + 1 + at % (len(value) - len(COOKIE) - 1)
    changed = value[:at] + byte + value[at + 1 :]
    try:
        verdict = come(b"Cookie: " + changed)
    except Refused:
        return

    assert isinstance(verdict, Passed) == (changed == value or changed.split(b";")[0] == value)


def test_of_several_cookies_one_has_to_be_good() -> None:
    """A good session counts among bad ones and others, in one line or several, and the app sees what is not ours."""
    bad = COOKIE + b"=1.2.3"
    verdict = come(
        b"cookie: a=1; " + bad + b";b=2;" + session() + b"; c",
        b"Cookie: " + session(b"b.x"),
        b"Cookie: d=" + COOKIE,
        b"Authorization: Bearer of-the-app",
    )

    assert isinstance(verdict, Passed)
    assert verdict.request.fields.forward == (
        b"Host: a.x\r\ncookie: a=1; b=2; c\r\nCookie: d=" + COOKIE + b"\r\nAuthorization: Bearer of-the-app\r\n"
    )


def test_other_tokens_stay_outside() -> None:
    """With a session an Authorization of the app's own goes on, and a token of Hostess that is not for this door does not."""
    for line, goes_on in (
        (basic(b"me:secret"), True),
        (b"Authorization: Digest username=me", True),
        (b"Authorization: Bearer " + STRANGER, False),
        (basic(b"x:" + STRANGER), False),
        (basic(STRANGER + b":"), False),
        (basic(b"x:" + TOKEN), False),
    ):
        verdict = come(b"Cookie: " + session(), line)

        assert isinstance(verdict, Passed)
        assert verdict.request.fields.forward == b"Host: a.x\r\n" + (line + b"\r\n" if goes_on else b"")


def test_a_browser_gets_a_session() -> None:
    """A browser that signs in for a page is sent to that page with a cookie, for TLS only where it came by TLS."""
    asking = request(
        basic(b"x:" + TOKEN), b"Accept: text/html,*/*", b"Cookie: " + COOKIE + b"=old", line=b"GET /a?b=c HTTP/1.1"
    )
    plain, secure = (admit(GATE, asking, NOW, secure=secure) for secure in (False, True))

    assert isinstance(plain, Answer)
    assert isinstance(secure, Answer)
    assert (plain.status, plain.location) == (303, b"/a?b=c")
    assert plain.cookie == session() + b"; Max-Age=43200; Path=/; HttpOnly; SameSite=Lax"
    assert secure.cookie == plain.cookie + b"; Secure"
    assert b"\r\nSet-Cookie: " + plain.cookie + b"\r\n" in render(plain, b"")[0]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"POST / HTTP/1.1", [b"Accept: text/html"]),
        (b"HEAD / HTTP/1.1", [b"Accept: text/html"]),
        (b"GET / HTTP/1.1", [b"Accept: application/json"]),
        (b"GET / HTTP/1.1", [b"Accept: text/html", b"Connection: upgrade", b"Upgrade: websocket"]),
        (b"GET / HTTP/1.1", [b"Accept: text/html", b"Cookie: " + session()]),
        (b"GET //evil.x/ HTTP/1.1", [b"Accept: text/html"]),
        (b"GET http://a.x//evil.x HTTP/1.1", [b"Accept: text/html"]),
    ],
)
def test_only_a_page_is_redirected(line: bytes, fields: list[bytes]) -> None:
    """What is no page, is signed in already, or would lead a browser to another host passes without a detour."""
    assert isinstance(admit(GATE, request(basic(b"x:" + TOKEN), *fields, line=line), NOW, secure=False), Passed)


def test_nothing_is_put_into_the_answer() -> None:
    """No target that could end a line of the answer is a request at all."""
    for target in (b"/a\rSet-Cookie: x", b"/\\evil.x", b"/a\tb", b"/a\x00"):
        with pytest.raises(Refused):
            request(line=b"GET " + target + b" HTTP/1.1")


def test_the_answer_says_what_to_do() -> None:
    """401 asks for Basic, in words for people and as JSON for who wants that."""
    page, body = render(Answer(401, "sign-in-needed"), b"text/html")
    problem, data = render(Answer(401, "sign-in-needed"), b"application/json")

    for head in (page, problem):
        assert b'\r\nWWW-Authenticate: Basic realm="Hostess"\r\n' in head
        assert b"\r\nX-Hostess-Error: sign-in-needed\r\n" in head
        assert b"\r\nCache-Control: no-store\r\n" in head
    assert b"token as the password" in body
    assert b'"code": "sign-in-needed"' in data
