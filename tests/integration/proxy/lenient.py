"""A backend's careless reading of requests: whatever some parser somewhere takes for a line, a name or a length, this one does, too.

Where careless parsers differ among themselves there are several `Reading`s; a message is safe when all of them see the same.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

_HEAD = re.compile(rb"(?:\r?\n)*(.*?\n)[\r\t ]*\n", re.DOTALL)
_ODD = re.compile(rb"[^a-z0-9-]")
_EDGES = re.compile(rb"^[^a-z0-9-]+|[^a-z0-9-]+$")
_BARE_CR = re.compile(rb"\r(?!\n)")


class Seen(NamedTuple):
    """A request as a backend understood it."""

    method: bytes
    target: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to be careless.

    *coding_first*: Transfer-Encoding beats Content-Length. *any_coding*: a coding in whose value "chunked" stands somewhere is
    chunked. *last_length*: of several lengths the last one counts. *loose_names*: `Content_Length` and `Content-Length `
    are `Content-Length`. *cr_ends*: a bare CR ends a line.
    """

    coding_first: bool = True
    any_coding: bool = True
    last_length: bool = False
    loose_names: bool = True
    cr_ends: bool = False

    def requests(self, raw: bytes) -> list[Seen]:
        """Return the requests that are there as a whole."""
        found = []
        while (one := self._request(raw)) is not None:
            request, raw = one
            found.append(request)
        return found

    def _request(self, raw: bytes) -> tuple[Seen, bytes] | None:
        match = _HEAD.match(_BARE_CR.sub(b"\n", raw) if self.cr_ends else raw)
        if match is None:
            return None
        first, _, block = match[1].partition(b"\n")
        method, _, target = first.strip().partition(b" ")
        framed = self._body(self._fields(block), raw[match.end() :])
        if framed is None:
            return None
        body, rest = framed
        return Seen(method, target.strip().partition(b" ")[0], body), rest

    def _fields(self, block: bytes) -> dict[bytes, list[bytes]]:
        fields: dict[bytes, list[bytes]] = {}
        name = b""
        for line in block.split(b"\n"):
            if line.startswith((b" ", b"\t")) and name:
                fields[name][-1] += b" " + line.strip()
                continue
            name, _, value = line.partition(b":")
            name = name.lower()
            if self.loose_names:
                name = _EDGES.sub(b"", name)
                name = _ODD.sub(b"-", name)
            fields.setdefault(name, []).append(value.strip(b" \t\r\x0b\x0c\x00\xa0"))
        return fields

    def _body(self, fields: dict[bytes, list[bytes]], raw: bytes) -> tuple[bytes, bytes] | None:
        """Return a body and what is behind it; None when it is not complete."""
        codings = [value.lower() for value in fields.get(b"transfer-encoding", [])]
        chunked = any(b"chunked" in value if self.any_coding else value == b"chunked" for value in codings)
        lengths = [re.match(rb"\D*(\d+)", value) for value in fields.get(b"content-length", [])]
        numbers = [int(match[1]) for match in lengths if match is not None]
        if chunked and (self.coding_first or not numbers):
            return _chunks(raw)
        length = (numbers[-1] if self.last_length else numbers[0]) if numbers else 0
        return (raw[:length], raw[length:]) if len(raw) >= length else None


def _chunks(raw: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while (line := re.match(rb"[^0-9a-fA-F\n]*(?:0x)?([0-9a-fA-F]*)[^\n]*\n", raw)) is not None:
        raw = raw[line.end() :]
        size = int(line[1] or b"0", 16)
        if not size:
            end = re.match(rb"(?:[^\r\n][^\n]*\n)*\r?\n", raw)
            return (body, raw[end.end() :]) if end is not None else None
        if len(raw) < size:
            return None
        body += raw[:size]
        raw = raw[size:].removeprefix(b"\r").removeprefix(b"\n")
    return None


READINGS = {
    "coding first": Reading(),
    "length first": Reading(coding_first=False),
    "exact coding": Reading(any_coding=False),
    "last length": Reading(coding_first=False, last_length=True),
    "exact names": Reading(loose_names=False),
    "carriage returns": Reading(cr_ends=True),
}
