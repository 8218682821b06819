"""Time that tests move."""

import asyncio
import hashlib
import heapq
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Implements `ports.Clock`; tokens are a fixed sequence.

    With *flowing* (the default) a sleep moves the time on by itself and ends at once; without, sleepers wait for `advance`.
    """

    def __init__(self, start: datetime = START, *, flowing: bool = True) -> None:
        self._now = start
        self._flowing = flowing
        self._numbers = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Event]] = []

    def now(self) -> datetime:
        """Return the time as the test has it."""
        return self._now

    @property
    def sleeping(self) -> int:
        """How many wait for the time to come."""
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        until = self._now + timedelta(seconds=max(seconds, 0))
        if self._flowing:
            await asyncio.sleep(0)
            self._now = max(self._now, until)
            return
        entry = (until, next(self._numbers), asyncio.Event())
        heapq.heappush(self._sleepers, entry)
        try:
            await entry[2].wait()
        finally:
            if entry in self._sleepers:  # cancelled
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    def token(self, bits: int) -> str:
        """Return the next hex token of the sequence."""
        digits = -(-bits // 4)
        return hashlib.shake_128(str(next(self._numbers)).encode()).hexdigest(-(-digits // 2))[:digits]

    def advance(self, seconds: float) -> None:
        """Move the time on and wake those whose time has come, the earliest first."""
        self._now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()
