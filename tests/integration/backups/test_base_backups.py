"""Base backups: what goes wrong beside one does not undo it, and what was cut short waits for its bucket."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from hostess.adapters.backups.artefacts_folder import FolderArtefacts
from hostess.domain.backups.backup import FAILED, OK, RUNNING
from hostess.domain.backups.wal import Archive, Base
from hostess.services.backups import base_backups
from hostess.services.backups.base_backups import BaseBackups
from tests.fakes.clock import START, FakeClock
from tests.integration.backups.stage import (
    KEY,
    TARGET,
    AwayArtefacts,
    StandInBackups,
    StandInEngine,
    a_journal,
    kinds,
)

DAY = timedelta(days=1)
OLD = Base("old", *KEY, START - 3 * DAY, OK, START - 3 * DAY, chain="0")
CHAIN = "1-20260101-000000"
ARCHIVE = Archive(*KEY, "1", CHAIN, 1, 2**24, 1, START)


def of(journal: object, artefacts: object, engine: StandInEngine) -> BaseBackups:
    """Return what takes them."""
    given = cast("Callable[..., BaseBackups]", BaseBackups)
    return given(journal, engine, StandInBackups(), artefacts, FakeClock())


async def test_a_prune_that_fails_undoes_nothing(tmp_path: Path) -> None:
    """While old ones cannot be removed, the one that was just taken stays, is told of and handed on."""
    async with a_journal(tmp_path) as journal:
        for old in (OLD, replace(OLD, id="older", ended_at=START - 4 * DAY)):
            await journal.put_base(old)
        await journal.put_archive(ARCHIVE)
        bases = of(journal, AwayArtefacts(tmp_path), StandInEngine())
        followed: list[Base] = []

        async def after(base: Base) -> None:
            followed.append(base)

        bases.then(after)
        await bases.look(TARGET, CHAIN)
        await bases._running.settled()

        made = next(base for base in await journal.bases() if not base.id.startswith("old"))
        assert (made.state, followed, await kinds(journal)) == (OK, [made], ["backup.base-completed"])
        assert (tmp_path / made.path).is_file()


@pytest.mark.parametrize(("runs", "version"), [("", "16"), ("sha256:later", "")])
async def test_a_server_that_is_not_the_live_one_yet(tmp_path: Path, runs: str, version: str) -> None:
    """One that is taken while an upgrade hands over says which image it is really of."""
    workload = replace(TARGET.workload, image="sha256:live", version="16")
    container = replace(TARGET.container, image=runs or workload.image)
    async with a_journal(tmp_path) as journal:
        await journal.put_archive(ARCHIVE)
        bases = of(journal, FolderArtefacts(tmp_path), StandInEngine())
        await bases.look(replace(TARGET, workload=workload, container=container), CHAIN)
        await bases._running.settled()

        assert [(base.image, base.version) for base in await journal.bases()] == [(container.image, version)]


async def test_one_that_hangs_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes too long has failed, and is in the way of no other."""
    monkeypatch.setattr(base_backups, "LONGEST", 0.01)
    async with a_journal(tmp_path) as journal:
        await journal.put_archive(ARCHIVE)
        bases = of(journal, FolderArtefacts(tmp_path), StandInEngine(hangs=True))
        await bases.look(TARGET, CHAIN)
        await bases._running.settled()

        assert [(base.state, base.problem) for base in await journal.bases()] == [(FAILED, "it took longer than a day")]


async def test_what_was_cut_short_waits_for_its_bucket(tmp_path: Path) -> None:
    """A start does not fail because what was begun cannot be removed; the next one does it."""
    begun = replace(OLD, state=RUNNING)
    async with a_journal(tmp_path) as journal:
        await journal.put_base(begun)
        artefacts = AwayArtefacts(tmp_path)
        bases = of(journal, artefacts, StandInEngine())

        await bases.recover()
        await bases._tidying.settled()
        assert await journal.bases() == [begun]

        artefacts.away = False
        await bases.recover()
        await bases._tidying.settled()
        assert await journal.bases() == []
