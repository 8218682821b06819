"""Up to when everything that the engine told has been heeded: what happens while no daemon runs is asked for from there on."""

import asyncio
import logging
from datetime import datetime, timedelta

from hostess.domain.ports import Journal
from hostess.domain.problem import Problem

NOTE = "deaths heard until"
_LEAST = timedelta(microseconds=1)

log = logging.getLogger(__name__)


class Heard:
    """A moment in the journal. It passes no event that is still being heeded, so one that a crash cuts off is heeded again."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._writing = asyncio.Lock()
        self._written: datetime | None = None
        self._last: datetime | None = None
        self._open: list[datetime] = []

    async def until(self) -> datetime | None:
        """Return up to when an earlier daemon has listened; None where none has."""
        raw = await self._journal.note(NOTE)
        try:
            return datetime.fromisoformat(raw) if raw else None
        except ValueError:
            log.warning("until when deaths were heard of cannot be read: those of before are not told")
            return None

    def begin(self, at: datetime) -> None:
        """Hear of an event that happened then."""
        self._open.append(at)
        self._last = max(self._last or at, at)

    async def end(self, at: datetime) -> None:
        """Have heeded one."""
        self._open.remove(at)
        await self._write()

    async def all_until(self, at: datetime) -> None:
        """Have heeded all that happened until then."""
        self._last = max(self._last or at, at)
        await self._write()

    async def _write(self) -> None:
        async with self._writing:
            until = min(self._open) - _LEAST if self._open else self._last
            if until is None or (self._written is not None and until <= self._written):
                return
            try:
                await self._journal.set_note(NOTE, until.isoformat())
            except Problem as problem:  # a full disk: another daemon finds in the journal what was told
                log.warning("until when deaths were heard of could not be written down: %s", problem)
            else:
                self._written = until
