"""The key by which statements are cancelled, in what a server says at the login."""

import struct

import pytest

from hostess_proxy.databases.cancelling import KeyReader

KEY = b"\0\0\0\x55secr"


def said(*messages: tuple[bytes, bytes]) -> bytes:
    """Return messages as a server writes them."""
    return b"".join(kind + struct.pack("!i", 4 + len(body)) + body for kind, body in messages)


LOGIN = said((b"R", b"\0\0\0\0"), (b"S", b"K\0Z\0"), (b"K", KEY), (b"Z", b"I"))


@pytest.mark.parametrize("size", range(1, len(LOGIN) + 1))
def test_in_any_pieces(size: int) -> None:
    """It is found once, wherever the pieces end."""
    reader = KeyReader()
    found = [reader.feed(LOGIN[at : at + size]) for at in range(0, len(LOGIN), size)]
    assert [key for key in found if key] == [KEY]
    assert reader.over


@pytest.mark.parametrize(
    "without",
    [
        said((b"R", b"\0\0\0\0"), (b"Z", b"I"), (b"K", KEY)),
        said((b"E", b"SFATAL\0\0"), (b"K", KEY)),
        b"N" + said((b"K", KEY)),
        b"HTTP/1.1 400 Bad Request\r\n",
        b"K\0\0\0\0" + KEY,
    ],
)
def test_no_login(without: bytes) -> None:
    """Where there is none before the end of a login, nothing more is looked at."""
    reader = KeyReader()
    assert reader.feed(without) == b""
    assert reader.over
