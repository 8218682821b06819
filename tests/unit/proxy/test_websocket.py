"""Frames of a WebSocket server, cut anywhere, and our last word between them."""

import pytest

from hostess_proxy.http1.websocket import GOING_AWAY, FrameBoundary

FRAMES = [
    b"\x81\x05hello",
    b"\x82\x7e\x01\x00" + b"x" * 256,
    b"\x82\x7f" + (70_000).to_bytes(8) + b"y" * 70_000,
    b"\x89\x00",
]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100_000])
def test_boundaries(step: int) -> None:
    """However the bytes are cut, what was taken is passed on, and the end of each frame is known."""
    boundary = FrameBoundary()
    ends = 0
    for frame in FRAMES:
        for start in range(0, len(frame), step):
            piece = frame[start : start + step]
            assert boundary.feed(piece) == piece
            ends += boundary.between_frames

    assert ends == len(FRAMES)


def test_leaving_between_frames() -> None:
    """Between two frames the Close is said at once, and only once; nothing of the server's follows it."""
    boundary = FrameBoundary()
    boundary.feed(FRAMES[0])

    assert boundary.go_away() == GOING_AWAY
    assert boundary.go_away() == b""
    assert boundary.feed(FRAMES[1]) == b""


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 100, 259, 260])
def test_leaving_within_a_frame(cut: int) -> None:
    """A frame that is on its way is finished first; the Close follows it, even where the next frame came with its last bytes."""
    whole = FRAMES[1]
    boundary = FrameBoundary()
    sent = boundary.feed(whole[:cut]) + boundary.go_away()
    sent += boundary.feed(whole[cut:] + FRAMES[0])

    assert sent == whole + GOING_AWAY
    assert boundary.feed(FRAMES[0]) == b""


def test_leaving_at_the_end_of_the_bytes() -> None:
    """Where the last bytes that came end a frame, the Close follows them without waiting for more."""
    boundary = FrameBoundary()
    boundary.feed(FRAMES[1][:10])
    boundary.go_away()

    assert boundary.feed(FRAMES[1][10:]) == FRAMES[1][10:] + GOING_AWAY
