"""How often one caller may ask, and how much at once: a script that runs wild must not take the daemon from the others."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from hostess.doors.api.problems import TooManyRequests

BURST_SECONDS = 10
"""What may come at once, in seconds of the rate, after a while of silence."""
CALLERS = 4096
"""Callers that are kept in mind; of more the one that was silent longest is forgotten."""


STRANGERS = 64 * 1024 * 1024
"""Bytes of bodies that are in memory before it is known who sent them."""


class Unsigned:
    """Bytes that nobody is known to have sent, of all requests together; they are held as long as `held` runs."""

    def __init__(self, most: int = STRANGERS) -> None:
        self._most = most
        self._now = 0

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Give what counts so many bytes more; it raises TooManyRequests when there is no room for them."""
        own = 0

        def more(size: int) -> None:
            nonlocal own
            if self._now + size > self._most:
                raise TooManyRequests("too much comes at once from whom nobody knows yet", 1)
            self._now += size
            own += size

        try:
            yield more
        finally:
            self._now -= own


UNSIGNED = web.AppKey("unsigned", Unsigned)


class Limits:
    """Counts the requests of each caller. *rate* is requests per second, *at_once* those under way; 0 is no limit.

    *now* returns seconds of a clock that never goes back.
    """

    def __init__(self, rate: float, at_once: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._at_once = at_once
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._under_way: Counter[str] = Counter()

    def spend(self, caller: str) -> None:
        """Count one request; TooManyRequests, which says when there may be another, and nothing is counted then."""
        if not self._rate:
            return
        now, most = self._now(), self._rate * BURST_SECONDS
        left, since = self._left.pop(caller, (most, now))
        left = min(most, left + (now - since) * self._rate)
        spent = left >= 1
        self._left[caller] = (left - spent, now)
        if len(self._left) > CALLERS:
            self._left.popitem(last=False)
        if not spent:
            raise TooManyRequests(f"more than {self._rate:g} requests per second", (1 - left) / self._rate)

    @contextmanager
    def under_way(self, caller: str) -> Iterator[None]:
        """Count a request as long as the block runs, streams too; TooManyRequests when there are as many as may be."""
        if self._at_once and self._under_way[caller] >= self._at_once:
            raise TooManyRequests(f"{self._at_once} requests are under way already", 1)
        self._under_way[caller] += 1
        try:
            yield
        finally:
            self._under_way[caller] -= 1
            if not self._under_way[caller]:
                del self._under_way[caller]
