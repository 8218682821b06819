"""A real journal and vault for the services that keep tokens and secrets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.vault_files import FileVault, open_vault
from tests.fakes.clock import FakeClock
from tests.new_journal import opened_journal


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that tests move."""
    return FakeClock()


@pytest.fixture
async def journal(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqliteJournal]:
    """Open a journal with a project "shop"."""
    journal = await opened_journal(tmp_path / "hostess.db")
    await journal.create_project("shop", clock.now())
    yield journal
    await journal.close()


@pytest.fixture
async def vault(tmp_path: Path, journal: SqliteJournal) -> FileVault:
    """Open the vault of that journal."""
    return await open_vault(tmp_path / "key", journal)
