"""Durations and amounts of memory as people write them: "30m", "1h30m", "512Mi", "2Gi"."""

import re
from datetime import timedelta
from decimal import Decimal

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_BYTES = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("kMGT", start=1)},
    "K": 1000,
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)},
}
_NUMBER = r"\d{1,12}(?:\.\d{1,9})?"
_PART = re.compile(rf"({_NUMBER})(ms|[smhdw])", re.ASCII)
DURATION_PATTERN = rf"(?:{_NUMBER}(?:ms|[smhdw]))+"
"""What a duration looks like, as a regular expression."""
_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_MEMORY = re.compile(rf"({_NUMBER})([kKMGT]i?)?B?", re.ASCII)
LONGEST = timedelta(days=36_525)
"""A hundred years: from any moment that people mean, so long before and after is a date that can be written down."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that "500ms", "30s", "5m", "1h30m", "7d" or "2w" stands for; ValueError with a sentence otherwise."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f'"{text}" is not a duration such as 30s, 5m or 1h30m')
    parts: list[tuple[str, str]] = _PART.findall(text)
    microseconds = int(sum(Decimal(number) * _MILLISECONDS[unit] * 1000 for number, unit in parts))
    if microseconds > LONGEST // timedelta(microseconds=1):
        raise ValueError(f'"{text}" is too long a time: at most {duration_text(LONGEST)}')
    return timedelta(microseconds=microseconds)


def duration_text(duration: timedelta) -> str:
    """Return a duration in the largest unit that keeps it whole, hours up to two days: "36h", "7d", "90s"."""
    milliseconds = duration // timedelta(milliseconds=1)
    units = sorted(_MILLISECONDS.items(), key=lambda unit: -unit[1])
    for unit, size in units:
        if milliseconds % size == 0 and milliseconds >= size * (3 if unit in {"d", "w"} else 1):
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def parse_memory(text: str) -> int:
    """Return the bytes that "512Mi", "1.5Gi" (powers of 1024), "500M" (of 1000) or "1048576" stands for; ValueError otherwise."""
    match = _MEMORY.fullmatch(text)
    if match is None or (match[2] or "") not in _BYTES:
        raise ValueError(f'"{text}" is not an amount of memory such as 512Mi or 2Gi')
    return int(Decimal(match[1]) * _BYTES[match[2] or ""])


def memory_text(size: int) -> str:
    """Return bytes in the largest unit of 1024 that keeps the number whole: "512Mi", "2Gi"."""
    unit = next((unit for unit in ("Ti", "Gi", "Mi", "Ki") if size % _BYTES[unit] == 0), "")
    return f"{size // _BYTES[unit]}{unit}"


def size_text(size: float) -> str:
    """Return bytes as people read them: "1.2 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 -- a kibibyte
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
