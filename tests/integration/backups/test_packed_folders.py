"""Folders in a bundle of a whole host: unpacked as they were, by the Python of Debian 12, too; what leads elsewhere is refused."""

import io
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest

from hostess.adapters.tar_folder import unpack_folder


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", content: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    """Return an entry of an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, target, len(content), 0o644
    return info, content


def archive(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write an archive."""
    with tarfile.open(path, "w") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_folder_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, folders, links and rights are as before; a Python whose `extractall` knows no filters (3.11.2) does it as well."""
    extract = cast("Callable[..., None]", tarfile.TarFile.extractall)

    def older(
        self: tarfile.TarFile,
        path: Path,
        members: Iterable[tarfile.TarInfo] | None = None,
        *,
        numeric_owner: bool = False,
    ) -> None:
        extract(self, path, members, numeric_owner=numeric_owner)

    monkeypatch.setattr(tarfile.TarFile, "extractall", older)
    before, after = tmp_path / "before", tmp_path / "after"
    (before / "live").mkdir(parents=True)
    (before / "live" / "key.pem").write_text("a key")
    (before / "live" / "key.pem").chmod(0o600)
    (before / "live" / "program").write_text("#!")
    (before / "live" / "program").chmod(0o6777)
    (before / "current").symlink_to("live")
    os.link(before / "live" / "key.pem", before / "again.pem")
    after.mkdir()
    with tarfile.open(tmp_path / "folder.tar", "w") as tar:
        tar.add(before, ".")

    unpack_folder(tmp_path / "folder.tar", after)

    assert (after / "current" / "key.pem").read_text() == (after / "again.pem").read_text() == "a key"
    assert (after / "current").readlink() == Path("live")
    assert oct((after / "live" / "key.pem").stat().st_mode) == "0o100600"
    assert oct((after / "live" / "program").stat().st_mode) == "0o100755"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../out", content=b"x")],
        [entry("a/../../out", content=b"x")],
        [entry("OUT", content=b"x")],
        [entry("way", tarfile.SYMTYPE, "OUTSIDE"), entry("way/out", content=b"x")],
        [entry("out", tarfile.SYMTYPE, "OUT"), entry("out", content=b"x")],
        [entry("a", tarfile.DIRTYPE), entry("a/b", tarfile.SYMTYPE, ".."), entry("a/b/../out", content=b"x")],
        [entry("way", tarfile.SYMTYPE, "OUTSIDE"), entry("own", tarfile.LNKTYPE, "way/mine")],
        [entry("own", tarfile.LNKTYPE, "../outside/mine")],
        [entry("pipe", tarfile.FIFOTYPE)],
        [entry("disk", tarfile.BLKTYPE)],
    ],
)
def test_nothing_leads_out(tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Neither names nor links nor devices reach what is outside, or make anything there."""
    outside, target = tmp_path / "outside", tmp_path / "in" / "target"
    outside.mkdir()
    target.mkdir(parents=True)
    (outside / "mine").write_text("mine")
    for info, _ in entries:
        for name, path in (("OUTSIDE", outside), ("OUT", outside / "out")):
            info.name = str(path) if info.name == name else info.name
            info.linkname = str(path) if info.linkname == name else info.linkname
    packed = archive(tmp_path / "folder.tar", *entries)

    with pytest.raises(tarfile.TarError):
        unpack_folder(packed, target)

    assert sorted(path.name for path in tmp_path.rglob("*") if not path.is_relative_to(target)) == sorted(
        ["folder.tar", "in", "outside", "mine"]
    )
    assert (outside / "mine").read_text() == "mine"
    assert (outside / "mine").stat().st_nlink == 1
