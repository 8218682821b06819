"""What a worker counts. On the path of requests these are a few additions to plain numbers; what they mean is said in `exposition`.

A worker keeps no totals: its supervisor takes away what was counted since it last asked (`Counters.take`) and adds it to its own,
so that the end of a worker takes nothing back, and what left the table is forgotten in one place.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

Names = tuple[str, str, str, str]
Numbers = dict[str, Any]
"""Numbers, lists of numbers and more of these by name; `add` knows how they are summed."""

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER")
CLASSES: Final = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
NOBODY: Final = ("", "", "", "")
"""The names of what belongs to no service: project, service, release and environment, as in all of these."""

_FORGET_SECONDS: Final = 600.0
_SUM: Final = len(BUCKETS) + 1  # a histogram: a number for each bucket, one for what is above all, and the sum
_WIDTH: Final = _SUM + 1
_MOST: Final = len(CLASSES) - 1
_ROW = {method.encode(): row * len(CLASSES) for row, method in enumerate(METHODS)}
_OTHER: Final = (len(METHODS) - 1) * len(CLASSES)
_ANSWERS = ("requests", "seconds")
_UPSTREAM_ERRORS = {"backend_closed": "closed", "backend_invalid": "invalid", "truncated": "truncated"}


class Histogram:
    """How often seconds fell into each bucket, and their sum."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: list[float] = [0] * _WIDTH

    def add(self, seconds: float) -> None:
        """Count one."""
        numbers = self._numbers
        numbers[bisect_left(BUCKETS, seconds)] += 1
        numbers[_SUM] += seconds

    def take(self) -> list[float]:
        """Return what was counted, and begin anew; [] for nothing."""
        taken, self._numbers = self._numbers, [0] * _WIDTH
        return taken if any(taken) else []


class Counts:
    """What is counted of one release of a service."""

    __slots__ = (
        "_latency", "_requests", "connect", "ejections", "ends", "errors", "first_byte", "left_at", "names", "received",
        "retries", "sent",
    )  # fmt: skip

    def __init__(self, names: Names) -> None:
        self.names = names
        self.left_at = float("inf")
        self.first_byte = Histogram()
        self.connect = Histogram()
        self._begin()

    def _begin(self) -> None:
        self._requests = [0] * (len(METHODS) * len(CLASSES))
        self._latency: list[float] = [0] * (len(CLASSES) * _WIDTH)
        self.received = 0
        self.sent = 0
        self.retries = 0
        self.ejections = 0
        self.errors: dict[str, int] = {}
        self.ends: dict[str, int] = {}

    def ended(self, exchange: "Exchange", end: str, seconds: float) -> None:
        """Count an exchange that took so many seconds."""
        kind = exchange.status // 100
        if kind > _MOST:
            kind = 0
        first_byte = exchange.first_byte
        self._requests[_ROW.get(exchange.request.method, _OTHER) + kind] += 1
        latency = self._latency
        start = kind * _WIDTH
        latency[start + bisect_left(BUCKETS, seconds)] += 1
        latency[start + _SUM] += seconds
        self.received += exchange.received
        self.sent += exchange.sent
        if first_byte and exchange.target is not None:
            self.first_byte.add(first_byte - exchange.started)
        if exchange.retries:
            self.retries += exchange.retries
        if end != "ok":
            self.ends[end] = self.ends.get(end, 0) + 1
            self._count_error(exchange, end)

    def _count_error(self, exchange: "Exchange", end: str) -> None:
        error = _UPSTREAM_ERRORS.get(end, "timeout" if exchange.error == "backend-timeout" else "")
        if error and exchange.target is not None:
            self.failed(error)

    def failed(self, kind: str) -> None:
        """Count a fault of a backend."""
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def unreadable(self, status: int, sent: int) -> None:
        """Count a request that could not be read."""
        self._requests[_OTHER + status // 100] += 1
        self.sent += sent

    def take(self) -> Numbers:
        """Return what was counted, and begin anew; {} for nothing."""
        latency = {
            kind: self._latency[row * _WIDTH : (row + 1) * _WIDTH]
            for row, kind in enumerate(CLASSES)
            if any(self._latency[row * _WIDTH : (row + 1) * _WIDTH])
        }
        requests = {
            f"{METHODS[place // len(CLASSES)]} {CLASSES[place % len(CLASSES)]}": count
            for place, count in enumerate(self._requests)
            if count
        }
        taken: Numbers = {
            "requests": requests,
            "seconds": latency,
            "first_byte": self.first_byte.take(),
            "connect": self.connect.take(),
            "received": self.received,
            "sent": self.sent,
            "retries": self.retries,
            "ejections": self.ejections,
            "errors": self.errors,
            "ends": self.ends,
        }
        self._begin()
        return {name: value for name, value in taken.items() if value}


class Counters:
    """All that a worker counts: by service, and by *note* what belongs to none."""

    def __init__(self) -> None:
        self._by_names: dict[Names, Counts] = {}
        self._events: dict[tuple[str, str], int] = {}
        self.lag = Histogram()
        self.nobody = self.of(*NOBODY)

    def of(self, project: str, service: str, release: str, environment: str = "") -> Counts:
        """Return the counts of a release; there is only one object for each."""
        names = (project, service, release, environment)
        counts = self._by_names.get(names)
        if counts is None:
            counts = self._by_names[names] = Counts(names)
        return counts

    def note(self, family: str, label: str = "", times: int = 1) -> None:
        """Count something that belongs to no service: *family* is one of `exposition.EVENTS`, *label* of a set with a known end."""
        if times:
            self._events[family, label] = self._events.get((family, label), 0) + times

    def kept(self, names: set[Names], now: float) -> None:
        """Hear which releases the table has; others are forgotten after a while, when nothing of theirs can be in flight."""
        for each, counts in self._by_names.items():
            if each in names or each == NOBODY:
                counts.left_at = float("inf")
            else:
                counts.left_at = min(counts.left_at, now)

    def take(self, now: float, busy: "Iterable[Counts | None]" = ()) -> Numbers:
        """Return what was counted since the last time. *busy* are those with something in flight."""
        still = set(busy)
        services: Numbers = {}
        places: Numbers = {}
        for names, counts in list(self._by_names.items()):
            taken = counts.take()
            if taken:
                # By three names, as a proxy of another version that goes on with these numbers knows them, and metrics tell them.
                add(services.setdefault(key(*names[:3]), {}), taken)
                if answered := {name: taken[name] for name in _ANSWERS if name in taken}:
                    places[key(*names)] = answered
            if counts.left_at + _FORGET_SECONDS < now and counts not in still:
                del self._by_names[names]
        events: Numbers = {}
        for (family, label), times in self._events.items():
            events.setdefault(family, {})[label] = times
        self._events = {}
        all_of_it: Numbers = {"services": services, "places": places, "events": events, "lag": self.lag.take()}
        return {name: value for name, value in all_of_it.items() if value}


def key(*names: str) -> str:
    """Return names as one."""
    return json.dumps(names)


def add(total: Numbers, more: Numbers) -> None:
    """Add *more* to *total*, number by number."""
    for name, value in more.items():
        before = total.get(name)
        if isinstance(value, dict):
            add(total.setdefault(name, {}), value)
        elif isinstance(value, list):
            total[name] = [a + b for a, b in zip(before, value, strict=True)] if before else list(value)
        else:
            total[name] = value + (before or 0)
