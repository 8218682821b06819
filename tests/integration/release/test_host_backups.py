"""Backups of the whole host by the clock and by hand: kept by count, told when they fail, and never half there."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest

from hostess.adapters.backups.artefacts_both import artefacts_of
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.host_files import DataFolder
from hostess.domain.backups.backup import HOST, SCHEDULED, Backup
from hostess.domain.codec import to_json
from hostess.domain.ports import Artefacts
from hostess.domain.problem import Problem
from hostess.domain.settings import BackupsSettings, HostBackupSettings
from hostess.services.backups.host_backups import NOTE, HostBackups
from hostess.services.backups.host_times import HostBackupTimes
from tests.world import Bench, a_bench, web

KEY = str(pyrage.x25519.Identity.generate().to_public())


def backups_of(bench: Bench, *, keep: int = 7, recipients: Sequence[str] = (KEY,)) -> HostBackups:
    """Return the backups of that host with such settings."""
    data = bench.folder / "data"

    def sealed(readers: Sequence[str]) -> Artefacts:
        return artefacts_of(BackupsSettings(dir=data / "backups", encrypt_to=tuple(readers)))

    return HostBackups(
        bench.journal,
        bench.world.backups.backups,
        DataFolder(data),
        sealed,
        SystemClock(),
        settings=HostBackupSettings(keep=keep),
        recipients=recipients,
    )


def files(bench: Bench) -> list[str]:
    """Return what lies where bundles are."""
    folder = bench.folder / "data" / "backups" / "host"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


async def told(bench: Bench) -> list[str]:
    """Return the events about it."""
    return [event.kind for event in await bench.journal.events(kind="host-backup")]


async def test_so_many_bundles_are_kept_and_what_only_they_led_to_goes(tmp_path: Path) -> None:
    """The newest two stay; a backup of a service that was made for an older one goes with it, others stay."""
    async with a_bench(tmp_path) as bench:
        assert (await bench.push("shop", web())).accepted
        backups, at = backups_of(bench, keep=2), SystemClock().now() - timedelta(days=1)
        for trigger in (HOST, "manual"):
            old = Backup(f"20260101-000000-{trigger}", "shop", "production", "web", trigger, at, state="ok")
            await bench.journal.put_backup(old)

        done = [await backups.ended(await backups.begin("manual")) for _ in range(3)]

        assert [each.state for each in done] == ["ok"] * 3
        assert {each.id for each in await backups.known()} == {each.id for each in done[1:]}
        assert files(bench) == sorted(name for each in done[1:] for name in (each.file, f"{each.file}.json"))
        assert [each.trigger for each in await bench.journal.backups()] == ["manual"]
        assert await told(bench) == ["host-backup.completed"] * 3
        assert not (bench.folder / "data" / ".host-backup").exists()


async def test_one_that_fails_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A folder that is gone is an event with the reason, a notice, and no file; the next one that works is its end."""
    async with a_bench(tmp_path) as bench:
        backups, folder = backups_of(bench), bench.folder / "data" / "backups"
        folder.rename(folder.with_name("elsewhere"))
        failed = await backups.ended(await backups.begin("manual"))
        folder.with_name("elsewhere").rename(folder)
        [event] = await bench.journal.events(kind="host-backup")
        done = await backups.ended(await backups.begin("manual"))

        assert (failed.state, event.kind) == ("failed", "host-backup.failed")
        assert "the folder of backups is not there" in event.message
        assert (done.state, await told(bench)) == ("ok", ["host-backup.failed", "host-backup.completed"])
        assert files(bench) == [done.file, f"{done.file}.json"]


async def test_one_at_a_time_and_never_for_nobody(tmp_path: Path) -> None:
    """A second one is refused while one runs; without a key none is begun, and the schedule is not followed."""
    async with a_bench(tmp_path) as bench:
        backups, nobody = backups_of(bench), backups_of(bench, recipients=())
        begun = await backups.begin("manual")
        with pytest.raises(Problem, match="is under way since"):
            await backups.begin("manual")
        await backups.ended(begun)
        with pytest.raises(Problem, match="nobody is named") as caught:
            await nobody.begin("manual")

        assert "hostess host key" in caught.value.remedy
        assert await HostBackupTimes(nobody, "30 3 * * *", SystemClock()).due() == []
        assert await HostBackupTimes(backups, "off", SystemClock()).due() == []


async def test_the_schedule_takes_one(tmp_path: Path) -> None:
    """What is due has the schedule, counts from the last good one, and takes one when it fires."""
    async with a_bench(tmp_path) as bench:
        backups = backups_of(bench)
        times = HostBackupTimes(backups, "30 3 * * *", SystemClock())
        [due] = await times.due()
        await due.fire()
        async with asyncio.timeout(20):
            while not (known := await backups.known()) or known[0].state == "running":
                await asyncio.sleep(0.01)

        assert (due.schedule, known[0].trigger, known[0].state) == ("30 3 * * *", SCHEDULED, "ok")
        assert await due.since() == known[0].started_at
        await times.stop()


async def test_what_a_killed_daemon_began_is_removed_and_said(tmp_path: Path) -> None:
    """After a restart one that was under way has failed, and nothing of it is left; one that ended is not touched."""
    async with a_bench(tmp_path) as bench:
        backups = backups_of(bench)
        done = await backups.ended(await backups.begin("manual"))
        killed = replace(done, id="20260101-000000-abcdef", state="running")
        await bench.journal.set_note(NOTE, json.dumps(to_json([killed, done])))
        (bench.folder / "data" / "backups" / f"{killed.path}.part").write_text("half")
        await backups_of(bench).recover()

        assert [(each.id, each.state) for each in await backups.known()] == [(done.id, "ok"), (killed.id, "failed")]
        assert files(bench) == [done.file, f"{done.file}.json"]
        assert (await told(bench))[-1] == "host-backup.failed"


async def test_one_that_is_broken_off_has_failed(tmp_path: Path) -> None:
    """A daemon that stops in the middle says so, and leaves nothing of it."""
    async with a_bench(tmp_path) as bench:
        backups = backups_of(bench)
        await backups.begin("manual")
        await asyncio.sleep(0)  # its first step
        await backups.stop()

        [known] = await backups.known()
        assert (known.state, known.problem) == ("failed", "the daemon was stopped in the middle of it")
        assert files(bench) == []
