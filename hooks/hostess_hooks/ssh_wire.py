"""Between what sshd starts and the daemon: bytes <-> values, no sockets.

Either asks with one line, a JSON array. A shown key is answered by such a line, a command by frames: what git and the daemon say, and at
last the exit code. After the line of a command comes what the client sends, as it is.
"""

import json
import struct
import typing

from hostess_hooks.pktline import Readable

LIMIT = 64 * 1024
"""No line, and no frame's data, is longer."""

OUT, ERR, EXIT = 1, 2, 0
"""Kinds of frames: for standard output, for standard error, the exit code in one byte."""

_HEAD = struct.Struct(">BI")


class Shown(typing.NamedTuple):
    """A key that somebody shows, as sshd names it (%t and %k of sshd_config)."""

    kind: str
    blob: str


class Command(typing.NamedTuple):
    """What somebody wants who came in with a key of ours; *protocol* is git's GIT_PROTOCOL."""

    key: str
    command: str
    protocol: str


class Known(typing.NamedTuple):
    """Whose key was shown: its id, "" for nobody's."""

    key: str


Line: typing.TypeAlias = Shown | Command | Known

_KINDS: dict[str, type[Line]] = {"shown": Shown, "command": Command, "known": Known}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class SshWireError(ValueError):
    """What was read, or is to be written, belongs to no such conversation."""


def encode(line: Line) -> bytes:
    """Return *line* with its newline; SshWireError when it is longer than LIMIT."""
    data = json.dumps([_NAMES[type(line)], *line], separators=(",", ":")).encode() + b"\n"
    if len(data) > LIMIT:
        raise SshWireError(f"a line of {len(data)} bytes is too long")
    return data


def decode(data: bytes) -> Line:
    """Return what one line holds; SshWireError when it holds nothing of this kind."""
    if not data.endswith(b"\n") or len(data) > LIMIT:
        raise SshWireError("the stream ended, or a line is too long")
    try:
        name, *fields = json.loads(data)
        kind = _KINDS[name]
    except (ValueError, TypeError, KeyError) as error:
        raise SshWireError(f"not a line of this kind: {data[:80]!r}") from error
    if len(fields) != len(kind._fields) or not all(isinstance(field, str) for field in fields):
        raise SshWireError(f"not a {name} line: {data[:80]!r}")
    return kind(*fields)


def frame(kind: int, data: bytes) -> bytes:
    """Return *data*, at most LIMIT bytes, as one frame."""
    if len(data) > LIMIT:
        raise SshWireError(f"{len(data)} bytes do not fit into a frame")
    return _HEAD.pack(kind, len(data)) + data


def read_frame(stream: Readable) -> tuple[int, bytes]:
    """Return kind and data of the next frame; SshWireError where the stream ends before the exit code, or holds anything else."""
    head = stream.read(_HEAD.size)
    if len(head) != _HEAD.size:
        raise SshWireError("the stream ended")
    kind, length = _HEAD.unpack(head)
    if kind not in {OUT, ERR, EXIT} or length > LIMIT or (kind == EXIT and length != 1):
        raise SshWireError(f"expected a frame, got {head!r}")
    data = stream.read(length)
    if len(data) != length:
        raise SshWireError("the stream ended")
    return kind, data
