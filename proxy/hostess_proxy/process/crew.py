"""All workers of a proxy: those that serve, and those that leave because there shall be fewer. A question goes to all of them."""

import asyncio
from collections.abc import Callable

from hostess_proxy.control import wire
from hostess_proxy.process.workers import Slot

_READY_SECONDS = 20.0


class Crew:
    """Slots that are kept filled by tasks of *group*. *changed* is called when a process came or went."""

    def __init__(self, make: Callable[[], Slot], changed: Callable[[], None], group: asyncio.TaskGroup) -> None:
        self._make = make
        self._changed = changed
        self._group = group
        self._slots: list[Slot] = []
        self._leaving: list[Slot] = []

    @property
    def pids(self) -> list[int]:
        """The processes that serve now."""
        return [slot.pid for slot in self._slots if slot.pid]

    def resize(self, count: int, grace: float) -> None:
        """Have *count* workers; those that are too many stop accepting, and have *grace* seconds for what they hold."""
        while len(self._slots) < count:
            slot = self._make()
            self._slots.append(slot)
            self._group.create_task(slot.keep(self._changed))
        while len(self._slots) > count:
            slot = self._slots.pop()
            self._leaving.append(slot)
            self._group.create_task(self._see_off(slot, grace))

    async def ready(self) -> None:
        """Return when all of them accept connections."""
        await asyncio.gather(*(slot.ready.wait() for slot in self._slots))

    async def soon_ready(self) -> None:
        """Return when all of them accept connections, or after a while: one that cannot be started is tried again and again."""
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self.ready()
        except TimeoutError:
            return

    async def ask(self, op: str, seconds: float, /, **arguments: object) -> list[wire.Message]:
        """Ask all of them; return what they answered. Who does not answer is left out."""
        answers = await asyncio.gather(*(slot.ask(op, seconds, **arguments) for slot in (*self._slots, *self._leaving)))
        return [answer for answer in answers if answer]

    async def adopt(self, table: object) -> None:
        """Return when nobody serves an older table."""
        await asyncio.gather(*(slot.adopt(table) for slot in (*self._slots, *self._leaving)))

    async def stop(self, grace: float) -> None:
        """End all of them. Returns when they are gone."""
        slots, self._slots = self._slots, []
        self._leaving += slots
        await asyncio.gather(*(slot.stop(grace) for slot in self._leaving))

    async def _see_off(self, slot: Slot, grace: float) -> None:
        self._changed()
        await slot.stop(grace)
        if slot in self._leaving:
            self._leaving.remove(slot)
