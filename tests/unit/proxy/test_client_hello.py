"""What a client's first message asks for: OpenSSL's own messages, and everything that is none."""

import ssl
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess_proxy.tls.client_hello import MAX_HELLO, NOTHING, Asked, HelloReader, read_hello
from tests.integration.proxy.tls_client import careless


def hello(name: str | None = "a.x", protocols: Sequence[str] = (), latest: str = "TLSv1_3") -> bytes:
    """Return the record with which OpenSSL's client begins."""
    context = careless()
    context.maximum_version = ssl.TLSVersion[latest]
    if protocols:
        context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def records(message: bytes, size: int) -> bytes:
    """Return a message in records of so many bytes each."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


HELLO = hello("A.x", ["acme-tls/1", "h2"])
ASKED = Asked("a.x", (b"acme-tls/1", b"h2"))


@pytest.mark.parametrize("latest", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("name", ["b.x", None])
@pytest.mark.parametrize("protocols", [(), ("acme-tls/1",), ("h2", "http/1.1")])
def test_what_is_asked(latest: str, name: str | None, protocols: tuple[str, ...]) -> None:
    """Name and protocols are read from the messages of either version."""
    expected = Asked(name or "", tuple(each.encode() for each in protocols))

    assert HelloReader().feed(hello(name, protocols, latest)) == expected


@pytest.mark.parametrize("step", [1, 3, 100])
@pytest.mark.parametrize("size", [1, 4, 77, 16384])
def test_pieces(step: int, size: int) -> None:
    """In however many records and pieces it comes, it is told when the last byte is there, and no sooner."""
    reader, data = HelloReader(), records(HELLO[5:], size)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]

    assert [reader.feed(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert reader.feed(pieces[-1]) == ASKED


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        records(b"\x02" + HELLO[6:], 16384),
        records(b"\x01" + (MAX_HELLO + 1).to_bytes(3), 4),
        HELLO[:5] + HELLO[5:].replace(b"A.x", b"\xff.x"),
        records(b"\x01\x00\x00\x00", 4),
    ],
)
def test_no_hello(data: bytes) -> None:
    """What is no such message, or is too long, asks for nothing."""
    assert HelloReader().feed(data) == NOTHING


@given(st.binary(max_size=300), st.integers(0, len(HELLO) - 9), st.integers(0, 300))
def test_any_bytes(made: bytes, at: int, over: int) -> None:
    """Whatever the bytes are, and wherever they stand in a message, nothing is raised."""
    body = HELLO[9:]

    assert isinstance(read_hello(body[:at] + made + body[at + over :]), Asked)
    assert HelloReader().feed(made) in {None, NOTHING}


@given(st.integers(0, len(HELLO) - 1))
def test_cut(end: int) -> None:
    """Of a message that is cut off nothing is told, and what is cut within asks for nothing."""
    assert HelloReader().feed(HELLO[:end]) is None
    assert end > len(HELLO) - 9 or read_hello(HELLO[9 : 9 + end]) == NOTHING or end == len(HELLO) - 9
