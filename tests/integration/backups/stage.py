"""What services of backups are tried with: a real journal and folder, an engine and containers as a test wants them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from hostess.adapters.backups.artefacts_folder import FolderArtefacts
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.backups import postgres_wal
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Container, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.services.backups.backups import Target
from tests.fakes.clock import START
from tests.new_journal import opened_journal

T = TypeVar("T")

KEY = ("shop", "production", "db")
AWAY = Problem("backup-bucket-failed", "the bucket does not answer")
STATE = {
    "system": "1",
    "timeline": 1,
    "segment": 2**24,
    "now": START.isoformat(),
    "flushed": "0/1000028",
    "data": "/data",
    "oldest": "000000010000000000000001",
    "held": "0/1000000",
}
WORKLOAD = Workload("db", ServiceType.POSTGRES, "sha256:1", "spec", "sealed", 1, 1.0, 2**30, singleton=True)
TARGET = Target(
    Release("shop", "production", 1, "c" * 40, START, {"db": WORKLOAD}),
    WORKLOAD,
    Container("c1", "db", "sha256:1", {}, "running"),
)


class AwayArtefacts(FolderArtefacts):
    """A folder whose bucket is *away* when something is to be removed."""

    away = True

    def remove(self, path: str) -> None:
        """Fail while it is away."""
        if self.away:
            raise AWAY
        super().remove(path)


class StandInBackups:
    """Knows the one container there is."""

    async def target(self, *_: str) -> Target:
        """Return it."""
        return TARGET


class StandInShell:
    """A postgres that has written 40 bytes of its log."""

    def output(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        hear: Callable[[str], None] | None = None,
        user: str = "",
    ) -> Iterator[bytes]:
        """Yield what it says."""
        if hear is not None:
            hear("pg_basebackup: write-ahead log start point: 0/1000028 on timeline 1")
        yield json.dumps(STATE).encode() if command == postgres_wal.STATE else b"x" * 40

    def feed(self, *_: object) -> None:
        """Take everything."""

    def archive(self, path: str) -> Iterator[bytes]:
        """Yield nothing."""
        yield from (b"",)[1:]

    def unpack(self, *_: object) -> None:
        """Take everything."""


class StandInEngine:
    """One container with a postgres, in which work may hang."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    async def within(self, container: str, mark: str, work: Callable[[Shell], T]) -> T:
        """Return what it comes to."""
        if self.hangs:
            await asyncio.Event().wait()
        return await asyncio.to_thread(work, StandInShell())

    async def end_commands(self, container: str, mark: str) -> None:
        """There are none."""


@asynccontextmanager
async def a_journal(folder: Path) -> AsyncIterator[SqliteJournal]:
    """Give one that knows the project."""
    journal = await opened_journal(folder / "hostess.db")
    await journal.create_project("shop", START)
    try:
        yield journal
    finally:
        await journal.close()


async def kinds(journal: SqliteJournal) -> list[str]:
    """Return the kinds of the events that were told."""
    return [event.kind for event in await journal.events()]
