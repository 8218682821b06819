"""A tree that comes as an archive: what every Repositories makes of it."""

import gzip
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hostess.adapters.git.repositories import DulwichRepositories
from hostess.domain.ports import NewCommit, Repositories, TreeLimits
from hostess.domain.problem import Problem
from tests.archives import FOLDER, HOSTILE, LINK, archive, entry, file, tree

WORDS = NewCommit("ada", "first", datetime(2026, 1, 2, tzinfo=UTC))
LIMITS = TreeLimits()


@pytest.fixture
async def repositories(tmp_path: Path) -> Repositories:
    """Give the adapter, with a project "shop"."""
    made = DulwichRepositories(tmp_path / "repos", tmp_path / "hook")
    await made.create("shop")
    return made


async def pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """Yield the archive as a network would."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def git(tmp_path: Path, *words: str) -> str:
    """Ask git about the project."""
    return subprocess.run(
        ["git", f"--git-dir={tmp_path / 'repos' / 'shop.git'}", *words], check=True, capture_output=True, text=True
    ).stdout


async def test_an_archive_becomes_a_commit(repositories: Repositories, tmp_path: Path) -> None:
    """Files, folders, modes, symlinks and strange names come back as they were; the repository is sound."""
    made = archive(
        entry("./", kind=FOLDER),
        entry("api/", kind=FOLDER, mode=0o755),
        file('api/a "quoted"\\\n name', b"strange"),
        entry("run", size=3, mode=0o755) + b"run" + bytes(509),
        entry("api/link", kind=LINK, target="../run"),
        file("./" + "long/" * 60 + "file", b"far"),
        file("empty", b""),
    )

    commit = await repositories.import_tree("shop", WORDS, pieces(made, 7), LIMITS)

    assert git(tmp_path, "log", "-1", "--format=%an|%s|%ct|%P", commit) == "ada|first|1767312000|\n"
    assert await repositories.read_file("shop", commit, "long/" * 60 + "file", 9) == b"far"
    listed = git(tmp_path, "ls-tree", "-r", "-z", commit).split("\0")
    assert [line.split()[0] + " " + line.split("\t")[1] for line in listed if line][:2] == [
        '100644 api/a "quoted"\\\n name',
        "120000 api/link",
    ]
    assert "100755" in git(tmp_path, "ls-tree", commit, "run")
    assert git(tmp_path, "fsck", "--strict", commit) == ""
    assert await repositories.ref("shop", "refs/heads/import") is None


@pytest.mark.parametrize("zipped", [True, False])
async def test_gzip_or_not(repositories: Repositories, zipped: bool) -> None:
    """The same files give the same tree, packed or not, and by pax headers, too."""
    first = await repositories.import_tree("shop", WORDS, pieces(archive(file("a"), zipped=zipped)), LIMITS)
    second = await repositories.import_tree("shop", WORDS, pieces(tree({"a": "x"})), LIMITS)

    assert await repositories.tree_id("shop", first, ".") == await repositories.tree_id("shop", second, ".")


async def test_the_next_one_follows_the_last(repositories: Repositories) -> None:
    """A commit with a parent contains it, and holds nothing of its tree that is not in the archive."""
    first = await repositories.import_tree("shop", WORDS, pieces(tree({"a": "1", "é" * 90: "2"})), LIMITS)

    second = await repositories.import_tree("shop", replace(WORDS, parent=first), pieces(tree({"b": "1"})), LIMITS)

    assert await repositories.contains("shop", second, first)
    assert await repositories.files("shop", second, ".", 9) == {"b": 1}


async def test_the_same_once_more(repositories: Repositories) -> None:
    """Content that the repository has already makes a new commit of the same tree."""
    first = await repositories.import_tree("shop", WORDS, pieces(tree({"a": "1"})), LIMITS)

    again = await repositories.import_tree("shop", replace(WORDS, parent=first), pieces(tree({"a": "1"})), LIMITS)
    same = await repositories.import_tree("shop", WORDS, pieces(tree({"a": "1"})), LIMITS)

    assert again != first
    assert same == first
    assert await repositories.read_file("shop", again, "a", 9) == b"1"


async def test_words_stay_words(repositories: Repositories, tmp_path: Path) -> None:
    """Neither an author's name nor a message becomes a command."""
    words = replace(WORDS, author="a\nfrom x <b> \n", message="m\n\ndeleteall\ndata 3\n")

    commit = await repositories.import_tree("shop", words, pieces(tree({"a": "1"})), LIMITS)

    assert git(tmp_path, "log", "-1", "--format=%an", commit).strip() == "afrom x b"
    assert "deleteall" in git(tmp_path, "log", "-1", "--format=%B", commit)


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_archives_change_nothing(repositories: Repositories, tmp_path: Path, name: str) -> None:
    """What is unsafe, broken or refused is told, and nothing is written anywhere (scenario 8)."""
    data, code = HOSTILE[name]
    before = everything(tmp_path)

    with pytest.raises(Problem) as told:
        await repositories.import_tree("shop", WORDS, pieces(data), LIMITS)

    assert told.value.code == code
    assert everything(tmp_path) == before
    assert [path.name for path in (tmp_path / "repos").iterdir()] == ["shop.git"]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (replace(LIMITS, files=2), "tree-too-many-files"),
        (replace(LIMITS, bytes=2000), "tree-too-large"),
        (replace(LIMITS, file_bytes=999), "file-too-large"),
        (replace(LIMITS, archive=50), "archive-too-large"),
        (replace(LIMITS, path=2), "path-too-long"),
    ],
)
async def test_bounds(repositories: Repositories, tmp_path: Path, limits: TreeLimits, code: str) -> None:
    """Each bound is kept (scenario 8)."""
    data = archive(*(file(f"f/{number}", bytes(1000)) for number in range(3)))
    before = everything(tmp_path)

    with pytest.raises(Problem) as told:
        await repositories.import_tree("shop", WORDS, pieces(data), limits)

    assert told.value.code == code
    assert everything(tmp_path) == before


async def test_a_bomb_is_not_unpacked(repositories: Repositories) -> None:
    """An archive of a megabyte that unpacks to a gigabyte of padding is refused at the bound."""
    bomb = gzip.compress(file("a") + entry("b", size=2**29) + bytes(2**20))
    bomb += b"".join([gzip.compress(bytes(2**26), compresslevel=1)] * 8)

    with pytest.raises(Problem) as told:
        await repositories.import_tree("shop", WORDS, pieces(bomb, 2**16), replace(LIMITS, bytes=2**24, files=100))

    assert told.value.code in {"tree-too-large", "archive-too-large"}


async def test_a_bomb_behind_the_end(repositories: Repositories) -> None:
    """What comes behind the end of the archive counts, too."""
    data = archive(file("a")) + b"".join([gzip.compress(bytes(2**26), compresslevel=1)] * 8)

    with pytest.raises(Problem) as told:
        await repositories.import_tree("shop", WORDS, pieces(data, 2**16), replace(LIMITS, bytes=2**24, files=100))

    assert told.value.code == "archive-too-large"


async def test_what_a_killed_import_left(repositories: Repositories, tmp_path: Path) -> None:
    """The first import of a daemon removes what those of a killed one have left."""
    (tmp_path / "repos" / ".import-x" / "objects").mkdir(parents=True)

    await repositories.import_tree("shop", WORDS, pieces(tree({"a": "1"})), LIMITS)

    assert [path.name for path in (tmp_path / "repos").iterdir()] == ["shop.git"]


async def test_padding_behind_gzip(repositories: Repositories) -> None:
    """Zeros that fill up the last block of a gzip file are no harm."""
    commit = await repositories.import_tree("shop", WORDS, pieces(archive(file("a")) + bytes(5000)), LIMITS)

    assert await repositories.read_file("shop", commit, "a", 9) == b"x"


async def test_a_sender_that_breaks_off(repositories: Repositories, tmp_path: Path) -> None:
    """What the sender raises comes out, and nothing is kept."""

    async def broken() -> AsyncIterator[bytes]:
        yield archive(file("a", bytes(100_000)), zipped=False)[:50_000]
        raise ConnectionResetError("gone")

    before = everything(tmp_path)

    with pytest.raises(ConnectionResetError):
        await repositories.import_tree("shop", WORDS, broken(), LIMITS)

    assert everything(tmp_path) == before
