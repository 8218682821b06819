"""What an authority's error documents mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.certificates.acme_errors import LONGEST, plain, read_fault
from hostess.domain.certificates.order import Trouble

URN = "urn:ietf:params:acme:error:"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "detail", "subproblems", "identifier"]), inner)
    ),
    max_leaves=8,
)


def of(kind: str, detail: str = "no", **more: object) -> dict[str, Any]:
    """Return an error document."""
    return {"type": URN + kind, "detail": detail, **more}


@pytest.mark.parametrize(
    ("kind", "status", "trouble"),
    [
        ("dns", 400, Trouble.NOT_OURS_YET),
        ("connection", 400, Trouble.NOT_OURS_YET),
        ("tls", 400, Trouble.NOT_OURS_YET),
        ("incorrectResponse", 403, Trouble.NOT_OURS_YET),
        ("unauthorized", 403, Trouble.NOT_OURS_YET),
        ("caa", 403, Trouble.FORBIDDEN),
        ("rejectedIdentifier", 400, Trouble.FORBIDDEN),
        ("unsupportedIdentifier", 400, Trouble.FORBIDDEN),
        ("malformed", 400, Trouble.FORBIDDEN),
        ("invalidProfile", 400, Trouble.FORBIDDEN),
        ("externalAccountRequired", 403, Trouble.FORBIDDEN),
        ("rateLimited", 429, Trouble.RATE_LIMITED),
        ("rateLimited", 400, Trouble.RATE_LIMITED),
        ("alreadyReplaced", 409, Trouble.REPLACED),
        ("userActionRequired", 403, Trouble.PAUSED),
        ("serverInternal", 500, Trouble.AUTHORITY),
        ("badNonce", 400, Trouble.AUTHORITY),
        ("accountDoesNotExist", 400, Trouble.AUTHORITY),
        ("somethingNew", 400, Trouble.AUTHORITY),
        ("malformed", 500, Trouble.AUTHORITY),
        ("malformed", 429, Trouble.RATE_LIMITED),
    ],
)
def test_each_kind_is_one_of_trouble(kind: str, status: int, trouble: Trouble) -> None:
    """The kind of an error decides what is done, and overload of the authority more than that."""
    fault = read_fault(of(kind, "the sentence"), status)

    assert (fault.kind, fault.trouble, fault.said) == (kind, trouble, "the sentence")


def test_unavailable_with_a_time_is_a_limit() -> None:
    """503 with Retry-After is how Let's Encrypt limits requests; without, the authority is down."""
    assert read_fault(None, 503, may_return=True).trouble is Trouble.RATE_LIMITED
    assert read_fault(None, 503).trouble is Trouble.AUTHORITY


def test_parts_are_told_with_their_names() -> None:
    """An error about several names tells what was wrong with each; one that no waiting cures decides."""
    parts = [
        of("dns", "no such name") | {"identifier": {"type": "dns", "value": "a.example.org"}},
        of("caa", "CAA forbids") | {"identifier": {"type": "dns", "value": "b.example.org"}},
    ]
    fault = read_fault(of("compound", "several", subproblems=parts), 400)

    assert fault.said == "several; a.example.org: no such name; b.example.org: CAA forbids"
    assert fault.trouble is Trouble.FORBIDDEN
    assert read_fault(of("compound", "several", subproblems=parts[:1]), 400).trouble is Trouble.NOT_OURS_YET


def test_a_paused_name_needs_a_person() -> None:
    """Let's Encrypt calls a paused name rate-limited; its words tell that somebody has to act, and where."""
    words = (
        "Your account is temporarily prevented from requesting certificates for example.com and possibly others. "
        "Please visit: https://portal.example/sfe/v1/unpause?jwt=abc"
    )
    fault = read_fault(of("rateLimited", words), 429, may_return=True)

    assert (fault.trouble, fault.said) == (Trouble.PAUSED, words)


def test_where_to_act_is_told() -> None:
    """The place where somebody has to agree to new terms is part of the sentence, once."""
    assert read_fault(of("userActionRequired", "agree", instance="https://ca.example/tos"), 403).said == (
        "agree (https://ca.example/tos)"
    )
    assert read_fault(of("userActionRequired", "agree"), 403, link="https://ca.example/t").said == (
        "agree (https://ca.example/t)"
    )
    assert read_fault(of("userActionRequired", "see https://a.example"), 403, link="https://a.example").said == (
        "see https://a.example"
    )


def test_no_words_are_a_status() -> None:
    """An error without a document is told by its status."""
    assert read_fault(None, 502).said == "it answered with status 502"
    assert read_fault({"type": f"{URN}dns"}, 400).said == "dns"


@given(ANYTHING, st.sampled_from([0, 400, 403, 429, 500, 503]))
def test_whatever_it_says_is_understood(document: object, status: int) -> None:
    """Anything at all can stand where an error document should: the sentence is one line that harms no terminal."""
    fault = read_fault(document, status)

    assert fault.said
    assert fault.said.isprintable()
    assert len(fault.said) <= LONGEST


def test_foreign_text_is_made_plain() -> None:
    """Control characters and line breaks of an authority's sentence are gone, and it has an end."""
    assert plain("a\x1b[31mb\r\nc\u202e  d") == "a [31mb c d"
    assert len(plain("x" * 10 * LONGEST)) == LONGEST
