"""Which upgrades are under way: written down before anything is done, forgotten when all of it is finished or taken back."""

import asyncio
import json
from dataclasses import dataclass

from hostess.domain.codec import from_json, to_json
from hostess.domain.ports import Journal

NOTE = "upgrades under way"


@dataclass(frozen=True, slots=True)
class UpgradeNote:
    """One of them: a database, the deployment that upgrades it, and the new volume."""

    deployment: str
    project: str
    environment: str
    service: str
    volume: str


@dataclass(frozen=True, slots=True)
class _Kept:
    notes: tuple[UpgradeNote, ...] = ()


class UpgradeNotes:
    """Keeps them in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._writing = asyncio.Lock()

    async def all(self) -> tuple[UpgradeNote, ...]:
        """Return them."""
        raw = await self._journal.note(NOTE)
        return from_json(_Kept, json.loads(raw)).notes if raw else ()

    async def put(self, note: UpgradeNote) -> None:
        """Write one down."""
        async with self._writing:
            await self._keep((*await self.all(), note))

    async def drop(self, note: UpgradeNote) -> None:
        """Forget one."""
        async with self._writing:
            await self._keep(tuple(each for each in await self.all() if each != note))

    async def _keep(self, notes: tuple[UpgradeNote, ...]) -> None:
        await self._journal.set_note(NOTE, json.dumps(to_json(_Kept(notes))))
