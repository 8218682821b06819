"""Messages that are good but for a few bytes, cut anywhere: one reading, whoever reads."""

from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.integration.proxy.corpus import request_cases, response_cases
from tests.unit.proxy.fuzzing import check_request, check_response

SHORT = 400
PREFACE = b"PRI * HTTP/2.0"
"""With it a client goes on in another protocol, which has tests of its own, in an event loop."""
REQUESTS = {name: case.sent for name, case in request_cases().items() if len(case.sent) < SHORT}
RESPONSES = {name: case.said for name, case in response_cases().items() if len(case.said) < SHORT}
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b"\x0b", b"\x7f", b"\x80", b" ", b"\t", b":", b",", b";", b"=", b'"', b"_", b"-", b"+",
    b"0", b"1", b"5", b"a", b"F", b"x", b"/", b"#", b"Host: b.x\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"X: y\r\n",
    b"hello", b"0\r\n\r\n", b"5\r\nhello\r\n", b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0", b"chunked",
]  # fmt: skip
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "repeat"]), st.integers(0, SHORT), st.sampled_from(TOKENS)
    ),
    max_size=4,
)
CUTS = st.lists(st.integers(1, SHORT), max_size=6)
Changes = list[tuple[str, int, bytes]]


def changed(message: bytes, changes: Changes) -> bytes:
    """Return a message with a few bytes changed."""
    for what, place, token in changes:
        at = place % (len(message) + 1)
        if what == "insert":
            message = message[:at] + token + message[at:]
        elif what == "delete":
            message = message[:at] + message[at + len(token) :]
        elif what == "replace":
            message = message[:at] + token + message[at + len(token) :]
        else:
            message = message[:at] + message[at : at + 40] + message[at:]
    return message


def cut(message: bytes, cuts: list[int]) -> list[bytes]:
    """Return a message in pieces."""
    marks = sorted({0, len(message), *(mark for mark in cuts if mark < len(message))})
    return [message[start:end] for start, end in pairwise(marks)]


@given(st.sampled_from([*REQUESTS.values()]), CHANGES, CUTS)
@settings(max_examples=400, deadline=None)
def test_changed_requests(message: bytes, changes: Changes, cuts: list[int]) -> None:
    """A changed request is refused or has one reading, the same in pieces, to careless backends and to llhttp."""
    check_request(cut(changed(message, changes), cuts))


@given(st.sampled_from([*RESPONSES.values()]), CHANGES, CUTS, st.sampled_from([b"GET", b"GET", b"HEAD"]))
@settings(max_examples=400, deadline=None)
def test_changed_responses(message: bytes, changes: Changes, cuts: list[int], method: bytes) -> None:
    """A changed response is a 502, or broken off, or has one reading, the same in pieces and to llhttp."""
    check_response(cut(changed(message, changes), cuts), method)


@given(st.binary(max_size=60), CUTS)
@settings(max_examples=300, deadline=None)
@example(b"\r\n", [1])
def test_any_bytes(data: bytes, cuts: list[int]) -> None:
    """No bytes at all, from either side, do anything but be refused or wait for more."""
    assume(PREFACE not in data)
    check_request(cut(data, cuts))
    check_response(cut(data, cuts), b"GET")


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_cut_in_two(name: str) -> None:
    """Wherever a request of the corpus is cut in two, it is the same."""
    message = REQUESTS[name]
    for mark in range(1, len(message)):
        check_request([message[:mark], message[mark:]])


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_cut_in_two(name: str) -> None:
    """Wherever a response of the corpus is cut in two, it is the same."""
    message = RESPONSES[name]
    for mark in range(1, len(message)):
        check_response([message[:mark], message[mark:]], b"GET")
