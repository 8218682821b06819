"""Heads that come again are not read again, and mean the same."""

import pytest

from hostess_proxy.http1 import HeadReader
from hostess_proxy.refused import Refused

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
