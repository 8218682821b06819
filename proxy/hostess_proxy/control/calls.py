"""Calls for services that sleep: workers tell that requests are held for them, and the daemon, when it asks, which they are.

A worker calls about once a second while somebody waits, so nothing has to be kept for long: a call that nobody has fetched is soon
forgotten, one that was lost is made again.
"""

import asyncio
from time import monotonic
from typing import Final

from hostess_proxy.control.wire import Message
from hostess_proxy.routes.holding import CALL_SECONDS

MAX_CALLS: Final = 10_000
_STALE_SECONDS = 3 * CALL_SECONDS

Called = tuple[str, ...]


class Calls:
    """The calls of all workers, each told once a second at most, however many workers make it."""

    def __init__(self) -> None:
        self._heard: dict[Called, float] = {}
        self._told: dict[Called, float] = {}
        self._changed = asyncio.Event()

    def hear(self, message: Message) -> None:
        """Take a worker's calls."""
        now = monotonic()
        self._told = {called: at for called, at in self._told.items() if now - at < CALL_SECONDS}
        for route in message.get("routes", ()):
            called = tuple(map(str, route))
            if called not in self._told and len(self._heard) < MAX_CALLS:
                self._heard[called] = now
        if self._heard:
            self._changed.set()

    async def next(self, within: float) -> list[Called]:
        """Return calls as soon as there are some, nothing after *within* seconds without any."""
        try:
            async with asyncio.timeout(within):
                while True:
                    found = self._fresh()
                    if found:
                        return found
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return []

    def _fresh(self) -> list[Called]:
        now = monotonic()
        found = [called for called, at in self._heard.items() if now - at < _STALE_SECONDS]
        self._heard.clear()
        self._told.update(dict.fromkeys(found, now))
        return found
