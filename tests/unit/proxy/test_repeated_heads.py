"""Heads that come again are not read again, and mean the same."""

import pytest

from hostess_proxy.http1.heads import HeadReader
from hostess_proxy.http1.refused import Refused
from hostess_proxy.http2.fields import RequestReader

HEAD = b"GET /a?b HTTP/1.1\r\nHost: a.x\r\nAccept: */*\r\n\r\n"


def test_known_after_two() -> None:
    """A head is known from its second time on, as the request that it was read as."""
    heads = HeadReader()
    request = heads.request(HEAD[:-2])

    heads.learn(HEAD, request)
    once = heads.known(HEAD)
    heads.learn(HEAD, request)

    assert once is None
    assert heads.known(HEAD) == request


@pytest.mark.parametrize("data", [HEAD + b"G", HEAD[:-1], HEAD[:-2], HEAD.replace(b"/a", b"/c"), b"\r\n" + HEAD, b""])
def test_nothing_else(data: bytes) -> None:
    """What differs in one byte from a head that is known is not known."""
    heads = HeadReader()
    for _ in range(2):
        heads.learn(HEAD, heads.request(HEAD[:-2]))

    assert heads.known(data) is None


def test_bounded() -> None:
    """However many heads come twice, few are kept; long ones never are."""
    heads = HeadReader()
    request = heads.request(HEAD[:-2])
    long = HEAD.replace(b"/a", b"/" + b"a" * 3000)
    for data in [*(HEAD.replace(b"/a", b"/%d" % i) for i in range(2000)), long]:
        heads.learn(data, request)
        heads.learn(data, request)

    assert len(heads._whole.made) <= 512
    assert heads.known(long) is None


def test_refused_twice() -> None:
    """What is refused is refused each time."""
    heads = HeadReader()
    for _ in range(3):
        with pytest.raises(Refused):
            heads.request(b"GET / HTTP/1.1\r\nHost: a x\r\n")


@pytest.mark.parametrize("meanwhile", ["read", "trailers"])
def test_same_block_after_another(meanwhile: str) -> None:
    """In HTTP/2 the same bytes mean another request once any block between, trailers too, has put another field into the table."""
    get = b"\x82\x86\x84\x01\x03a.x"  # GET, http, / by their indexes, and an authority that enters no table
    newest = b"\xbe"
    reader = RequestReader(HeadReader())
    reader.read(get + b"\x40\x06cookie\x03ann")
    before = [reader.read(get + newest).request.fields.forward for _ in range(3)]

    if meanwhile == "read":
        reader.read(get + b"\x40\x06cookie\x03bob")
    else:
        reader.trailers(b"\x40\x06cookie\x03bob")

    assert before == [b"Host: a.x\r\ncookie: ann\r\n"] * 3
    assert reader.read(get + newest).request.fields.forward == b"Host: a.x\r\ncookie: bob\r\n"
