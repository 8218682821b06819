"""Archives of directories: counted while they pass by, whatever they hold and however they are cut."""

import io
import tarfile

import pytest

from hostess.domain.backups.backup import Files
from hostess.domain.backups.files_backup import Walk, differences, directory_of, part_of, places
from hostess.domain.problem import Problem

LONG = "d" * 90 + "/" + "ü" * 200


def archive(form: int) -> bytes:
    """Return a tar with files, a link, an empty file, folders, and names that need a header of their own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in {"backup/a": b"x" * 511, LONG: b"y" * 1024, "backup/empty": b"", "backup/b": b"z"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, kind in {"backup/folder": tarfile.DIRTYPE, "backup/link": tarfile.SYMTYPE}.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, LONG if kind == tarfile.SYMTYPE else ""
            tar.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize("step", [1, 7, 512, 1 << 20])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_everything_is_counted(form: int, step: int) -> None:
    """Files, links and empty files count, folders do not; sizes are those of what files hold."""
    walk, data = Walk(), archive(form)
    for at in range(0, len(data), step):
        walk.feed(data[at : at + step])

    assert (walk.count, walk.size, walk.ended) == (5, 511 + 1024 + 1, True)
    assert walk.entries == 6


def test_a_size_beyond_the_field() -> None:
    """A file that is too large for its own header has its size from the one before it."""
    entry = tarfile.TarInfo("large")
    entry.size = 9 * 1024**3
    walk = Walk()
    walk.feed(entry.tobuf(tarfile.PAX_FORMAT))

    assert (walk.count, walk.size, walk.ended) == (1, 9 * 1024**3, False)


def test_what_is_cut_has_not_ended() -> None:
    """An archive that breaks off is not whole, wherever that is."""
    data = archive(tarfile.PAX_FORMAT)
    for length in (0, 100, 512, 700, 1500):
        walk = Walk()
        walk.feed(data[:length])
        assert not walk.ended


def test_nonsense_is_damage() -> None:
    """What is no archive is told as damage, and so is a header without an end."""
    for data in (b"\x01" * 512, archive(tarfile.PAX_FORMAT)[:500] + b"\xff" * 12):
        with pytest.raises(Problem, match="none"):
            Walk().feed(data)
    endless = tarfile.TarInfo("x")
    endless.type, endless.size = tarfile.XHDTYPE, 1 << 30
    with pytest.raises(Problem, match="more than a megabyte"):
        Walk().feed(endless.tobuf(tarfile.GNU_FORMAT))


def test_what_is_archived() -> None:
    """With a command it is /backup, without one each volume; parts are named after their directories."""
    volumes = {"b": "/var/lib/a b", "a": "/data"}

    assert places(["dump"], volumes) == ("/backup",)
    assert places([], volumes) == ("/data", "/var/lib/a b")
    assert [directory_of(part_of(each)) for each in volumes.values()] == list(volumes.values())
    assert "/" not in part_of("/var/lib/a b")


def test_differences_are_told() -> None:
    """What is missing, and what holds something else, is told in words; equal ones are not."""
    before = [Files("/data", 3, 10), Files("/logs", 1, 1)]

    assert differences(before, before) == []
    assert differences(before, before[:1]) == ["/logs has nothing, and had 1 files of 1 bytes"]
    assert differences(before[:1], [Files("/data", 2, 10)]) == [
        "/data has 2 files of 10 bytes, and had 3 files of 10 bytes"
    ]
