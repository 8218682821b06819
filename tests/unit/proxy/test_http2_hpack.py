"""Field blocks are read as the standard says, and as another implementation writes and reads them."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess_proxy.http2.frames import Violation
from hostess_proxy.http2.hpack import TABLE_SIZE, Decoder, FieldsTooLarge, encoded, huffman_decoded

NAMES = st.one_of(st.sampled_from([b"accept", b":path", b"cookie", b"x-a"]), st.binary(min_size=1, max_size=12))
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=80)), max_size=12)
# RFC 7541 appendix C.4: three requests in Huffman code on one connection.
REQUESTS = [
    ("828684418cf1e3c2e5f23a6ba0ab90f4ff", [b"GET", b"http", b"/", b"www.example.com"]),
    ("828684be5886a8eb10649cbf", [b"GET", b"http", b"/", b"www.example.com", b"no-cache"]),
    ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", [b"GET", b"https", b"/index.html", b"www.example.com", b"custom-value"]),
]  # fmt: skip


def test_examples_of_the_standard() -> None:
    """The standard's examples are read as it says."""
    decoder = Decoder()

    assert [[field.value for field in decoder.decode(bytes.fromhex(block))] for block, _ in REQUESTS] == [
        values for _, values in REQUESTS
    ]


@given(st.lists(st.tuples(FIELDS, st.booleans(), st.sampled_from([0, 64, 1000, TABLE_SIZE])), max_size=6))
def test_reads_what_another_writes(blocks: list[tuple[list[tuple[bytes, bytes]], bool, int]]) -> None:
    """Whatever another encoder writes, with whatever size of its table, is read as it was meant."""
    encoder, decoder = hpack.Encoder(), Decoder()
    for fields, huffman, size in blocks:
        encoder.header_table_size = size
        block = encoder.encode(fields, huffman=huffman)

        assert [(field.name, field.value) for field in decoder.decode(block)] == fields


@given(FIELDS)
def test_another_reads_what_we_write(fields: list[tuple[bytes, bytes]]) -> None:
    """What we write is read by another decoder as it was meant, and enters no table there."""
    decoder = hpack.Decoder()
    block = b"".join(encoded(name, value) for name, value in fields)

    assert [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)] == fields
    assert not decoder.header_table.dynamic_entries


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes(blocks: list[bytes]) -> None:
    """Any bytes are fields or a violation, and what another decoder refuses is refused."""
    decoder, other = Decoder(), hpack.Decoder()
    for block in blocks:
        try:
            fields = [(field.name, field.value) for field in decoder.decode(block)]
        except (Violation, FieldsTooLarge):
            return
        assert [(bytes(name), bytes(value)) for name, value in other.decode(block, raw=True)] == fields


@pytest.mark.parametrize("size", [0, 1, 100, 126])
def test_table_stays_bounded(size: int) -> None:
    """However many fields enter, the table holds no more than its size allows."""
    decoder = Decoder()
    for _ in range(200):
        decoder.decode(b"\x40\x01x" + bytes([size]) + bytes(size))

    assert decoder._size <= TABLE_SIZE
    assert decoder._size == sum(field.size for field in decoder._entries)


@given(st.binary(max_size=100))
def test_huffman(data: bytes) -> None:
    """Text in Huffman code is what another encoder made of it."""
    coder = hpack.huffman.HuffmanEncoder(
        hpack.huffman_constants.REQUEST_CODES, hpack.huffman_constants.REQUEST_CODES_LENGTH
    )

    assert huffman_decoded(coder.encode(data)) == data
