"""Backups of the whole host, and bringing it back: real git, SQLite, age and files; the engine is a fake one, and empty afterwards."""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from hostess.adapters import host_laydown
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.host_laydown import Staged
from hostess.adapters.recovery_file import RecoveryFile
from hostess.domain.host_bundle import HostBackup
from hostess.domain.problem import Problem
from hostess.recover import unit_environment
from hostess.services.keeping.host_recovery import HostRecovery
from tests.fakes.building import Recipe
from tests.fakes.programs import echo
from tests.world import Bench, a_bench, web

STACK = """version: "1.0"
services:
  web:
    type: custom
    build: {source: ., secrets: [MARK]}
    ports: [8000]
    visibility: public
    health: {http: /health, interval: 1s, retries: 3}
    env: {MARK: "${secret:MARK}"}
  site: {type: static, source: public}
jobs:
  seed: {build: {source: ., secrets: [MARK]}, command: [/echo, exit, "0"], run: once}
"""
FILES = {
    "hostess.yml": STACK,
    "Dockerfile": "FROM plain:1\nRUN --mount=type=secret,id=MARK,required=true make\nENV VERSION=7\n",
    ".dockerignore": "public\n*.txt\n",
    "public/index.html": "the site",
}
WEB, SITE = "shop-web.localhost", "shop-site.localhost"


@dataclass
class Key:
    """A key of age: its public half, and the file that has both."""

    public: str
    file: Path


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """Make one."""
    made = pyrage.x25519.Identity.generate()
    file = tmp_path / "key.txt"
    file.write_text(f"{made}\n")
    file.chmod(0o600)
    return Key(str(made.to_public()), file)


async def backed_up(bench: Bench, key: Key) -> HostBackup:
    """Take a backup of the host, which must work."""
    backups = bench.world.host.backups
    done = await backups.ended(await backups.begin("manual", [key.public]))
    assert done.state == "ok", done.problem
    return done


async def pushed(bench: Bench, more: Mapping[str, str] | None = None) -> None:
    """Push everything, and *more* files."""
    await bench.journal.create_project("shop", SystemClock().now())
    await bench.world.secrets.add("shop", "production", "MARK", "the-secret-mark")
    verdict = await bench.push("shop", {**FILES, **(more or {})})
    assert verdict.accepted, bench.text()


def pieces(path: Path) -> Iterator[bytes]:
    """Yield a file in one piece."""
    yield path.read_bytes()


def done_by_root(*words: str) -> None:
    """Run a command of the system."""
    subprocess.run(words, check=True)


def staged(bundle: Path, key: Key, folder: Path) -> Staged:
    """Unpack a bundle beside its place."""
    return host_laydown.stage(bundle.name, pieces(bundle), key.file, folder)


def laid_down(bundle: Path, key: Key, folder: Path) -> None:
    """Lay a bundle down."""
    host_laydown.check_empty(folder)
    host_laydown.put_in_place(staged(bundle, key, folder), folder, folder / "backups", SystemClock().now())


async def test_an_empty_host_serves_what_the_lost_one_did(tmp_path: Path, key: Key) -> None:
    """Images are built again, sites, secrets, tokens and the number of the release are as they were, and a push carries over."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old)
        before, instance = await old.live("shop"), await old.journal.instance()
        assert before is not None
        _, token = await old.world.tokens.create("ann", "owner")
        done = await backed_up(old, key)
        bundle = Path(shutil.copy(old.folder / "data" / "backups" / done.path, tmp_path / done.file))
    said: list[str] = []

    laid_down(bundle, key, tmp_path / "new" / "data")
    async with a_bench(tmp_path / "new") as new:
        found = await new.world.host.recovery.run(said.append)

        assert found is not None
        assert (found.done, found.failed) == (("shop/production",), {}), said
        assert await new.get(WEB) == "200 7"
        assert [dict(each.secrets.values) for each in new.engine.orders if each.secrets] == [
            {"MARK": "the-secret-mark"}
        ]
        live = await new.live("shop")
        assert live is not None
        assert (live.number, live.commit, await new.journal.instance()) == (before.number, before.commit, instance)
        [route] = [route for route in new.router.tables[-1] if route.host == SITE]
        assert route.static is not None
        assert (new.folder / "data" / "static" / route.static.key / "index.html").read_text() == "the site"
        assert await new.world.tokens.authenticate(token) is not None
        assert (await new.world.replicas.env(live, live.workloads["web"]))["MARK"] == "the-secret-mark"
        assert not (new.folder / "data" / "recovering.json").exists()
        shutil.copytree(old.folder / "work", new.folder / "work")
        again = await new.push("shop", {"other.txt": "no part of any image"})
        assert again.accepted, new.text()
        assert "job seed" not in new.text()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path, key: Key) -> None:
    """Where a bundle has no room the command says so in words; nothing of it stays, and with room it is laid down."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old)
        done = await backed_up(old, key)
        bundle = Path(shutil.copy(old.folder / "data" / "backups" / done.path, tmp_path / done.file))
    disk = tmp_path / "disk"
    disk.mkdir()
    done_by_root("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk))
    try:
        command = ["host", "recover", str(bundle), "--identity", str(key.file), "--data-dir", str(disk / "data")]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hostess", *command, stderr=asyncio.subprocess.PIPE
        )
        said = (await process.communicate())[1].decode()

        assert process.returncode == 1, said
        assert "No space left on device" in said
        assert "Traceback" not in said
        assert not (disk / "data" / "key").exists()
        assert not (disk / "data" / ".recovering").exists()
        done_by_root("mount", "-o", "remount,size=64m", str(disk))
        laid_down(bundle, key, disk / "data")
        assert (disk / "data" / "hostess.db").exists()
    finally:
        done_by_root("umount", "--lazy", str(disk))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_a_whole_bundle_is_never_called_damaged(tmp_path: Path, key: Key) -> None:
    """However little too small the disk is, it is the disk that is named: who reads "damaged" may throw away the only bundle."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old, {"public/large.txt": secrets.token_hex(500_000)})
        done = await backed_up(old, key)
        bundle = Path(shutil.copy(old.folder / "data" / "backups" / done.path, tmp_path / done.file))
    disk = tmp_path / "disk"
    disk.mkdir()
    done_by_root("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk))
    refused, room = [], 128
    try:
        while True:
            done_by_root("mount", "-o", f"remount,size={room}k", str(disk))
            try:
                staged(bundle, key, disk / "data")
                break
            except OSError as error:
                refused.append(str(error))
            except Problem as problem:
                refused.append(f"{problem} {problem.remedy}")
            room += 96
    finally:
        done_by_root("umount", "--lazy", str(disk))

    assert len(refused) > 5
    named = ("No space left", "has the disk room")
    assert [each for each in refused if "bundle" in each or not any(word in each for word in named)] == []


async def test_what_a_killed_recovery_left_is_gone_on_with(tmp_path: Path, key: Key) -> None:
    """Killed while it lays down, the next one begins anew; killed later, what is done is not done again; another bundle is refused."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old)
        done = await backed_up(old, key)
        bundle = Path(shutil.copy(old.folder / "data" / "backups" / done.path, tmp_path / done.file))
    data = tmp_path / "new" / "data"

    half = staged(bundle, key, data)
    shutil.move(half.folder / "key", data / "key")
    shutil.move(half.folder / "repos", data / "repos")
    laid_down(bundle, key, data)

    begun = RecoveryFile(data).read()
    assert begun is not None
    assert begun.checksum == host_laydown.checksum_of(pieces(bundle))
    assert not half.folder.exists()
    with pytest.raises(Problem, match="is not empty"):
        host_laydown.check_empty(data)
    async with a_bench(tmp_path / "new") as new:
        assert (await new.world.host.recovery.run(lambda _: None)) is not None
        assert (await new.world.host.recovery.run(lambda _: None)) is None
        assert await new.get(WEB) == "200 7"


async def test_a_recovery_killed_on_a_host_that_was_set_up_begins_anew(tmp_path: Path, key: Key) -> None:
    """Killed before anything was moved, the old state is as it was; killed between moves, no daemon starts until it is given again."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old)
        done = await backed_up(old, key)
        bundle = Path(shutil.copy(old.folder / "data" / "backups" / done.path, tmp_path / done.file))
    async with a_bench(tmp_path / "new") as unused:
        data = unused.folder / "data"

    half = staged(bundle, key, data)
    assert host_laydown.is_unused(data)
    host_laydown.check_laid_down(data)
    for name in ("hostess.db", "key"):
        shutil.move(data / name, tmp_path / name)
    shutil.move(half.folder / "key", data / "key")
    with pytest.raises(Problem, match="ended before everything had its place"):
        host_laydown.check_laid_down(data)
    laid_down(bundle, key, data)

    host_laydown.check_laid_down(data)
    async with a_bench(tmp_path / "new") as new:
        assert (await new.world.host.recovery.run(lambda _: None)) is not None
        assert await new.get(WEB) == "200 7"


async def test_a_live_host_is_not_overwritten(tmp_path: Path) -> None:
    """A folder that has a journal, a key or a repository is refused, and is as it was."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old)
        data = old.folder / "data"
        before = sorted(path.name for path in data.iterdir())
        with pytest.raises(Problem, match=r"is not empty: there is hostess.db, key, repos/") as caught:
            host_laydown.check_empty(data)

        assert caught.value.code == "host-not-empty"
        assert sorted(path.name for path in data.iterdir()) == before


@pytest.mark.parametrize("harm", ["cut", "flipped", "other key", "no bundle"])
async def test_a_bundle_that_is_not_whole_lays_nothing_down(tmp_path: Path, key: Key, harm: str) -> None:
    """It is refused in words, and the host is still empty."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old)
        path = old.folder / "data" / "backups" / (await backed_up(old, key)).path
    whole, data = path.read_bytes(), tmp_path / "new" / "data"
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes({"cut": whole[:-200], "flipped": bytes(flipped), "no bundle": b"something else"}.get(harm, whole))
    if harm == "other key":
        key.file.write_text(f"{pyrage.x25519.Identity.generate()}\n")

    with pytest.raises(Problem) as caught:
        laid_down(path, key, data)

    assert caught.value.code == ("backup-sealed" if harm == "other key" else "bundle-damaged")
    assert not [*data.iterdir()]


@pytest.mark.parametrize("member", ["up", "absolute", "through a link", "hard link", "device"])
def test_a_folder_of_a_bundle_stays_in_its_place(tmp_path: Path, member: str) -> None:
    """What would come to lie elsewhere, or is no file, makes the bundle a damaged one; files, folders and links are unpacked."""
    packed, target = tmp_path / "site.tar", tmp_path / "site"
    with tarfile.open(packed, "w") as tar:
        tar.addfile(entry("there", tarfile.SYMTYPE, ".."))
        tar.addfile(entry("fine", mode=0o4666))
        tar.addfile(
            entry("../out" if member == "up" else "/out" if member == "absolute" else "folder", tarfile.DIRTYPE)
        )
        tar.addfile(entry("there/out" if member == "through a link" else "folder/file"))
        tar.addfile(entry("same", tarfile.LNKTYPE, "../site.tar" if member == "hard link" else "fine"))
        tar.addfile(entry("last", tarfile.CHRTYPE if member == "device" else tarfile.REGTYPE))

    with pytest.raises(Problem, match=r"leads out of the folder|neither file"):
        host_laydown._untar(packed, target)

    assert not (tmp_path / "out").exists()
    assert (target / "fine").stat().st_mode & 0o7022 == 0


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    """Return an entry of a tar."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, target, mode
    return made


async def test_what_cannot_be_built_is_left_out_and_the_rest_serves(tmp_path: Path, key: Key) -> None:
    """An environment whose image is nowhere any more is told with the reason; given up, nothing of it is live, and others are."""
    async with a_bench(tmp_path / "old") as old:
        old.engine.add_image("gone:1", Recipe({"/echo": echo}, cmd=("/echo",), env={"PORT": "8000", "VERSION": "9"}))
        await pushed(old)
        assert (await old.push("lost", web("gone:1"))).accepted, old.text()
        done = await backed_up(old, key)
        bundle = Path(shutil.copy(old.folder / "data" / "backups" / done.path, tmp_path / done.file))
    laid_down(bundle, key, tmp_path / "new" / "data")

    async with a_bench(tmp_path / "new") as new:
        recovery = HostRecovery(new.journal, RecoveryFile(new.folder / "data"), new.world.host.recovery.hands, Hasty())
        found = await recovery.run(lambda _: None)
        assert found is not None
        assert found.done == ("shop/production",)
        assert "gone:1" in found.failed["lost/production"]
        assert await new.live("lost") is not None
        await recovery.give_up()

        assert await new.live("lost") is None
        assert await new.get(WEB) == "200 7"
        assert not (new.folder / "data" / "recovering.json").exists()


class Hasty(SystemClock):
    """A clock that waits for nothing."""

    async def sleep(self, seconds: float) -> None:
        """Go on at once."""


def test_what_only_the_unit_of_the_daemon_is_given(tmp_path: Path) -> None:
    """Where systemd has the units, the command has the settings that they give: quoted or not, without comments."""
    file = tmp_path / "daemon.env"
    file.write_text("# a key\nHOSTESS_BACKUPS__S3__SECRET_ACCESS_KEY='a b=c'\n\n HOSTESS_LOG__LEVEL=debug\n#X=1\n")

    assert unit_environment(file) == {
        "HOSTESS_PROXY__MANAGED": "false",
        "HOSTESS_BACKUPS__S3__SECRET_ACCESS_KEY": "a b=c",
        "HOSTESS_LOG__LEVEL": "debug",
    }
    assert unit_environment(tmp_path / "none") == {"HOSTESS_PROXY__MANAGED": "false"}


async def test_a_host_that_was_only_just_set_up_is_an_empty_one(tmp_path: Path, key: Key) -> None:
    """A state in which nobody has made a project is put aside, whole; one with a project is refused."""
    async with a_bench(tmp_path / "old") as old:
        await pushed(old)
        done = await backed_up(old, key)
        bundle = Path(shutil.copy(old.folder / "data" / "backups" / done.path, tmp_path / done.file))
        instance = await old.journal.instance()
        assert not host_laydown.is_unused(old.folder / "data")
    async with a_bench(tmp_path / "new") as unused:
        data, fresh = unused.folder / "data", (unused.folder / "data" / "key").read_bytes()
    assert host_laydown.is_unused(data)

    laid_down(bundle, key, data)

    assert (data / "before-recovery" / "key").read_bytes() == fresh
    assert (data / "before-recovery" / "hostess.db").exists()
    assert not host_laydown.is_unused(data)
    async with a_bench(tmp_path / "new") as new:
        assert (await new.world.host.recovery.run(lambda _: None)) is not None
        assert (await new.get(WEB), await new.journal.instance()) == ("200 7", instance)
