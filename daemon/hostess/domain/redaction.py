"""Hides known secret values in text that is about to leave: as they are, and in the forms in which programs pass them on."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
SHORTEST = 6


@dataclass(frozen=True, slots=True)
class _Known:
    """All known forms, their first 6 characters, and the forms by these, the longest first."""

    forms: frozenset[str]
    beginnings: frozenset[str]
    by_beginning: Mapping[str, Sequence[str]]


class SecretRedactor:
    """`Redactor` (domain/ports.py): all known forms, replaced as a whole when a value is learnt.

    What a text costs depends on its length, and hardly on how many values are known: who knows one must not be able to write lines that
    take seconds. Meant for whole lines: of a value with several lines each line is hidden on its own. May be used from any thread.
    """

    def __init__(self) -> None:
        self._learning = Lock()
        self._known = _Known(frozenset(), frozenset(), {})

    def learn(self, values: Iterable[str]) -> None:
        """Remember values to hide; those shorter than 6 characters are left out."""
        found = {form for value in values for form in forms(value)}
        with self._learning:
            if found <= self._known.forms:
                return
            by_beginning = dict(self._known.by_beginning)
            for form in found - self._known.forms:
                alike = (*by_beginning.get(form[:SHORTEST], ()), form)
                by_beginning[form[:SHORTEST]] = tuple(sorted(alike, key=len, reverse=True))
            self._known = _Known(self._known.forms | found, frozenset(by_beginning), by_beginning)

    def hide(self, text: str) -> str:
        """Return the text with every known value replaced by "[hidden]"."""
        known = self._known
        # Almost every line is clean, and a look at all its places says so fastest.
        starts = range(len(text) - SHORTEST + 1)
        if known.beginnings.isdisjoint(text[start : start + SHORTEST] for start in starts):
            return text
        shown: list[str] = []
        after = 0
        for start in starts:
            if start >= after and (
                found := _found(known.by_beginning.get(text[start : start + SHORTEST], ()), text, start)
            ):
                shown += (text[after:start], HIDDEN)
                after = start + len(found)
        return "".join([*shown, text[after:]])


def _found(known: Sequence[str], text: str, start: int) -> str:
    """Return the first of these forms that stands there; "" for none."""
    return next((form for form in known if text.startswith(form, start)), "")


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
