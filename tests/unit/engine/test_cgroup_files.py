"""Control groups: what a container uses is read alike from both versions, wherever the engine's driver has put it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from hostess.adapters.cgroup_files import CgroupFiles
from hostess.domain.ports.usage import Usage

ID = "8c1f" * 16

UNIFIED = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 12\nnr_throttled 1\nthrottled_usec 900\n",
    "memory.current": "52428800\n",
    "memory.stat": "anon 31457280\nfile 20971520\nkernel 100\ninactive_anon 0\ninactive_file 10485760\nactive_file 10485760\n",
}


def written(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize("place", [f"docker/{ID}", f"system.slice/docker-{ID}.scope"])
def test_version_2(tmp_path: Path, place: str) -> None:
    """With version 2, under either driver, CPU is in seconds, and of memory the idle cache of files is left out."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    written(tmp_path / place, UNIFIED)

    assert CgroupFiles(tmp_path).of(ID) == Usage(2.5, 40 * 1024**2)


@pytest.mark.parametrize("place", [f"docker/{ID}", f"system.slice/docker-{ID}.scope"])
def test_version_1(tmp_path: Path, place: str) -> None:
    """With version 1, under either driver, the same is read from two hierarchies."""
    written(tmp_path / "cpuacct" / place, {"cpuacct.usage": "2500000000\n"})
    stat = "cache 20971520\nrss 31457280\ninactive_file 1\ntotal_cache 20971520\ntotal_inactive_file 10485760\n"
    written(tmp_path / "memory" / place, {"memory.usage_in_bytes": "52428800\n", "memory.stat": stat})

    assert CgroupFiles(tmp_path).of(ID) == Usage(2.5, 40 * 1024**2)


def test_none(tmp_path: Path) -> None:
    """Of a container that does not run nothing is known."""
    assert CgroupFiles(tmp_path).of(ID) is None
