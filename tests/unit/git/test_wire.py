"""Frames and packet lines."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess_hooks.pktline import LONGEST, PacketError, packet, read_packet, read_section
from hostess_hooks.wire import LIMIT, Answer, End, Frame, FrameError, Hello, Line, Option, Update, decode, encode

TEXT = st.text(max_size=200)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Hello, TEXT),
    st.builds(Update, TEXT, TEXT, TEXT),
    st.builds(Option, TEXT),
    st.builds(Line, TEXT),
    st.builds(Answer, TEXT, st.booleans(), TEXT),
    st.just(End()),
)


@given(FRAMES)
def test_frame_survives_the_wire(frame: Frame) -> None:
    """What is encoded is decoded to the same value, and is one line."""
    data = encode(frame)

    assert decode(data) == frame
    assert data.count(b"\n") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'["end"]',
        b"not json\n",
        b"{}\n",
        b"[]\n",
        b"7\n",
        b'["what"]\n',
        b'[["end"]]\n',
        b'["line"]\n',
        b'["line",1]\n',
        b'["answer","r",1,""]\n',
        b'["end",1]\n',
        b"\xff\n",
        b'["line","' + b"x" * LIMIT + b'"]\n',
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    """Anything but a whole, short line that holds a known frame is refused."""
    with pytest.raises(FrameError):
        decode(data)


def test_long_frame_is_not_written() -> None:
    """A frame that the other side would refuse is not encoded."""
    with pytest.raises(FrameError):
        encode(Line("x" * LIMIT))


@given(st.lists(st.binary(max_size=100).filter(lambda data: not data.endswith(b"\n"))))
def test_section_survives_the_wire(packets: list[bytes]) -> None:
    """Packets up to a flush packet are read as they were written, and no byte more."""
    stream = io.BytesIO(b"".join(packet(data + b"\n") for data in packets) + b"0000rest")

    assert read_section(stream, len(packets)) == packets
    assert stream.read() == b"rest"


@pytest.mark.parametrize("data", [b"", b"00", b"0003", b"zzzz", b"-001", b"0009abc"])
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    """A packet line that is cut off, or that has no true length, is refused."""
    with pytest.raises(PacketError):
        read_packet(io.BytesIO(data))


def test_bounds_of_packets() -> None:
    """Neither a packet that is too long nor a section with too many packets passes."""
    with pytest.raises(PacketError):
        packet(b"x" * (LONGEST + 1))
    with pytest.raises(PacketError):
        read_section(io.BytesIO(packet(b"a") * 3 + b"0000"), 2)
