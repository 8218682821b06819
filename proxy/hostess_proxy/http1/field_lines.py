"""Blocks of field lines, taken apart: which lines go on, and what the fields say that decide something (RFC 9112 §5)."""

import re
from typing import Final

from hostess_proxy.http1.refused import Refused

MAX_LINE: Final = 16 * 1024
MAX_FIELDS: Final = 100
_FIELD_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~\x80-\xff]*+")


class FieldLines:
    """Takes blocks of field lines apart; remembers single lines, because most lines of a head come again and again."""

    _LINES = 1024
    _LINE = 256

    def __init__(self, collected: frozenset[bytes], dropped: frozenset[bytes], *, plain_names: bool) -> None:
        self._collected = collected
        self._dropped = dropped
        self._plain_names = plain_names
        self._known: dict[bytes, tuple[bytes, bytes, bool]] = {}

    def read(self, block: bytes) -> tuple[list[bytes], dict[bytes, list[bytes]]]:
        """Return the lines that may go on, and the values of the fields that are collected, by lower-case name."""
        lines = block.split(b"\r\n")
        lines.pop()
        if len(lines) > MAX_FIELDS:
            raise Refused(431, "too-many-fields")
        known = self._known
        kept = []
        found: dict[bytes, list[bytes]] = {}
        for line in lines:
            name, value, keep = known.get(line) or self._read_line(line)
            if keep:
                kept.append(line)
            if name:
                found.setdefault(name, []).append(value)
        return kept, found

    def _read_line(self, line: bytes) -> tuple[bytes, bytes, bool]:
        """Return lower-case name and value where they are collected (else nothing), and whether the line goes on."""
        if len(line) > MAX_LINE:
            raise Refused(431, "fields-too-large")
        if _FIELD_LINE.fullmatch(line) is None:
            raise Refused(400, "bad-field")
        name, _, value = line.partition(b":")
        lower = name.lower()
        # X_Forwarded_For becomes the same CGI variable as X-Forwarded-For, so such names would get around every rule on names.
        keep = lower not in self._dropped and (not self._plain_names or lower.replace(b"-", b"").isalnum())
        read = (lower, value.strip(b" \t"), keep) if lower in self._collected else (b"", b"", keep)
        if len(line) <= self._LINE:
            if len(self._known) >= self._LINES:
                self._known.clear()
            self._known[line] = read
        return read
