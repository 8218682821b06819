"""Frames between git's hook and the daemon: one JSON array per line, bytes <-> values, no sockets.

The hook sends Hello, one Update per ref, one Option per push option, End; the daemon answers with Lines, one Answer per ref, End.
"""

import json
import typing

LIMIT = 64 * 1024
"""No frame is longer, its newline included."""

AT_MOST = 1000
"""More refs or push options in one push are refused."""

SOCKET_VARIABLE = "HOSTESS_HOOK_SOCKET"
TICKET_VARIABLE = "HOSTESS_HOOK_TICKET"

# Named tuples where the rest of the project has dataclasses: importing dataclasses costs every push 10 ms.


class Hello(typing.NamedTuple):
    """Who calls: the ticket that the door gave to this one git child."""

    ticket: str


class Update(typing.NamedTuple):
    """One ref that the pusher wants moved."""

    old: str
    new: str
    ref: str


class Option(typing.NamedTuple):
    """One `git push -o` option."""

    text: str


class Line(typing.NamedTuple):
    """One line for the pusher."""

    text: str


class Answer(typing.NamedTuple):
    """What became of one ref."""

    ref: str
    accepted: bool
    reason: str


class End(typing.NamedTuple):
    """Nothing more follows from this side."""


Frame: typing.TypeAlias = Hello | Update | Option | Line | Answer | End

_KINDS: dict[str, tuple[type[Frame], tuple[type, ...]]] = {
    "hello": (Hello, (str,)),
    "update": (Update, (str, str, str)),
    "option": (Option, (str,)),
    "line": (Line, (str,)),
    "answer": (Answer, (str, bool, str)),
    "end": (End, ()),
}
_NAMES = {kind: name for name, (kind, _) in _KINDS.items()}


class FrameError(ValueError):
    """What was read, or is to be written, is no frame."""


def encode(frame: Frame) -> bytes:
    """Return *frame* as one line with its newline; FrameError when it is longer than LIMIT."""
    data = json.dumps([_NAMES[type(frame)], *frame], separators=(",", ":")).encode() + b"\n"
    if len(data) > LIMIT:
        raise FrameError(f"a frame of {len(data)} bytes is too long")
    return data


def decode(data: bytes) -> Frame:
    """Return the frame that one line holds; FrameError when it holds none (an empty line is the end of the stream)."""
    if not data.endswith(b"\n") or len(data) > LIMIT:
        raise FrameError("the stream ended, or a frame is too long")
    try:
        name, *fields = json.loads(data)
        kind, types = _KINDS[name]
    except (ValueError, TypeError, KeyError) as error:
        raise FrameError(f"not a frame: {data[:80]!r}") from error
    if len(fields) != len(types) or any(
        type(field) is not expected for field, expected in zip(fields, types, strict=True)
    ):
        raise FrameError(f"not a {name} frame: {data[:80]!r}")
    return kind(*fields)
