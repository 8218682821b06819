"""Backups of the whole host by the clock and by hand: kept by count, told when they fail, and never half there."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pyrage
import pytest
from moto.server import ThreadedMotoServer

from hostess.adapters import host_laydown
from hostess.adapters.backups.artefacts_both import artefacts_of
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.host_files import DataFolder
from hostess.domain.backups.backup import HOST, SCHEDULED, Backup
from hostess.domain.codec import to_json
from hostess.domain.ports import Artefacts
from hostess.domain.problem import Problem
from hostess.domain.settings import BackupsSettings, HostBackupSettings, S3Settings, Settings
from hostess.recover import pieces_of
from hostess.services.backups.host_backups import NOTE, HostBackups
from hostess.services.backups.host_times import HostBackupTimes
from tests.world import Bench, a_bench, web

IDENTITY = pyrage.x25519.Identity.generate()
KEY = str(IDENTITY.to_public())
KEEPER = "  keeper: {type: custom, image: 'plain:1', ports: [8000], persistence: {mount: /data}}\n"


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Settings]:
    """Give a store with a bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urlopen(Request(f"http://{host}:{port}/safe", method="PUT")).close()
    yield S3Settings(endpoint=f"http://{host}:{port}", bucket="safe", access_key_id="a", secret_access_key="b")
    server.stop()


def backups_of(
    bench: Bench, *, keep: int = 7, recipients: Sequence[str] = (KEY,), s3: S3Settings | None = None
) -> HostBackups:
    """Return the backups of that host with such settings."""
    data = bench.folder / "data"

    def sealed(readers: Sequence[str]) -> Artefacts:
        kept = BackupsSettings(dir=data / "backups", encrypt_to=tuple(readers), s3=s3 or S3Settings())
        return artefacts_of(kept)

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


async def test_the_next_can_begin_once_one_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is under way until it has been told; another is refused until then, and taken from then on, never forgotten."""
    async with a_bench(tmp_path) as bench:
        backups, tell = backups_of(bench), bench.journal.tell
        reached, go = asyncio.Event(), asyncio.Event()

        async def slow(*arguments: Any, **more: Any) -> None:
            reached.set()
            await go.wait()
            await tell(*arguments, **more)

        monkeypatch.setattr(bench.journal, "tell", slow)
        begun = await backups.begin("manual")
        async with asyncio.timeout(30):
            await reached.wait()
            [known] = await backups.known()
            with pytest.raises(Problem, match="is under way"):
                await backups.begin("manual")
            assert (known.state, backups.under_way(known)) == ("ok", True)
            go.set()
            while backups.under_way(begun):
                await asyncio.sleep(0)
            again = await backups.ended(await backups.begin("manual"))

        assert (again.state, again.id == begun.id) == ("ok", False)


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
        async with asyncio.timeout(25):
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


@pytest.mark.parametrize("twofold", [False, True], ids=["folder alone", "bucket"])
async def test_artefacts_are_in_it_unless_a_bucket_has_them(
    tmp_path: Path, bucket: S3Settings, *, twofold: bool
) -> None:
    """What a lost host takes along is in the bundle; with a bucket that has it, the bundle there leads to it, and is found by name."""
    s3 = bucket if twofold else S3Settings()
    async with a_bench(tmp_path / "old") as bench:
        assert (await bench.push("shop", web(more=KEEPER))).accepted, bench.text()
        backups = backups_of(bench, s3=s3)
        kept = Backup(
            "20260101-000000-abcdef", "shop", "production", "keeper", "manual", SystemClock().now(), state="ok"
        )
        written = backups.artefacts.write(kept.path, [("data.tar", iter([b"what was kept"]))])
        backups.artefacts.put_manifest(kept.path, "{}")
        await bench.journal.put_backup(replace(kept, size=written.size, checksum=written.checksum))
        done = await backups.ended(await backups.begin("manual"))

    # The fake engine runs no commands: the backup that there is counts, which is told.
    assert (done.state, done.artefacts) == ("partial", (kept.id,)), done.problem
    assert "shop/production/keeper is as of" in done.problem
    identity, data = tmp_path / "key", tmp_path / "new"
    identity.write_text(f"{IDENTITY}\n")
    identity.chmod(0o600)
    settings = Settings(data_dir=data, backups=BackupsSettings(dir=data / "backups", s3=s3))
    bundle = done.file if twofold else str(bench.folder / "data" / "backups" / done.path)
    if twofold:
        shutil.rmtree(bench.folder / "data")
    staged = host_laydown.stage(bundle, pieces_of(settings, bundle), identity, data)
    host_laydown.put_in_place(staged, data, data / "backups", SystemClock().now())

    [pointer] = staged.manifest.pointers
    assert (pointer.path, pointer.included) == (kept.path, not twofold)
    assert (data / "backups" / kept.path).exists() is not twofold
    [(name, pieces)] = [(name, b"".join(each)) for name, each in artefacts_of(settings.backups).parts(kept.path)]
    assert (name, pieces) == ("data.tar", b"what was kept")
