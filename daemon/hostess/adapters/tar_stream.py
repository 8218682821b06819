"""A tar archive, gzip or not, read as a stream: one bounded piece is in memory at a time, whatever its headers claim.

The standard library's reader takes extended headers of any size into memory, and sparse maps; what comes from a network is read
by these rules instead: POSIX pax and the GNU format, files, folders and symlinks. All else is refused.
"""

import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from hostess.domain.ports import TreeLimits
from hostess.domain.problem import Problem

PIECE = 256 * 1024
_BLOCK = 512
_EXTENDED = 64 * 1024  # bytes of an extended header: a path and the target of a symlink have 4096 at most
_GZIP = b"\x1f\x8b"
_WINDOW = 31  # zlib's word for "with gzip's own head and checksum"
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")


class Type(Enum):
    """What a member is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"


_TYPES = {b"0": Type.FILE, b"\0": Type.FILE, b"7": Type.FILE, b"2": Type.SYMLINK, b"5": Type.FOLDER}
_REFUSED = {
    b"1": "a hard link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
    b"S": "a sparse file",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One entry, as the archive names it: nothing about *path* and *target* is checked yet."""

    type: Type
    path: str
    size: int
    executable: bool
    target: str


class Archive:
    """Reads the members of an archive, one after the other. Problem "archive-invalid", "archive-too-large", "archive-refused"."""

    def __init__(self, pieces: Iterator[bytes], limits: TreeLimits) -> None:
        self._pieces = _unzipped(_counted(pieces, limits.archive))
        # Headers and padding come on top of the files: not more than this for each of them.
        self._left = limits.bytes + limits.files * (limits.path + 2 * _BLOCK)
        self._piece = b""
        self._at = 0

    def members(self) -> Iterator[Member]:
        """Yield each entry. The `content` of a file must be read to its end before the next one."""
        extended: dict[str, str] = {}
        while (block := self._read(_BLOCK)).strip(b"\0"):
            _check_sum(block)
            kind, size = block[156:157], _number(block[124:136])
            if kind in {b"x", b"g", b"L", b"K"}:
                found = _extended(kind, self._meta(size))
                extended |= found if kind != b"g" else {}
                continue
            member = _member(block, kind, size, extended)
            extended = {}
            yield member
            self._read(-member.size % _BLOCK)
        while self._next():  # to the end, where gzip's checksum is
            pass

    def content(self, member: Member) -> Iterator[bytes]:
        """Yield the content of the file that was yielded last, in pieces."""
        left = member.size
        while left:
            piece = self._read(min(left, PIECE))
            left -= len(piece)
            yield piece

    def _meta(self, size: int) -> bytes:
        if size > _EXTENDED:
            raise _refused(f"it has an extended header of {size} bytes")
        data = self._read(size)
        self._read(-size % _BLOCK)
        return data

    def _read(self, size: int) -> bytes:
        """Return so many bytes; of a piece only what is returned is copied."""
        found = []
        while size:
            if self._at == len(self._piece) and not self._next():
                raise _invalid("it ends in the middle")
            part = self._piece[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            found.append(part)
        return b"".join(found)

    def _next(self) -> bool:
        """Take the next piece, which may be empty; False at the end."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._left -= len(piece)
        if self._left < 0:
            raise Problem("archive-too-large", "the archive is larger than allowed when it is unpacked")
        self._piece, self._at = piece, 0
        return True


def _counted(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    left = limit
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise Problem(
                "archive-too-large",
                f"the archive is larger than {limit} bytes",
                remedy="leave out what does not belong to the source, in .hostessignore",
            )
        yield piece


def _unzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the archive's bytes, unpacked when they are gzip, at most a PIECE at a time."""
    first = b""
    while len(first) < len(_GZIP):
        piece = next(pieces, None)
        if piece is None:
            raise _invalid("it is empty")
        first += piece
    whole = itertools.chain([first], pieces)
    return _gunzipped(whole) if first.startswith(_GZIP) else whole


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what one gzip member, or several, hold."""
    zipped = zlib.decompressobj(_WINDOW)
    for piece in pieces:
        data = piece
        while data := data.lstrip(b"\0") if zipped.eof else data:  # what fills up a last block is no other member
            if zipped.eof:
                zipped = zlib.decompressobj(_WINDOW)
            try:
                yield zipped.decompress(data, PIECE)
            except zlib.error as error:
                raise _invalid(f"its compression is broken: {error}") from None
            data = zipped.unused_data if zipped.eof else zipped.unconsumed_tail
    while not zipped.eof and (rest := zipped.decompress(b"", PIECE)):
        yield rest
    if not zipped.eof:
        raise _invalid("it ends in the middle")


def _member(block: bytes, kind: bytes, size: int, extended: dict[str, str]) -> Member:
    name, prefix = _text(block[:100]), _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    path = extended.get("path") or (f"{prefix}/{name}" if prefix else name)
    found = _TYPES.get(kind)
    if found is None or "GNU.sparse" in extended:
        what = _REFUSED.get(kind, "a sparse file" if found else f"of the unknown type {kind!r}")
        raise _refused(f"{_shown(path)} is {what}")
    if found is Type.FILE and path.endswith("/"):
        found = Type.FOLDER
    size = int(extended.get("size", size))
    if found is not Type.FILE and size:
        raise _invalid(f"{_shown(path)}, a {found.value}, has content")
    target = extended.get("linkpath") or _text(block[157:257])
    return Member(found, path, size, bool(_number(block[100:108]) & 0o100), target)


def _extended(kind: bytes, data: bytes) -> dict[str, str]:
    """Return what an extended header says that matters here: path, linkpath, size, and whether a file is sparse."""
    if kind in {b"L", b"K"}:
        return {"path" if kind == b"L" else "linkpath": _text(data)}
    found: dict[str, str] = {}
    while data:
        length, _, _ = data.partition(b" ")
        if not (length.isdigit() and len(length) < 6 and len(length) < int(length) <= len(data)):  # noqa: PLR2004 -- digits of _EXTENDED
            raise _invalid("an extended header is broken")
        record, data = data[len(length) + 1 : int(length)], data[int(length) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        if key in {b"path", b"linkpath"}:
            found[key.decode()] = value.decode(errors="surrogateescape")
        elif key == b"size":
            found["size"] = str(_number(b"%o" % int(value)) if value.isdigit() and len(value) < 20 else _number(b"?"))  # noqa: PLR2004 -- digits of 2**64
        elif key.startswith(b"GNU.sparse"):
            found["GNU.sparse"] = "yes"
    if kind == b"g" and found:
        raise _refused("it gives one name or size to all of its files")
    return found


def _number(field: bytes) -> int:
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise _invalid("a number in a header is broken, or too large")
    return int(found[1] or b"0", 8)


def _check_sum(block: bytes) -> None:
    """Raise unless the header's sum, in which its own field counts as spaces, is as it says."""
    if sum(block) - sum(block[148:156]) + 8 * ord(" ") != _number(block[148:156]):
        raise _invalid("it is no tar archive, or broken")


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="surrogateescape")


def _shown(path: str) -> str:
    return path if path.isprintable() else ascii(path)


def _invalid(why: str) -> Problem:
    return Problem("archive-invalid", f"the archive cannot be read: {why}", remedy="send a tar archive, gzip or not")


def _refused(why: str) -> Problem:
    return Problem(
        "archive-refused", f"the archive is refused: {why}", remedy="put only files, folders and symlinks in it"
    )
