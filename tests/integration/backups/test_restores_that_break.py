"""Restores: written down before they begin, and what broke off after loading began is looked at, not guessed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.backups.backup import FAILED, OK, Backup, Manifest, Restore
from hostess.domain.problem import Problem
from hostess.services.backups.backups import Target
from hostess.services.backups.restores import Restores, users_of
from hostess.services.deploying.turns import Turns
from tests.fakes.clock import START, FakeClock
from tests.integration.backups.stage import KEY, TARGET, a_journal

BACKUP = Backup("b1", *KEY, "manual", START, OK)
MANIFEST = Manifest("b1", *KEY, "postgres", "17", 1, "manual", START, 1.0, BACKUP.file, 1, "", (), ())


class Sound:
    """Backups of which each is as it was written, and the database, while it is one."""

    refusal: Problem | None = None

    async def sound(self, backup: Backup) -> None:
        """Find nothing."""

    async def target(self, *_: str) -> Target:
        """Return it."""
        if self.refusal is not None:
            raise self.refusal
        return TARGET


class Postgres:
    """Swaps, and ends in a bug right after that."""

    def __init__(self) -> None:
        self.swapped = False

    async def tidy(self, *_: object) -> None:
        """Remove nothing."""

    async def load(self, *_: object, **__: object) -> list[str]:
        """Load nothing."""
        return []

    async def swap(self, *_: object) -> None:
        """Put it in place, and fail."""
        self.swapped = True
        raise RuntimeError

    async def is_swapped(self, *_: object) -> bool:
        """Tell."""
        return self.swapped


class Setup:
    """Makes what is to be inside."""

    async def make(self, *_: object) -> None:
        """Make nothing."""


def of(journal: SqliteJournal, postgres: Postgres, backups: Sound | None = None) -> Restores:
    """Return what restores."""
    given = cast("Callable[..., Restores]", Restores)
    return given(journal, backups or Sound(), None, postgres, None, None, None, Setup(), Turns(), FakeClock())


async def begun(restores: Restores, monkeypatch: pytest.MonkeyPatch) -> Restore:
    """Begin one."""

    async def manifest(_: Backup) -> Manifest:
        return MANIFEST

    monkeypatch.setattr(restores, "_manifest", manifest)
    return await restores.begin(TARGET, BACKUP, safety=False)


async def test_a_bug_after_the_swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new data is in place, and that is what is told, whatever went wrong afterwards."""
    async with a_journal(tmp_path) as journal:
        restores = of(journal, Postgres())
        await begun(restores, monkeypatch)
        await restores._running.settled()

        assert [each.state for each in await journal.restores()] == [OK]


async def test_nothing_begins_unwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a restore cannot be written down, it does not begin either."""
    async with a_journal(tmp_path) as journal:
        postgres = Postgres()
        restores = of(journal, postgres)

        async def full(_: Restore) -> None:
            await asyncio.sleep(0)
            raise Problem("no-room", "the disk is full")

        monkeypatch.setattr(journal, "put_restore", full)
        with pytest.raises(Problem, match="the disk is full"):
            await begun(restores, monkeypatch)
        await restores._running.settled()

        assert not postgres.swapped


async def test_a_service_that_is_no_database_any_more(tmp_path: Path) -> None:
    """What was under way when it became another kind of service is over."""
    async with a_journal(tmp_path) as journal:
        await journal.put_restore(Restore("r1", *KEY, "production", "b1", START))
        backups = Sound()
        backups.refusal = Problem("not-backed-up", "db is of type node")
        restores = of(journal, Postgres(), backups)

        await restores.recover()
        async with asyncio.timeout(25):
            await restores._running.settled()

        ended = (await journal.restores())[0]
        assert (ended.state, ended.problem.endswith("the service is gone")) == (FAILED, True)


def test_a_file_that_is_taken_no_more() -> None:
    """Where hostess.yml of the live release is one that this version refuses, nobody is named, and the restore goes on."""
    assert users_of(TARGET) == ()
