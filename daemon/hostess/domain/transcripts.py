"""How much is kept of what deployments and runs of jobs said. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Kept:
    """A transcript on the disk: bytes, and when something was last written to it."""

    name: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many are kept, none older than *age*, and no more than *size* bytes of them together."""

    keep: int
    age: timedelta
    size: int


def expendable(kept: Iterable[Kept], limits: Limits, now: datetime) -> list[Kept]:
    """Return those that go, the newest first. Whatever the limits on size and age, the newest one of all stays."""
    gone, total = [], 0
    for place, each in enumerate(sorted(kept, key=lambda each: (each.at, each.name), reverse=True)):
        total += each.size
        fits = place < limits.keep and now - each.at <= limits.age and total <= limits.size
        if place and not fits:
            gone.append(each)
    return gone
