"""Artefacts in a folder: parts of any size, and whatever may have happened to the file since."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostess.adapters.backups.artefacts_folder import PIECE, FolderArtefacts
from hostess.domain.backups.backup import Part
from hostess.domain.problem import Problem

PATH = "shop/production/database/database-1.tar.zst"
LARGE = os.urandom(2 * PIECE + 3)


def written(folder: Path) -> FolderArtefacts:
    """Write an artefact of parts of several sizes."""
    artefacts = FolderArtefacts(folder)
    parts = [("large.dump", iter([LARGE[:5], LARGE[5:]])), ("empty", iter([])), ("o%20dd.dump", iter([b"x", b"y"]))]
    told = artefacts.write(PATH, parts)
    assert told.parts == (Part("large.dump", len(LARGE)), Part("empty", 0), Part("o%20dd.dump", 2))
    assert (told.size, told.checksum) == ((folder / PATH).stat().st_size, artefacts.checksum(PATH))
    return artefacts


def test_parts_come_back_as_they_were(tmp_path: Path) -> None:
    """Parts larger than a piece, empty ones and small ones are read as they were written, by tar and zstd, too."""
    artefacts = written(tmp_path)

    assert {name: b"".join(pieces) for name, pieces in artefacts.parts(PATH)} == {
        "large.dump": LARGE,
        "empty": b"",
        "o%20dd.dump": b"xy",
    }
    assert [name for name, _ in artefacts.parts(PATH)] == ["large.dump", "empty", "o%20dd.dump"]
    joined = f"zstd -dc {tmp_path / PATH} | tar -xO --wildcards 'large.dump.*'"
    assert subprocess.run(joined, shell=True, capture_output=True, check=True).stdout == LARGE


@pytest.mark.parametrize("left", [5, 1000, PIECE, 2 * PIECE + 1000])
def test_an_artefact_that_was_cut(tmp_path: Path, left: int) -> None:
    """Wherever an artefact was cut, reading its parts says that it is damaged."""
    artefacts = written(tmp_path)
    os.truncate(tmp_path / PATH, left)

    with pytest.raises(Problem, match="is damaged") as caught:
        [list(pieces) for _, pieces in artefacts.parts(PATH)]
    assert caught.value.code == "backup-damaged"


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """When a part ends in an error nothing is kept, and the error is the caller's."""

    def broken() -> Iterator[bytes]:
        yield LARGE
        raise Problem("command-failed", "pg_dump ended with exit code 1")

    artefacts = FolderArtefacts(tmp_path)
    with pytest.raises(Problem, match="pg_dump ended"):
        artefacts.write(PATH, [("a", iter([b"a"])), ("b", broken())])

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(Problem) as caught:
        artefacts.checksum(PATH)
    assert caught.value.code == "backup-gone"
    artefacts.remove(PATH)


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/etc/a", "a//b"])
def test_nothing_is_written_elsewhere(tmp_path: Path, path: str) -> None:
    """A path that leads out of the folder is none, whoever made it up."""
    folder = tmp_path / "backups"
    folder.mkdir()
    artefacts = FolderArtefacts(folder)

    for use in (
        lambda: artefacts.put_manifest(path, "{}"),
        lambda: artefacts.manifest(path),
        lambda: artefacts.remove(path),
    ):
        with pytest.raises(ValueError, match="no path of an artefact"):
            use()
    assert list(tmp_path.rglob("*")) == [folder]
