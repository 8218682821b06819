"""Targets that failed requests: workers tell of them as it happens, and the daemon, when it asks, which they are.

What nobody has fetched is forgotten after a while: it is a reason to look at a target now, and none later.
"""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final

from hostess_proxy.control.calls import Calls
from hostess_proxy.control.wire import Message

MAX_TARGETS: Final = 10_000
STALE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Failed:
    """What a target has failed since it was last told: how many requests, how the last one, and whether it is *out*."""

    count: int
    kind: str
    out: bool
    at: float


class Failing:
    """What all workers tell, together."""

    def __init__(self) -> None:
        self._heard: dict[str, Failed] = {}
        self._changed = asyncio.Event()

    def hear(self, message: Message) -> None:
        """Take what a worker tells: target -> count, kind, out."""
        now = monotonic()
        for target, (count, kind, out) in message.get("targets", {}).items():
            before = self._heard.get(target)
            if before is not None:
                before.count, before.kind, before.out, before.at = before.count + count, kind, out, now
            elif len(self._heard) < MAX_TARGETS:
                self._heard[target] = Failed(count, kind, out, now)
        self._changed.set()

    async def next(self, within: float) -> dict[str, tuple[int, str, bool]]:
        """Return by target count, kind and out as soon as there are some, nothing after *within* seconds without any."""
        try:
            async with asyncio.timeout(within):
                while True:
                    heard, self._heard = self._heard, {}
                    now = monotonic()
                    fresh = {target: each for target, each in heard.items() if now - each.at < STALE_SECONDS}
                    if fresh:
                        return {target: (each.count, each.kind, each.out) for target, each in fresh.items()}
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return {}


class Unasked:
    """All that workers tell without having been asked."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.failing = Failing()

    def hear(self, message: Message) -> None:
        """Take one of their messages."""
        (self.failing if message.get("op") == "failing" else self.calls).hear(message)
