"""Whatever bytes a connection of HTTP/2 gets, it takes them, refuses them by the rules, and stays within its bounds."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostess_proxy.http2.downstream import MAX_STREAMS, WINDOW, Http2Downstream
from hostess_proxy.http2.frames import FIRST_WINDOW, PREFACE
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.traffic import Traffic
from tests.integration.proxy.http2_peer import asking, block, raw
from tests.unit.proxy.test_no_smuggling import Wire

CORPUS = Path(__file__).parents[2] / "corpus" / "http2"
SETTINGS = raw(4, 0, 0)
BLOCKS = [
    block(asking()), block(asking("POST")), block([("x-a", "1")]), block(asking("POST", "/", ("content-length", "5"))),
    b"\x82\x86\x84\x41\x03a.x", b"\x82\x86\x84\xbe", b"\x3f\xe1\x1f", b"\xff\xff", b"",
]  # fmt: skip
PAYLOADS = [
    *BLOCKS,
    bytes(4),
    bytes(5),
    bytes(8),
    b"\0\0\0\1",
    b"\0\4\0\0\0\0",
    b"\0\4\x7f\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"hello",
]
FRAMES = st.builds(
    raw,
    st.integers(0, 10),
    st.sampled_from([0, 1, 4, 5, 8, 0xC, 0x24, 0x25, 0x2D, 0xFF]),
    st.sampled_from([0, 1, 1, 1, 2, 3, 5, 0x8000_0001, 0x7FFF_FFFF]),
    st.sampled_from(PAYLOADS) | st.binary(max_size=40),
)
INPUTS = st.lists(FRAMES | st.binary(max_size=12), max_size=12).map(b"".join)
CUTS = st.lists(st.integers(0, 400), max_size=4)


async def feed(data: bytes, cuts: list[int]) -> None:
    """Give a connection its bytes in pieces, and then its end."""
    traffic = Traffic(None)
    # Nothing is dialled: what a backend would get is the matter of other tests.
    traffic.swap(parse_table({"routes": [{"host": "*", "service": "a", "release": "1", "targets": []}]}))
    connection = Http2Downstream(traffic, secure=False)
    wire = Wire(connection)
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        connection.data_received(data[at:cut])
        at = max(at, cut)
        connection.flush()
    assert len(connection.streams) <= MAX_STREAMS
    assert 0 <= connection.granted <= WINDOW + FIRST_WINDOW or connection.closing
    assert len(connection._buffer) <= len(data)
    wire.close()
    connection.connection_lost(None)
    assert not connection.streams
    assert connection not in traffic.clients


@settings(max_examples=300, deadline=None)
@given(INPUTS, CUTS)
def test_any_frames(data: bytes, cuts: list[int]) -> None:
    """Frames of all kinds, good and bad, in any order and in any pieces, end in order or in a refusal."""
    asyncio.run(feed(PREFACE + SETTINGS + data, cuts))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), CUTS)
def test_any_beginning(data: bytes, cuts: list[int]) -> None:
    """Any bytes may stand at the beginning."""
    asyncio.run(feed(data, cuts))


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*.hex")), ids=lambda file: file.stem)
def test_corpus(file: Path) -> None:
    """What once was hard is kept, and is taken whole and byte by byte."""
    data = PREFACE + SETTINGS + bytes.fromhex(file.read_text(encoding="ascii"))

    asyncio.run(feed(data, []))
    asyncio.run(feed(data, list(range(len(data)))))
