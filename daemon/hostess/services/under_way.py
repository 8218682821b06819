"""Work that goes on by itself, and still has an owner."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")

ANEW = 5.0

log = logging.getLogger(__name__)


async def lasting(loop: Callable[[], Coroutine[object, object, None]], pause: float = ANEW) -> None:
    """Run one of the daemon's loops until it returns.

    One that ends in an error, which is a bug, is in the log, and begun anew after *pause* seconds: what it does must not stop for good.
    """
    while True:
        try:
            return await loop()
        except Exception:
            log.exception("a part of the daemon ended in a bug, and is begun anew")
        await asyncio.sleep(pause)


class UnderWay(Generic[T]):
    """Tasks by key: never two under one key, and one end for all. What one raises is in the log, whoever else waits for it."""

    def __init__(self, what: str) -> None:
        """Name such work *what* in the log."""
        self._what = what
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._tasks

    def get(self, key: Hashable) -> asyncio.Task[T] | None:
        """Return what is under way under this key."""
        return self._tasks.get(key)

    def begin(self, key: Hashable, work: Coroutine[object, object, T]) -> None:
        """Begin it, unless something is under way under this key."""
        if key in self._tasks:
            work.close()
            return
        task = self._tasks[key] = asyncio.create_task(work)
        task.add_done_callback(partial(self._over, key))

    async def end(self, key: Hashable) -> None:
        """Cancel what is under way under this key, and wait for its end."""
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait([*self._tasks.values()])

    async def stop(self) -> None:
        """Cancel everything, and wait for its end."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _over(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s (%s) ended in a bug", self._what, key, exc_info=error)
