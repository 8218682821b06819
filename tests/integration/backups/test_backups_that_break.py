"""Backups beside which something goes wrong: what was promised holds, and nothing becomes good that is not."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hostess.adapters.backups.artefacts_folder import FolderArtefacts
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.backups.backup import BUCKET, FAILED, OK, PARTIAL, RUNNING, Backup, Written
from hostess.domain.problem import Problem
from hostess.services.backups.backups import Backups
from tests.fakes.clock import START, FakeClock
from tests.integration.backups.stage import KEY, TARGET, StandInEngine, a_journal, kinds


class Twofold(FolderArtefacts):
    """A folder, and a bucket that takes copies as long as it is not *away*."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.away = True
        self.copied: list[str] = []

    @property
    def twofold(self) -> bool:
        """Yes."""
        return True

    def write(self, path: str, parts: Iterable[tuple[str, Iterator[bytes]]], missing: str = "") -> Written:
        """Write what the stand-in says, without asking it."""
        del parts
        return super().write(path, [("db.dump", iter([b"dumped"]))], missing)

    def copy(self, path: str, missing: str) -> None:
        """Take it."""
        if self.away:
            raise Problem("backup-bucket-failed", "the bucket does not answer")
        self.copied.append(path)


def of(journal: SqliteJournal, artefacts: FolderArtefacts, monkeypatch: pytest.MonkeyPatch) -> Backups:
    """Return what takes backups of the one container there is."""
    backups = Backups(journal, cast("Any", StandInEngine()), cast("Any", None), artefacts, FakeClock())

    async def target(*_: str) -> object:
        return TARGET

    monkeypatch.setattr(backups, "target", target)
    return backups


def folder(path: Path) -> Twofold:
    """Make the places."""
    (path / "backups").mkdir()
    return Twofold(path / "backups")


async def test_nothing_goes_on_unwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a backup cannot be written down, it does not go on either, and another one can begin at once."""
    async with a_journal(tmp_path) as journal:
        backups = of(journal, folder(tmp_path), monkeypatch)
        put = journal.put_backup

        async def full(_: Backup) -> None:
            raise Problem("journal-failed", "the disk is full")

        monkeypatch.setattr(journal, "put_backup", full)
        with pytest.raises(Problem, match="the disk is full"):
            await backups.begin(*KEY, "manual")
        assert not list((tmp_path / "backups").rglob("*.zst"))
        monkeypatch.setattr(journal, "put_backup", put)

        assert (await backups.ended(await backups.begin(*KEY, "manual"))).state == PARTIAL


async def test_a_failure_is_written_down_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup whose end a full disk did not let be written is failed, and not under way, as soon as the disk takes that."""
    async with a_journal(tmp_path) as journal:
        backups = of(journal, folder(tmp_path), monkeypatch)
        put, left = journal.put_backup, [1, 2, 3]

        async def full(backup: Backup) -> None:
            if left and backup.state != RUNNING:
                left.pop()
                raise Problem("journal-failed", "the disk is full")
            await put(backup)

        monkeypatch.setattr(journal, "put_backup", full)
        ended = await backups.ended(await backups.begin(*KEY, "manual"))

        assert (ended.state, left) == (FAILED, [])
        assert [each.state for each in await journal.backups()] == [FAILED]
        assert not list((tmp_path / "backups").rglob("*.zst"))


async def test_what_follows_is_not_the_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill or a heartbeat that cannot begin does not undo the backup, nor keep another from what follows."""
    async with a_journal(tmp_path) as journal:
        artefacts, heard = folder(tmp_path), []
        artefacts.away = False
        backups = of(journal, artefacts, monkeypatch)

        async def broken(_: Backup) -> None:
            raise Problem("journal-failed", "the disk is full")

        async def hear(backup: Backup) -> None:
            heard.append(backup.state)

        backups.then(broken)
        backups.then(hear)
        ended = await backups.ended(await backups.begin(*KEY, "manual"))

        assert (ended.state, heard) == (OK, [OK])
        assert [each.state for each in await journal.backups()] == [OK]


async def test_what_follows_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup is under way until all that follows it is done: who is told that it has ended can begin the next one."""
    async with a_journal(tmp_path) as journal:
        artefacts = folder(tmp_path)
        artefacts.away = False
        backups = of(journal, artefacts, monkeypatch)
        reached, go = asyncio.Event(), asyncio.Event()

        async def slow(_: Backup) -> None:
            reached.set()
            await go.wait()

        backups.then(slow)
        begun = await backups.begin(*KEY, "manual")
        await reached.wait()
        meanwhile, written = backups.under_way(begun), [each.state for each in await journal.backups()]
        with pytest.raises(Problem, match="is under way"):
            await backups.begin(*KEY, "manual")
        go.set()
        async with asyncio.timeout(30):
            while backups.under_way(begun):
                await asyncio.sleep(0.01)
        again = await backups.begin(*KEY, "manual")

        assert (meanwhile, written) == (True, [OK])
        assert (backups.under_way(begun), backups.under_way(again)) == (False, True)
        assert (await backups.ended(again)).state == OK


async def test_a_partial_one_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the other place is back a partial backup is copied there, by itself, and is a whole one."""
    async with a_journal(tmp_path) as journal:
        artefacts = folder(tmp_path)
        backups = of(journal, artefacts, monkeypatch)
        ended = await backups.ended(await backups.begin(*KEY, "manual"))
        artefacts.away = False
        await backups.complete()
        await backups._completing.settled()

        assert (ended.state, ended.missing) == (PARTIAL, BUCKET)
        assert [each.state for each in await journal.backups()] == [OK]
        assert artefacts.copied == [ended.path]


async def test_what_has_rotted_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial backup that is not any more what was written stays partial, and that it is damaged is told."""
    async with a_journal(tmp_path) as journal:
        artefacts = folder(tmp_path)
        backups = of(journal, artefacts, monkeypatch)
        ended = await backups.ended(await backups.begin(*KEY, "manual"))
        (tmp_path / "backups" / ended.path).write_bytes(b"rotten")
        artefacts.away = False
        await backups.complete()
        await backups._completing.settled()

        assert [each.state for each in await journal.backups()] == [PARTIAL]
        assert artefacts.copied == []
        assert "backup.damaged" in await kinds(journal)


async def test_others_are_completed_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose artefact is gone keeps no other from being completed, and whoever waits for a backup does not wait for that."""
    async with a_journal(tmp_path) as journal:
        artefacts = folder(tmp_path)
        backups = of(journal, artefacts, monkeypatch)
        lost = Backup("lost", *KEY, "manual", START, PARTIAL, missing=BUCKET, checksum="x")
        await journal.put_backup(lost)
        kept = await backups.ended(await backups.begin(*KEY, "manual"))
        artefacts.away = False
        await backups.complete()
        await backups._completing.settled()

        states = {each.id: each.state for each in await journal.backups()}
        assert states == {"lost": PARTIAL, kept.id: OK}
