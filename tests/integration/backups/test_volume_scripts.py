"""The scripts that put a volume's files in place, broken off at each of their steps: they lead to all old files or to all new ones."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from hostess.domain.backups import volumes_restore
from hostess.domain.backups.backup import Files

OLD = {"both": "old", "dir/file": "old", ".hidden": "old", "only old": "old"}
NEW = {"both": "new", "dir/other": "new", "..odd": "new", "only new": "new"}
ENTRIES = 4
"""Renames that OLD takes."""
ENOUGH = 12
"""More renames than either script makes."""


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    """Return all files below a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def run(script: tuple[str, ...], tools: Path, renames: int = 1000) -> int:
    """Run a script whose shell is killed at the rename after so many; return its exit code."""
    count = tools / "count"
    count.write_text(str(renames))
    return subprocess.run(script, env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}, check=False).returncode


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Make an `mv` that kills its caller when its count is at an end."""
    folder = tmp_path / "tools"
    folder.mkdir()
    mv = folder / "mv"
    mv.write_text(
        f'#!/bin/sh\nleft=$(cat {folder}/count)\n[ "$left" -gt 0 ] || {{ kill -9 $PPID; exit 1; }}\n'
        f'echo $((left - 1)) > {folder}/count\nexec /bin/mv "$@"\n'
    )
    mv.chmod(0o755)
    return folder


@pytest.fixture
def volume(tmp_path: Path, tools: Path) -> Path:
    """Return a volume with old files, and new ones unpacked beside."""
    folder = tmp_path / "volume"
    write(folder, OLD)
    assert run(volumes_restore.prepare([str(folder)]), tools) == 0
    write(Path(volumes_restore.unpacked_at(str(folder))), NEW)
    return folder


@pytest.mark.parametrize("renames", range(ENOUGH))
def test_moving_aside_can_be_taken_back(volume: Path, tools: Path, renames: int) -> None:
    """Killed at any rename, and once more on the way back, all old files are there, and nothing else."""
    ended = run(volumes_restore.aside([str(volume)]), tools, renames)
    assert (ended == 0) == (renames >= ENTRIES)
    run(volumes_restore.put_back([str(volume)]), tools, 1)

    assert run(volumes_restore.put_back([str(volume)]), tools) == 0
    assert read(volume) == OLD


@pytest.mark.parametrize("renames", range(ENOUGH))
def test_moving_in_goes_on(volume: Path, tools: Path, renames: int) -> None:
    """Killed at any rename, with a service that wrote meanwhile, all new files are there afterwards, and nothing else."""
    assert run(volumes_restore.aside([str(volume)]), tools) == 0
    run(volumes_restore.put_in([str(volume)]), tools, renames)
    if (
        volume / volumes_restore.BESIDE
    ).exists():  # it is started again by whatever killed us, and finds nothing of its own
        write(volume, {name: "written meanwhile" for name in NEW if not (volume / name).exists()})

    assert run(volumes_restore.put_in([str(volume)]), tools) == 0
    assert read(volume) == NEW


def test_which_directories_fit() -> None:
    """Those that are mounted now, however their paths end; none of them within another."""
    files = [Files("/data", 1, 1), Files("/srv/more", 1, 1)]

    assert not volumes_restore.unfit(files, {"a": "/data/", "b": "/srv/more"})
    assert "it holds /data, /srv/more" in volumes_restore.unfit(files, {"a": "/data"})
    assert "/data/in lies in another" in volumes_restore.unfit(files, {"a": "/data", "b": "/data/in"})
