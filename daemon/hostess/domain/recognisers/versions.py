"""Which versions a range allows, as Python's specifiers and npm's and Poetry's ranges spell it; pure and forgiving.

A range is a union of intervals of versions (three numbers). A series is the beginning of a version: (3, 12) or (22,).
"""

import re
from collections.abc import Iterable

LONGEST = 200
"""Characters of a range; what is longer is none. (What somebody pushes must not take time that grows with its square.)"""
_FIRST, _END = (0, 0, 0), (10**9, 0, 0)
_COMPARATOR = re.compile(r"(?P<operator>[<>=~^!]*)v?(?P<version>\d+(?:\.\d+)*)?(?P<rest>\S*)")


def best(text: str, candidates: Iterable[tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return the first series of *candidates* that the range *text* allows, None when it allows none of them."""
    return next((series for series in candidates if allows(text, series)), None)


def allows(text: str, series: tuple[int, ...]) -> bool:
    """Whether some version of *series* is in the range; what is no range allows everything."""
    if len(text) > LONGEST:
        return True
    first, after = _padded(series), _next(series)
    for part in text.split("||"):
        low, high = _interval(part)
        if max(low, first) < min(high, after):
            return True
    return False


def _interval(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where all comparators of *text* agree: from the first version up to, but without, the second."""
    hyphen = re.sub(r"(\S+)\s+-\s+(\S+)", r">=\1 <=\2", text)
    joined = re.sub(r"([<>=~^!])\s+", r"\1", hyphen)
    low: tuple[int, ...] = _FIRST
    high: tuple[int, ...] = _END
    for word in re.split(r"[\s,]+", joined.strip()):
        found = _COMPARATOR.match(word)
        if found is None or found["version"] is None:
            continue
        begin, end = _bounds(found["operator"], tuple(int(number) for number in found["version"].split(".")[:3]))
        low, high = max(low, begin), min(high, end)
    return low, high


def _bounds(operator: str, version: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    first, after = _padded(version), _next(version)
    # Up to the first number that is not 0: ^1.2 allows all of 1, ^0.2 all of 0.2.
    caret = next((index for index, number in enumerate(version, start=1) if number), len(version))
    bounds = {
        ">=": (first, _END),
        ">": (after, _END),
        "<": (_FIRST, first),
        "<=": (_FIRST, after),
        "^": (first, _next(version[:caret])),
        "~=": (first, _next(version[:-1] or version)),
        "~": (first, _next(version[:2])),
        "!=": (_FIRST, _END),  # it takes away one version, seldom a whole series
    }
    return bounds.get(operator, (first, after))


def _padded(version: tuple[int, ...]) -> tuple[int, ...]:
    return (*version, 0, 0, 0)[:3]


def _next(version: tuple[int, ...]) -> tuple[int, ...]:
    """Return the first version that does not begin with *version*."""
    return _padded((*version[:-1], version[-1] + 1))
