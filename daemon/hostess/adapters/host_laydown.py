"""Laying down a bundle on an empty host: unpacked beside, checked whole, then put in place, the journal last.

Until the journal is there, whatever was killed when is begun anew; once it is there, everything is.
"""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from hostess.adapters.backups.artefacts_folder import unpacked
from hostess.adapters.backups.encryption_age import Seal
from hostess.adapters.folder_sync import sync_folder
from hostess.adapters.git.objects import run
from hostess.adapters.journal.database import JournalFile
from hostess.adapters.recovery_file import RecoveryFile
from hostess.adapters.tar_folder import unpack_folder
from hostess.domain import host_bundle
from hostess.domain.codec import CodecError, from_json
from hostess.domain.host_bundle import BundleManifest, Content, Recovery
from hostess.domain.problem import Problem

PIECE = 1024 * 1024
LONGEST = 3600.0
ASIDE = "before-recovery"
_BESIDE = ".recovering"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_LIVE = (host_bundle.JOURNAL, host_bundle.KEY, host_bundle.OWNER)
_MODES = {"repos": 0o700, "certs": 0o700, "static": 0o711}


@dataclass(frozen=True, slots=True)
class Staged:
    """A bundle that lies unpacked beside, whole and checked."""

    folder: Path
    manifest: BundleManifest
    checksum: str


def is_broken_off(folder: Path) -> bool:
    """Whether a recovery ended while it moved things to their places: what is there is no state, and may be part of the bundle's."""
    return (folder / _BESIDE).is_dir() and not (folder / host_bundle.JOURNAL).exists()


def check_laid_down(folder: Path) -> None:
    """Problem "recovery-broken-off" where a recovery ended half-way: a new state must not be mixed with what is there of the bundle's."""
    if is_broken_off(folder):
        raise Problem(
            "recovery-broken-off",
            f"a recovery into {folder} ended before everything had its place there",
            serving="nothing yet; nothing was changed",
            remedy="give the same `hostess host recover` again; or move that folder away, to begin with an empty one",
        )


def is_unused(folder: Path) -> bool:
    """Whether there is a state in the data folder, and nobody has ever made a project in it: a host that was only just set up."""
    journal = folder / host_bundle.JOURNAL
    if not journal.is_file() or RecoveryFile(folder).read() is not None:
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(journal.absolute()))}?mode=ro", uri=True)) as database:
            [[projects]] = database.execute("SELECT count(*) FROM projects").fetchall()
    except sqlite3.Error:
        return False
    return projects == 0 and not _holds(folder / "repos")


def check_empty(folder: Path) -> None:
    """Problem "host-not-empty" when there is an installation in the data folder that was used.

    One that nobody used is none, and what a killed recovery left is not either.
    """
    if not folder.is_dir() or is_unused(folder) or is_broken_off(folder):
        return
    there = [name for name in _LIVE if (folder / name).exists()]
    there += [f"{name}/" for name in ("repos", "certs") if _holds(folder / name)]
    if there:
        raise Problem(
            "host-not-empty",
            f"{folder} is not empty: there is {', '.join(there)} of an installation",
            serving="that installation; nothing was changed",
            remedy="recover on an empty host, or move that folder away first; nothing is ever overwritten",
        )


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def checksum_of(pieces: Iterable[bytes]) -> str:
    """Return the SHA-256 (hex) of a bundle."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def stage(name: str, pieces: Iterable[bytes], identity: Path | None, folder: Path) -> Staged:
    """Unpack a bundle beside its place in the data folder and check all of it.

    Problem "backup-sealed" without a fitting identity, "bundle-damaged", "bundle-newer", "state-newer".
    """
    beside = folder / _BESIDE
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    try:
        return _staged(name, pieces, identity, beside)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # it may have the key
        raise


def put_in_place(staged: Staged, folder: Path, backups: Path, now: datetime) -> None:
    """Give everything its place, the journal last; then the host is this one."""
    beside = staged.folder
    _set_aside(folder)
    for name, mode in _MODES.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(mode)  # whatever the umask is
        for each in sorted((beside / name).iterdir()) if (beside / name).is_dir() else ():
            _moved(each, folder / name / each.name)
    for each in sorted((beside / "backups").rglob("*")):
        if each.is_file():
            _moved(each, backups / each.relative_to(beside / "backups"))
    for name in (host_bundle.SETTINGS, host_bundle.VARIABLES):
        if (beside / name).exists():
            _moved(beside / name, folder / f"recovered-{name}")
    for name in (host_bundle.KEY, host_bundle.OWNER):
        if (beside / name).exists():
            _moved(beside / name, folder / name)
    begun = Recovery(staged.manifest.bundle, staged.checksum, staged.manifest.taken_at, now)
    RecoveryFile(folder).write(begun)
    _moved(beside / host_bundle.JOURNAL, folder / host_bundle.JOURNAL)
    shutil.rmtree(beside, ignore_errors=True)


def _set_aside(folder: Path) -> None:
    """Move the state of an installation that nobody used out of the way, its journal first: from then on the folder is empty."""
    aside = folder / ASIDE
    journal = host_bundle.JOURNAL
    for name in (journal, f"{journal}-wal", f"{journal}-shm", host_bundle.KEY, host_bundle.OWNER, "certs"):
        if (folder / name).exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            _moved(folder / name, aside / name)


def _staged(name: str, pieces: Iterable[bytes], identity: Path | None, beside: Path) -> Staged:
    digest = hashlib.sha256()
    found: list[Content] = []
    try:
        for part, content in unpacked(name, Seal((), identity).opened(name, _summed(pieces, digest))):
            host_bundle.check_name(part)
            found.append(_written(beside / part, part, content))
    except Problem as problem:
        if problem.code == "backup-damaged":
            raise host_bundle.damaged(problem.what) from problem
        raise
    manifest = _manifest(beside)
    host_bundle.check_contents(manifest, [each for each in found if each.name != host_bundle.MANIFEST])
    JournalFile(beside / host_bundle.JOURNAL).close()  # one of a newer version is refused before anything is laid down
    _unfold(beside)
    return Staged(beside, manifest, digest.hexdigest())


def _written(path: Path, name: str, pieces: Iterable[bytes]) -> Content:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return Content(name, size, digest.hexdigest())


def _summed(pieces: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _manifest(beside: Path) -> BundleManifest:
    try:
        return from_json(BundleManifest, json.loads((beside / host_bundle.MANIFEST).read_text()))
    except FileNotFoundError:
        raise host_bundle.damaged("it has no manifest, so it was cut off, or is no backup of a host") from None
    except (ValueError, CodecError) as error:
        raise host_bundle.damaged(f"its manifest cannot be read: {error}") from error


def _unfold(beside: Path) -> None:
    """Make folders and repositories of what is packed."""
    _untar(beside / host_bundle.CERTIFICATES, beside / "certs")
    for packed in sorted((beside / "sites").glob("*.tar")):
        (beside / "static").mkdir(exist_ok=True)
        _untar(packed, beside / "static" / packed.stem)
    for bundle in sorted((beside / "repos").glob("*.bundle")):
        _cloned(bundle, bundle.with_suffix(".git"))
        bundle.unlink()


def _untar(packed: Path, target: Path) -> None:
    if not packed.exists():
        return
    target.mkdir(mode=0o755)
    try:
        unpack_folder(packed, target)
    except (tarfile.TarError, OSError) as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise  # nothing is wrong with the bundle
        raise host_bundle.damaged(f"{packed.name} cannot be unpacked: {error}") from error
    packed.unlink()


def _cloned(bundle: Path, repository: Path) -> None:
    repository.mkdir()
    (repository / "hooks").mkdir()
    for words in (
        ("init", "--quiet", "--bare", "--template=", "--initial-branch=main"),
        ("fetch", "--quiet", "--no-write-fetch-head", str(bundle), "+refs/*:refs/*"),
    ):
        done = run(repository, *words, within=LONGEST)
        if done.returncode and os.strerror(errno.ENOSPC) in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(repository))
        if done.returncode:
            raise host_bundle.damaged(f"{bundle.name} cannot be read by git: {done.stderr.strip()[-300:]}")


def _moved(source: Path, target: Path) -> None:
    """Move a file or folder in place of what a killed recovery left there, and see to it that it lasts."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    try:
        source.replace(target)
    except OSError:  # another file system: beside it first
        fresh = target.with_name(f"{target.name}.part")
        shutil.copyfile(source, fresh)
        fresh.chmod(0o600)
        fresh.replace(target)
    sync_folder(target.parent)
