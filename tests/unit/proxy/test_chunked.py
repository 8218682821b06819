"""Chunked bodies are decoded strictly, wherever the bytes are cut."""

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostess_proxy.http1.chunked import ChunkedDecoder, chunk
from hostess_proxy.http1.refused import Refused

BAD = [
    b"0x5\r\nhello\r\n",
    b"+5\r\nhello\r\n",
    b"-5\r\nhello\r\n",
    b"5_0\r\n",
    b"5 \r\nhello\r\n",
    b" 5\r\nhello\r\n",
    b"\r\nhello\r\n",
    b"12345678901234567\r\n",
    b"5\nhello\r\n",
    b"5\rhello\r\n",
    b"5\r\nhelloXX",
    b"5\r\nhello\n",
    b"5\r\nhello\r\r\n",
    b"5;a\rb\r\nhello\r\n",
    b"5;a\x00\r\nhello\r\n",
    b"5;" + b"a" * 300 + b"\r\n",
    b"g\r\n",
    b"0\r\nX : 1\r\n\r\n",
    b"0\r\nX: 1\n\r\n",
    b"0\r\n X: 1\r\n\r\n",
    b"0\r\nX\r\n\r\n",
    b"0\r\n\n",
    b"0\n\r\n",
    b"5" * 400,
    b"0\r\n" + b"X: 1\r\n" * 2000,
]


def decode(pieces: list[bytes]) -> tuple[bytes, bool, bytes]:
    """Feed pieces to a decoder; return body, whether it finished, and what was left."""
    decoder = ChunkedDecoder()
    body = b"".join([decoder.feed(piece) for piece in pieces])
    return body, decoder.finished, decoder.rest


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[:20]))
def test_bad_chunks(data: bytes) -> None:
    """A body that is not exactly as the standard writes it is refused, in one piece and byte by byte."""
    with pytest.raises(Refused):
        decode([data])
    with pytest.raises(Refused):
        decode([data[i : i + 1] for i in range(len(data))])


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
@settings(max_examples=150, deadline=None)
def test_cut_anywhere(chunks: list[bytes], data: st.DataObject) -> None:
    """However the bytes are cut, the body is the same, and what follows it is left alone."""
    message = b"".join(chunk(piece) for piece in chunks) + b"0\r\nX-Trailer: 1\r\n\r\n" + b"GET /"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=10)))
    pieces = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]

    assert decode(pieces) == (b"".join(chunks), True, b"GET /")


def test_many_small_chunks() -> None:
    """A body of two hundred thousand chunks that comes at once is read at once."""
    count = 200_000

    assert decode([chunk(b"a") * count + b"0\r\n\r\nrest"]) == (b"a" * count, True, b"rest")


@pytest.mark.parametrize("cut", range(len(b"5;ext=1\r\nhello\r\n0005\r\nworld\r\n0\r\nA: b\r\n\r\nrest")))
def test_every_cut(cut: int) -> None:
    """A cut at every single byte changes nothing."""
    message = b"5;ext=1\r\nhello\r\n0005\r\nworld\r\n0\r\nA: b\r\n\r\nrest"

    assert decode([message[:cut], message[cut:]]) == (b"helloworld", True, b"rest")


@given(
    st.lists(
        st.sampled_from(
            [b"5", b"0", b"a", b"\r\n", b"\n", b"\r", b";x", b"=", b";", b'"', b"hello", b" ", b"X: 1", b"+"]
        ),
        max_size=12,
    )
)
@settings(max_examples=600, deadline=None)
def test_no_laxer_than_llhttp(pieces: list[bytes]) -> None:
    """Whatever body httptools (llhttp) refuses is refused here, too."""
    body = b"".join(pieces)
    parser = httptools.HttpRequestParser(object())
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        parser.feed_data(body)
    except httptools.HttpParserError:
        decoder = ChunkedDecoder()
        try:
            decoder.feed(body)
        except Refused:
            return
        # What comes after a complete body is the next request's concern; an incomplete line is not judged yet.
        assert decoder.finished or decoder._line
