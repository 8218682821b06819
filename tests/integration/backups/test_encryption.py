"""Artefacts that are encrypted for age, and the age program itself."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostess.adapters.backups.artefacts_folder import PIECE, FolderArtefacts
from hostess.adapters.backups.encryption_age import Seal
from hostess.domain.problem import Problem

PATH = "shop/production/database/database-1.tar.zst"
LARGE = os.urandom(2 * PIECE + 3)


def identity(folder: Path) -> tuple[Path, str]:
    """Return a new file with an identity, and its recipient."""
    file = folder / "key"
    subprocess.run(["age-keygen", "-o", str(file)], check=True, capture_output=True)
    return file, subprocess.run(
        ["age-keygen", "-y", str(file)], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path, FolderArtefacts]:
    """Give a folder with an encrypted artefact, the identity's file, and what reads it."""
    file, recipient = identity(tmp_path)
    folder = tmp_path / "backups"
    folder.mkdir()
    artefacts = FolderArtefacts(folder, Seal([recipient], file))
    written = artefacts.write(PATH, [("large.dump", iter([LARGE])), ("small", iter([b"words that nobody reads"]))])
    assert written.checksum == artefacts.checksum(PATH)
    return folder, file, artefacts


def everything(artefacts: FolderArtefacts) -> dict[str, bytes]:
    """Read an artefact."""
    return {name: b"".join(pieces) for name, pieces in artefacts.parts(PATH)}


def test_who_has_the_identity_reads_it(kept: tuple[Path, Path, FolderArtefacts]) -> None:
    """With the identity the parts come back, and so they do by age, zstd and tar alone."""
    folder, file, artefacts = kept

    assert everything(artefacts) == {"large.dump": LARGE, "small": b"words that nobody reads"}
    joined = f"age -d -i {file} {folder / PATH} | zstd -dc | tar -xO --wildcards 'large.dump.*'"
    assert subprocess.run(joined, shell=True, capture_output=True, check=True).stdout == LARGE


def test_who_has_none_does_not(kept: tuple[Path, Path, FolderArtefacts], tmp_path: Path) -> None:
    """Without an identity, with another one or one that others may read, it is said why; no key is in what is said."""
    folder, file, _ = kept
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other, _recipient = identity(elsewhere)
    wrong = tmp_path / "wrong"
    wrong.write_text(file.read_text()[:-10])
    wrong.chmod(0o600)
    for seal, why in (
        (Seal(), "has no identity"),
        (Seal([], other), "not those that it is encrypted for"),
        (Seal([], tmp_path / "absent"), "cannot be read"),
        (Seal([], wrong), "no file of age identities"),
    ):
        with pytest.raises(Problem, match=why) as caught:
            everything(FolderArtefacts(folder, seal))
        assert caught.value.code == "backup-sealed"
        assert "AGE-SECRET-KEY" not in str(caught.value)
    file.chmod(0o644)
    with pytest.raises(Problem, match="may be read by others"):
        everything(FolderArtefacts(folder, Seal([], file)))


@pytest.mark.parametrize("left", [30, 130, 300, PIECE, 2 * PIECE])  # the header ends somewhere between 137 and 301
def test_one_that_was_cut_is_damaged(kept: tuple[Path, Path, FolderArtefacts], left: int) -> None:
    """Wherever an encrypted artefact was cut, it is said to be damaged."""
    folder, _, artefacts = kept
    os.truncate(folder / PATH, left)

    with pytest.raises(Problem) as caught:
        everything(artefacts)
    assert caught.value.code == "backup-damaged"


def test_a_dump_that_breaks_off_leaves_nothing(kept: tuple[Path, Path, FolderArtefacts]) -> None:
    """What a part raises comes through the encryption as it is, and nothing is kept."""
    folder, _, artefacts = kept

    def broken() -> Iterator[bytes]:
        yield LARGE
        raise Problem("command-failed", "pg_dump ended with exit code 1")

    with pytest.raises(Problem, match="pg_dump ended"):
        artefacts.write("shop/broken.tar.zst", [("a", broken())])
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [Path(PATH).name]


def test_a_reader_that_stops(kept: tuple[Path, Path, FolderArtefacts]) -> None:
    """Who takes only the first part of an artefact is not held up by the rest."""
    _, _, artefacts = kept

    parts = artefacts.parts(PATH)
    name, pieces = next(parts)

    assert (name, LARGE.startswith(next(pieces))) == ("large.dump", True)
    del pieces, parts
    assert "age" not in {thread.name for thread in threading.enumerate()}


def test_nobody_to_encrypt_for(tmp_path: Path) -> None:
    """A recipient that is none is told before anything is written."""
    with pytest.raises(Problem, match="nobody that age can encrypt for"):
        FolderArtefacts(tmp_path, Seal(["age1nobody"])).write(PATH, [("a", iter([b"x"]))])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
