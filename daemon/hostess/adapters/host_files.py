"""What a backup of the whole host is made of, read while everything goes on: each file is whole, and none is older than the journal."""

import shutil
import sqlite3
import tarfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from hostess.adapters.git.objects import run
from hostess.domain import host_bundle
from hostess.domain.problem import Problem

PIECE = 1024 * 1024
PINS = "refs/hostess/host/"
"""Refs that keep what is live reachable, whatever was pushed over it."""
LONGEST = 3600.0
TRIES = 3
_WORK = ".host-backup"


class DataFolder:
    """Implements `ports.HostFiles` for a data folder. *settings* are the text of the settings file, and of variables ("" for none)."""

    def __init__(self, folder: Path, settings: str = "", variables: str = "") -> None:
        self._folder = folder
        self._texts = {host_bundle.SETTINGS: settings, host_bundle.VARIABLES: variables}
        self._work = folder / _WORK

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold a copy of the journal as it is now (SQLite's online backup), and room beside it; both are gone afterwards."""
        shutil.rmtree(self._work, ignore_errors=True)
        try:
            self._work.mkdir(mode=0o700)
            path = quote(str((self._folder / host_bundle.JOURNAL).absolute()))
            with (
                closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as live,
                closing(sqlite3.connect(self._work / host_bundle.JOURNAL)) as copy,
            ):
                live.backup(copy)
            yield
        except (OSError, sqlite3.Error) as error:
            raise _unreadable(f"the journal cannot be copied: {error}") from error
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def parts(
        self, commits: Mapping[str, Collection[str]], sites: Collection[str]
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield name and content of everything but artefacts, the frozen journal first."""
        yield host_bundle.JOURNAL, _pieces(self._work / host_bundle.JOURNAL)
        yield host_bundle.KEY, _pieces(self._folder / host_bundle.KEY)
        if (self._folder / host_bundle.OWNER).exists():
            yield host_bundle.OWNER, _pieces(self._folder / host_bundle.OWNER)
        for name, text in self._texts.items():
            if text:
                yield name, iter([text.encode()])
        yield host_bundle.CERTIFICATES, self._packed(self._folder / "certs")
        for key in sorted(sites):
            if (self._folder / "static" / key).is_dir():
                yield f"{host_bundle.SITES}{key}.tar", self._packed(self._folder / "static" / key)
        for project in sorted(commits):
            if self._bundled(project, commits[project]):
                yield f"{host_bundle.REPOSITORIES}{project}.bundle", _pieces(self._work / "bundle")

    def _packed(self, folder: Path) -> Iterator[bytes]:
        """Return a folder as a tar; where it changes meanwhile, it is looked at again."""
        path = self._work / "folder.tar"
        for left in reversed(range(TRIES)):
            try:
                with tarfile.open(path, "w") as tar:
                    tar.add(folder, ".")
                break
            except OSError as error:
                if not left:
                    raise _unreadable(f"{folder} cannot be read: {error}") from error
        return _pieces(path)

    def _bundled(self, project: str, commits: Collection[str]) -> bool:
        """Write all refs of a repository and what they lead to into one file, which git reads; whether there is anything."""
        repository = self._folder / "repos" / f"{project}.git"
        if not repository.is_dir():
            return False
        for old in run(repository, "for-each-ref", "--format=%(refname)", PINS).stdout.split():
            run(repository, "update-ref", "-d", old)
        for commit in commits:
            run(repository, "update-ref", f"{PINS}{commit}", commit)
        try:
            if not run(repository, "for-each-ref", "--count=1").stdout:
                return False
            done = run(repository, "bundle", "create", "--quiet", str(self._work / "bundle"), "--all", within=LONGEST)
        finally:
            for commit in commits:
                run(repository, "update-ref", "-d", f"{PINS}{commit}")
        if done.returncode:
            raise _unreadable(f"the repository of {project} cannot be bundled: {done.stderr.strip()[-300:]}")
        return True


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise _unreadable(f"{path} cannot be read: {error.strerror}") from error


def _unreadable(what: str) -> Problem:
    return Problem(
        "host-backup-failed",
        what,
        serving="everything, and the backups of the host that are there",
        remedy="look at the disk, then `hostess host backup` again",
    )
