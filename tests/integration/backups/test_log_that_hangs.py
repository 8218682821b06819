"""The log of a database whose shipping hangs: that ends, is told, and why is said to whoever wants a moment back."""

from pathlib import Path
from typing import Any, cast

import pytest

from hostess.domain.backups.wal import LATE, Archive
from hostess.domain.problem import Problem
from hostess.services.backups import wal_archive
from hostess.services.backups.recoveries import Recoveries
from hostess.services.backups.wal_archive import WalArchive
from tests.fakes.clock import START, FakeClock
from tests.integration.backups.stage import KEY, TARGET, StandInBackups, StandInEngine, a_journal, kinds

NOBODY = cast("Any", None)


async def test_what_hangs_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server or a bucket that does not answer ends a step of the shipping, and the log is told to be late."""
    monkeypatch.setattr(wal_archive, "WITHIN", 0.01)
    async with a_journal(tmp_path) as journal:
        await journal.put_archive(Archive(*KEY, "1", "1", 1, 16, 3, START - 2 * LATE))
        engine = cast("Any", StandInEngine(hangs=True))
        shipping = WalArchive(journal, engine, cast("Any", StandInBackups()), NOBODY, NOBODY, FakeClock())
        await shipping._looked(KEY)

        [archive] = await journal.archives()
        assert "took longer than" in archive.problem
        assert await kinds(journal) == ["backup.wal-late"]


async def test_why_a_moment_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants a moment that is not kept yet hears why the end of the log could not be read."""
    monkeypatch.setattr("hostess.services.backups.recoveries.wanted", lambda _: True)
    async with a_journal(tmp_path) as journal:

        class Broken:
            async def ship(self, target: object) -> None:
                assert target is TARGET
                raise Problem("command-failed", "psql ended with exit code 2")

        recoveries = Recoveries(
            journal, NOBODY, NOBODY, NOBODY, cast("Any", StandInBackups()), cast("Any", Broken()), NOBODY, FakeClock()
        )
        with pytest.raises(
            Problem, match=r"what was written last could not be read: psql ended with exit code 2"
        ) as raised:
            await recoveries.begin(*KEY, START)

        assert raised.value.code == "moment-not-kept"
