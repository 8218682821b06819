"""The first message of a TLS client (RFC 8446 §4.1.2): which name it asks for (SNI), and which protocols it names (ALPN).

Only these two are read. Whether the message is right in everything is for OpenSSL to say, which gets the same bytes.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_HELLO: Final = 16 * 1024
"""Bytes of a message that is looked at; honest ones have 2,000."""

_RECORD_HEAD = 5
_MAX_RECORD = 1 << 14  # RFC 8446 §5.1
_HANDSHAKE = 22
_MAJOR_VERSION = 3  # of all that TLS says there
_MESSAGE_HEAD = 4
_CLIENT_HELLO = 1
_VERSION_AND_RANDOM = 2 + 32
_SERVER_NAME = 0  # RFC 6066 §3
_HOST_NAME = 0
_ALPN = 16  # RFC 7301 §3.1


class Asked(NamedTuple):
    """What a client asks for: a *name* ("" for none), lower-case, and *protocols* in its order."""

    name: str = ""
    protocols: tuple[bytes, ...] = ()


NOTHING: Final = Asked()
"""What was asked by bytes that are no such message."""


class HelloReader:
    """Gathers the message from records, which may come in any pieces; each byte is looked at once."""

    __slots__ = ("_message", "_records")

    def __init__(self) -> None:
        self._records = bytearray()  # what is not complete yet
        self._message = bytearray()

    def feed(self, data: bytes) -> Asked | None:
        """Take more bytes; return what is asked for, None while that cannot be told."""
        records, message = self._records, self._message
        records += data
        at = 0
        while len(records) - at >= _RECORD_HEAD:
            begin = at + _RECORD_HEAD
            end = begin + int.from_bytes(records[begin - 2 : begin])
            if records[at] != _HANDSHAKE or records[at + 1] != _MAJOR_VERSION or not begin < end <= begin + _MAX_RECORD:
                return NOTHING
            if len(records) < end:
                break
            message += records[begin:end]
            at = end
            if len(message) >= _MESSAGE_HEAD:
                size = _MESSAGE_HEAD + int.from_bytes(message[1:_MESSAGE_HEAD])
                if message[0] != _CLIENT_HELLO or size > MAX_HELLO:
                    return NOTHING
                if len(message) >= size:
                    return read_hello(bytes(message[_MESSAGE_HEAD:size]))
        del records[:at]
        return None


def read_hello(body: bytes) -> Asked:
    """Return what a message asks for; NOTHING where it is not one."""
    try:
        _, at = _vector(body, _VERSION_AND_RANDOM, 1)  # the session
        _, at = _vector(body, at, 2)  # ciphers
        _, at = _vector(body, at, 1)  # compressions
        extensions, _ = _vector(body, at, 2)
        found = dict(_extensions(extensions))
        protocols = tuple(_items(_whole(found[_ALPN]), 1)) if _ALPN in found else ()
        return Asked(_host(found[_SERVER_NAME]) if _SERVER_NAME in found else "", protocols)
    except ValueError:
        return NOTHING


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        content, end = _vector(data, at + 2, 2)
        yield int.from_bytes(data[at : at + 2]), content
        at = end


def _host(data: bytes) -> str:
    """Return the name in the extension; there is one, since no other kind of name was ever made."""
    names = _whole(data)
    name, end = _vector(names, 1, 2)
    if names[0] != _HOST_NAME or end != len(names):
        raise ValueError
    return name.decode("ascii").lower()  # UnicodeDecodeError is a ValueError


def _items(data: bytes, width: int) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        item, at = _vector(data, at, width)
        yield item


def _whole(data: bytes) -> bytes:
    """Return the one vector that these bytes are."""
    content, end = _vector(data, 0, 2)
    if end != len(data):
        raise ValueError
    return content


def _vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """Return what stands behind its own length, and where it ends; ValueError where the bytes end before."""
    begin = at + width
    end = begin + int.from_bytes(data[at:begin])
    if end > len(data) or begin > len(data):
        raise ValueError
    return data[begin:end], end
