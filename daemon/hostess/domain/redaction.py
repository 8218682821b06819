"""Hides known secret values in text that is about to leave: as they are, and in the forms in which programs pass them on."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
SHORTEST = 6


@dataclass(frozen=True, slots=True)
class _Known:
    """All known forms, and what finds them; *beginnings* are their first 6 characters."""

    forms: frozenset[str]
    beginnings: frozenset[str]
    pattern: re.Pattern[str]


class SecretRedactor:
    """`Redactor` (domain/ports.py): one compiled pattern of all known forms, replaced as a whole when a value is learnt.

    Meant for whole lines: of a value with several lines each line is hidden on its own. May be used from any thread.
    """

    def __init__(self) -> None:
        self._learning = Lock()
        self._known = _Known(frozenset(), frozenset(), re.compile(""))

    def learn(self, values: Iterable[str]) -> None:
        """Remember values to hide; those shorter than 6 characters are left out."""
        found = {form for value in values for form in forms(value)}
        with self._learning:
            if found <= self._known.forms:
                return
            known = self._known.forms | found
            longest_first = sorted(known, key=len, reverse=True)
            pattern = re.compile("|".join(map(re.escape, longest_first)))
            self._known = _Known(known, frozenset(form[:SHORTEST] for form in known), pattern)

    def hide(self, text: str) -> str:
        """Return the text with every known value replaced by "[hidden]"."""
        known = self._known
        # Almost every line is clean, and a look at its beginnings says so a hundred times faster than the pattern.
        starts = range(len(text) - SHORTEST + 1)
        if known.beginnings.isdisjoint(text[start : start + SHORTEST] for start in starts):
            return text
        return known.pattern.sub(HIDDEN, text)


def forms(value: str) -> set[str]:
    """Return what a value looks like plain, line by line, in URLs, in JSON and inside base64; nothing of a short one."""
    lines = [line.strip() for line in value.splitlines()]
    plain = {each for each in (value, value.strip(), *lines) if len(each) >= SHORTEST}
    quoted = {change(each) for each in plain for change in (quote, _quoted_whole, quote_plus, _in_json, _in_ascii_json)}
    encoded = {form for each in plain for form in _in_base64(each.encode("utf-8", "surrogatepass"))}
    return plain | quoted | encoded


def _quoted_whole(value: str) -> str:
    return quote(value, safe="")


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _in_ascii_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the characters that *data* alone decides, for each place in a group of three bytes where it can begin."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode()
        after = (before + len(data)) % 3
        # A character holds six bits: those that share bits with a neighbour are left to it.
        core = text[-(-before * 8 // 6) : len(text) - (0, 3, 2)[after]]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
