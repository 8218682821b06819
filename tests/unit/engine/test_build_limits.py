"""Limits on builds, written into folders that look like cgroups."""

import asyncio
from pathlib import Path

import pytest

from hostess.adapters.engine.build_limits import BuildLimits, Limit, first_version, second_version

LIMIT = Limit(cpus=0.5, memory=256 * 1024**2)


def group(root: Path, version: int, path: str = "docker/buildkit") -> None:
    """Make a group as the kernel would."""
    for controller, name, _ in first_version(None) if version == 1 else second_version(None):
        folder = root / controller / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_first_version(tmp_path: Path) -> None:
    """With cgroup v1 the parent of all builds is limited while a build runs, and no longer."""
    group(tmp_path, 1)
    memory = tmp_path / "memory/docker/buildkit/memory.limit_in_bytes"
    with BuildLimits(tmp_path).held(LIMIT, "cgroupfs") as excuse:
        held = memory.read_text()
        quota = (tmp_path / "cpu/docker/buildkit/cpu.cfs_quota_us").read_text()

    assert excuse == ""
    assert held == str(LIMIT.memory)
    assert quota == "50000"
    assert memory.read_text().startswith("-1")


def test_second_version(tmp_path: Path) -> None:
    """With cgroup v2 the parent is in the one tree, and gets no swap."""
    (tmp_path / "cgroup.controllers").touch()
    group(tmp_path, 2)
    with BuildLimits(tmp_path).held(LIMIT, "cgroupfs") as excuse:
        held = {name: (tmp_path / "docker/buildkit" / name).read_text() for _, name, _ in second_version(None)}

    assert excuse == ""
    assert held["memory.max"] == str(LIMIT.memory)
    assert held["memory.swap.max"] == "0"
    assert held["cpu.max"] == "50000 100000"


def test_overlapping_builds(tmp_path: Path) -> None:
    """The limit is lifted when the last of several builds has ended."""
    group(tmp_path, 1)
    memory = tmp_path / "memory/docker/buildkit/memory.limit_in_bytes"
    limits = BuildLimits(tmp_path)
    with limits.held(LIMIT, "cgroupfs"):
        with limits.held(LIMIT, "cgroupfs"):
            pass
        between = memory.read_text()

    assert between == str(LIMIT.memory)
    assert memory.read_text().startswith("-1")


@pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
def test_no_limits_here(tmp_path: Path, driver: str) -> None:
    """Where there are no such groups the reason is given, and no file is made."""
    with BuildLimits(tmp_path).held(LIMIT, driver) as excuse:
        assert str(tmp_path) in excuse

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_systemd(tmp_path: Path) -> None:
    """With the systemd driver the group of each step is limited when it appears."""
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "system.slice").mkdir()
    step = "system.slice/system.slice:docker:abc"
    with BuildLimits(tmp_path).held(LIMIT, "systemd") as excuse:
        group(tmp_path, 2, step)
        async with asyncio.timeout(25):
            while (tmp_path / step / "pids.max").read_text() == "":
                await asyncio.sleep(0.01)

    assert excuse == ""
    assert (tmp_path / step / "memory.max").read_text() == str(LIMIT.memory)
