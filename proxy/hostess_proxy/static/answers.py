"""What a request for a file asks for besides its path: encoding, conditions, ranges (RFC 9110 §12.5.3, §13, §14). Pure."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_ASKED: Final = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since", b"if-range", b"range"})
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")
_TAG = re.compile(r'(?:W/)?("[^"]*")|(\*)')


class Span(NamedTuple):
    """A part of a file: *length* bytes from *start*."""

    start: int
    length: int


class Unsatisfiable(Exception):  # noqa: N818 -- RFC 9110's own word
    """A range that the file has nothing of."""


def asked(lines: bytes) -> dict[str, str]:
    """Return what field lines (each with its CRLF) ask of a file: lower-case name -> value, repeated ones joined."""
    found: dict[str, str] = {}
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower in _ASKED:
            text = value.strip(b" \t").decode("latin-1")
            key = lower.decode()
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def accepted(value: str, offered: Iterable[str]) -> str:
    """Return the first of *offered* codings (ours, best first) that an Accept-Encoding allows; "" for none."""
    asked = weights(value)
    return next((coding for coding in offered if asked.get(coding, asked.get("*", 0.0)) > 0), "")


def weights(value: str) -> dict[str, float]:
    """Return how much an Accept-Encoding wants each coding that it names: 0 for not at all, 1 for most."""
    found: dict[str, float] = {}
    for part in value.lower().split(","):
        coding, _, parameter = part.strip().partition(";")
        name, _, text = parameter.strip().partition("=")
        try:
            found[coding.strip()] = float(text) if name.strip() == "q" else 1.0
        except ValueError:
            found[coding.strip()] = 0.0
    return found


def unchanged(fields: dict[str, str], etag: str, modified: str) -> bool:
    """Whether the client has this very file already (304). If-None-Match decides alone where it is there.

    Times are compared for equality: a rollback makes files older, and they are other files all the same.
    """
    tags = fields.get("if-none-match")
    if tags is not None:
        return any(found[1] == etag or found[2] for found in _TAG.finditer(tags))
    return fields.get("if-modified-since") == modified


def span(fields: dict[str, str], size: int, etag: str, modified: str) -> Span | None:
    """Return the range that is asked for; None for the whole file. Unsatisfiable when it lies outside.

    Several ranges at once, other units and what is no range are passed over, as is a range of another file (If-Range).
    """
    match = _RANGE.fullmatch(fields.get("range", ""))
    if match is None or fields.get("if-range", etag) not in {etag, modified}:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        length = min(int(last), size)
        if not length:
            raise Unsatisfiable
        return Span(size - length, length)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    end = min(int(last), size - 1) if last else size - 1
    return Span(start, end - start + 1)
