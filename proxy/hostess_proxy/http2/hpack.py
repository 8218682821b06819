"""Field blocks of HTTP/2, read and made (HPACK, RFC 7541).

A sender names fields by their index in a table that both sides keep, and says which new ones enter it: reading a block changes what
the next one means. So every block is read to its end, even where its fields are too many to be kept. What is made of a field
(its line as HTTP/1 has it, what is wrong with it) is made once, when it enters the table, and found there again by all that follow.

What is sent names fields of the static table only and changes nothing: the same fields always give the same bytes.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from hostess_proxy.http2.frames import Code, Violation
from hostess_proxy.http2.hpack_tables import HUFFMAN_LENGTHS, STATIC

TABLE_SIZE: Final = 4096
MAX_LIST: Final = 32 * 1024

REGULAR: Final = 0
PSEUDO: Final = 1
COOKIE: Final = 2
HOST: Final = 3
LENGTH: Final = 4
MALFORMED: Final = 5

_OVERHEAD = 32  # RFC 7541 §4.1
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_OF_A_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_SPECIAL = {b"cookie": COOKIE, b"host": HOST, b"content-length": LENGTH}
_REMEMBERED = 256  # bytes of a name or value up to which it is worth remembering
_LAST_SHIFT = 28

_INDEXED = 0x80
_ENTERS_TABLE = 0x40
_NEW_SIZE = 0x20
_HUFFMAN = 0x80
_MORE_FOLLOWS = 0x80  # in the bytes of a number, which have seven bits of it each
_LOW_NIBBLE = 0x0F
_END_OF_STRING = 256
_LONGEST_PADDING = 7


class Field(NamedTuple):
    """One field. *kind* is what has to be done with it, *line* is what HTTP/1 makes of it, *size* what it counts."""

    name: bytes
    value: bytes
    kind: int
    line: bytes
    size: int


class FieldsTooLarge(Exception):  # noqa: N818 -- as Refused
    """The fields of a block are larger than MAX_LIST; the table is right all the same."""


def make_field(name: bytes, value: bytes) -> Field:
    """Return a field with what is known of it by itself (RFC 9113 §8.2)."""
    size = len(name) + len(value) + _OVERHEAD
    if _VALUE.fullmatch(value) is None:
        return Field(name, value, MALFORMED, b"", size)
    if name[:1] == b":":
        return Field(name, value, PSEUDO, b"", size)
    good = (
        _NAME.fullmatch(name) is not None
        and name not in _OF_A_CONNECTION
        and (name != b"te" or value.lower() == b"trailers")
    )
    kind = _SPECIAL.get(name, REGULAR) if good else MALFORMED
    return Field(name, value, kind, b"%b: %b\r\n" % (name, value), size)


_remembered_field = lru_cache(maxsize=4096)(make_field)
_STATIC_FIELDS: Final = tuple(make_field(*pair) for pair in STATIC)
_FIRST_DYNAMIC = len(STATIC) + 1


class Decoder:
    """Reads the blocks of one connection, in the order in which they came. *changes* counts how often its table changed."""

    __slots__ = ("_entries", "_limit", "_size", "changes")

    def __init__(self) -> None:
        self.changes = 0
        self._entries: list[Field] = []  # the oldest first
        self._size = 0
        self._limit = TABLE_SIZE

    def decode(self, block: bytes) -> list[Field]:
        """Return a block's fields; Violation when it cannot be read, FieldsTooLarge when they are more than may be."""
        fields: list[Field] = []
        at, end, size = 0, len(block), 0
        try:
            while at < end:
                first = block[at]
                if first & _INDEXED:
                    index, at = _integer(block, at, 0x7F)
                    field = self._at(index)
                elif first & 0xE0 == _NEW_SIZE:
                    at = self._resize(block, at, begun=bool(fields))
                    continue
                else:
                    field, at = self._literal(block, at, enters=bool(first & _ENTERS_TABLE))
                size += field.size
                if size <= MAX_LIST:
                    fields.append(field)
        except IndexError:
            raise Violation(Code.COMPRESSION_ERROR) from None
        if size > MAX_LIST:
            raise FieldsTooLarge
        return fields

    def _at(self, index: int) -> Field:
        if index < _FIRST_DYNAMIC:
            if not index:
                raise Violation(Code.COMPRESSION_ERROR)
            return _STATIC_FIELDS[index - 1]
        index -= _FIRST_DYNAMIC
        if index >= len(self._entries):
            raise Violation(Code.COMPRESSION_ERROR)
        return self._entries[-1 - index]

    def _literal(self, block: bytes, at: int, *, enters: bool) -> tuple[Field, int]:
        index, at = _integer(block, at, 0x3F if enters else 0x0F)
        if index:
            name = self._at(index).name
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        is_short = len(name) <= _REMEMBERED and len(value) <= _REMEMBERED
        field = _remembered_field(name, value) if is_short else make_field(name, value)
        if enters:
            self._size += field.size
            self._entries.append(field)
            self._evict()
        return field, at

    def _resize(self, block: bytes, at: int, *, begun: bool) -> int:
        size, at = _integer(block, at, 0x1F)
        # RFC 7541 §4.2: only before the first field, and never above what we said (which is the default).
        if begun or size > TABLE_SIZE:
            raise Violation(Code.COMPRESSION_ERROR)
        self._limit = size
        self._evict()
        return at

    def _evict(self) -> None:
        self.changes += 1
        entries, gone = self._entries, 0
        while self._size > self._limit:
            self._size -= entries[gone].size
            gone += 1
        del entries[:gone]


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Return a number and where it ends (RFC 7541 §5.1); IndexError when the block ends before."""
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    for shift in range(0, _LAST_SHIFT, 7):
        more = block[at]
        at += 1
        number += (more & 0x7F) << shift
        if not more & _MORE_FOLLOWS:
            return number, at
    raise Violation(Code.COMPRESSION_ERROR)


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """Return a string and where it ends (RFC 7541 §5.2); IndexError when the block ends before."""
    coded = block[at] & _HUFFMAN
    length, at = _integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise IndexError
    data = block[at:end]
    if coded:
        data = _remembered_text(data) if length <= _REMEMBERED else huffman_decoded(data)
    return data, end


def _huffman_steps() -> tuple[tuple[tuple[int, int, bool], ...], ...]:
    """Return the steps of the decoder, for each state and each four bits.

    A step is the next state (-1: an error), the byte that is complete (-1: none), and whether a string may end there. A state is a
    place inside the tree of codes, as the bits that led there.
    """
    symbols: dict[tuple[int, int], int] = {}
    code, width = 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(HUFFMAN_LENGTHS)):
        code <<= length - width
        width = length
        symbols[(width, code)] = symbol
        code += 1
    inner = {(0, 0): 0}
    for width, code in symbols:
        for shorter in range(1, width):
            inner.setdefault((shorter, code >> (width - shorter)), len(inner))
    return tuple(tuple(_step(place, bits, symbols, inner) for bits in range(16)) for place in inner)


def _step(
    place: tuple[int, int], bits: int, symbols: dict[tuple[int, int], int], inner: dict[tuple[int, int], int]
) -> tuple[int, int, bool]:
    width, code = place
    done = -1  # no code is shorter than five bits: four complete one byte at most
    for shift in (3, 2, 1, 0):
        width, code = width + 1, code << 1 | (bits >> shift) & 1
        symbol = symbols.get((width, code))
        if symbol == _END_OF_STRING:
            return -1, -1, False
        if symbol is not None:
            done, width, code = symbol, 0, 0
    # RFC 7541 §5.2: what is left over are less than eight bits, the first ones of the end of string, which are all ones.
    return inner[(width, code)], done, width <= _LONGEST_PADDING and code == (1 << width) - 1


_STEPS: Final = _huffman_steps()


def huffman_decoded(data: bytes) -> bytes:
    """Return a string that came in Huffman code; Violation when it is none."""
    steps, state, may_end = _STEPS, 0, True
    text = bytearray()
    for byte in data:
        for bits in (byte >> 4, byte & _LOW_NIBBLE):
            state, done, may_end = steps[state][bits]
            if state < 0:
                raise Violation(Code.COMPRESSION_ERROR)
            if done >= 0:
                text.append(done)
    if not may_end:
        raise Violation(Code.COMPRESSION_ERROR)
    return bytes(text)


_remembered_text = lru_cache(maxsize=4096)(huffman_decoded)

_NAMED = {name: index for index, (name, _) in reversed(list(enumerate(STATIC, 1)))}
_WHOLE = {pair: bytes([_INDEXED | index]) for index, pair in enumerate(STATIC, 1) if pair[1]}


def encoded(name: bytes, value: bytes) -> bytes:
    """Return a field as the static table lets it be said, without Huffman code, and entering no table."""
    whole = _WHOLE.get((name, value))
    if whole is not None:
        return whole
    index = _NAMED.get(name)
    said = _number(0x00, 0x0F, index) if index else b"\0" + _number(0, 0x7F, len(name)) + name
    return said + _number(0, 0x7F, len(value)) + value


def _number(first: int, mask: int, number: int) -> bytes:
    if number < mask:
        return bytes([first | number])
    number -= mask
    out = bytearray([first | mask])
    while number >= _MORE_FOLLOWS:
        out.append(number & 0x7F | _MORE_FOLLOWS)
        number >>= 7
    out.append(number)
    return bytes(out)
