"""Data to YAML that reads back as the same data, by this parser and by others: words that some of them take for numbers are quoted."""

import re
from collections.abc import Iterator, Mapping, Sequence

from hostess.domain.hostess_yml.reading import plain

Data = str | int | float | bool | None | Sequence["Data"] | Mapping[str, "Data"]

_BARE = re.compile(
    r"[0-9]+[A-Za-z]+|(?:[A-Za-z_./]|--?(?=[A-Za-z]))(?:[A-Za-z0-9_./@+-]|:(?=[A-Za-z0-9/])| (?=[A-Za-z0-9]))*",
    re.ASCII,
)
_TRUTH_ELSEWHERE = frozenset({"y", "n", "yes", "no", "on", "off"})
_WIDEST = 100


def flow(value: Data) -> str:
    """Return a value on one line, as `{a: 1, b: [x, y]}`."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{text(key)}: {flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(flow, value)) + "]"
    return "null" if value is None else str(value).lower()


def block(value: Mapping[str, Data]) -> str:
    """Return a mapping over several lines, ending with a newline; short lists stay on one."""
    return "".join(f"{line}\n" for line in _mapping(value))


def text(value: str) -> str:
    """Return text as a scalar: bare where every reader takes it for text, else in double quotes."""
    bare = _BARE.fullmatch(value) and isinstance(plain(value), str) and value.lower() not in _TRUTH_ELSEWHERE
    return value if bare else '"' + "".join(map(_escaped, value)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return {"\n": "\\n", "\t": "\\t"}.get(letter, f"\\U{ord(letter):08x}")


def _mapping(value: Mapping[str, Data]) -> Iterator[str]:
    for key, below in value.items():
        yield from _entry(f"{text(key)}:", below)


def _entry(head: str, value: Data) -> Iterator[str]:
    """Yield the lines of what stands behind a key."""
    if isinstance(value, str) and _fits_literal(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (f"  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    elif isinstance(value, Mapping) and value:
        yield head
        yield from (f"  {line}" if line else "" for line in _mapping(value))
    elif _is_long(value):
        yield head
        for item in value if isinstance(value, Sequence) else ():
            yield from (f"  {line}" if line else "" for line in _item(item))
    else:
        yield f"{head} {flow(value)}"


def _item(value: Data) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for number, line in enumerate(_mapping(value)):
            yield f"{'  ' if number else '- '}{line}" if line else ""
    else:
        yield from _entry("-", value)


def _is_long(value: Data) -> bool:
    """Whether a list has to stand over several lines."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    nested = any(isinstance(item, Mapping) or (isinstance(item, str) and "\n" in item) for item in value)
    return bool(value) and (nested or len(flow(value)) > _WIDEST)


def _fits_literal(value: str) -> bool:
    """Whether text can stand as a literal block without losing or gaining anything."""
    lines = value.removesuffix("\n").split("\n")
    return len(lines) > 1 and bool(lines[-1]) and lines[0][:1].strip() != "" and all(map(str.isprintable, lines))
