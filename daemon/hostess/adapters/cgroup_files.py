"""What containers use, from the files of the kernel's control groups: version 2, and version 1 where that is mounted.

Where the engine puts a container: `docker/ID` with its own driver, `system.slice/docker-ID.scope` with systemd's (its documentation,
"Runtime metrics"). CPU and memory: cgroup-v2.rst (cpu.stat, memory.current), cgroup-v1/cpuacct.rst and memory.rst of the kernel's
documentation. As `docker stats` does, the cache of files that nobody uses any more is not counted.
"""

from pathlib import Path

from hostess.domain.ports.usage import Usage

PLACES = ("docker/{}", "system.slice/docker-{}.scope")
MICRO = 1e-6
NANO = 1e-9


class CgroupFiles:
    """Implements `ports.usage.UsageMeter`. *root* is where control groups are mounted."""

    def __init__(self, root: Path = Path("/sys/fs/cgroup")) -> None:
        self._root = root
        self._unified = (root / "cgroup.controllers").is_file()

    def of(self, container: str) -> Usage | None:
        """Return what the container with this full id uses; None when it does not run, or not on this host."""
        for place in PLACES:
            try:
                return (
                    self._unified_of(place.format(container)) if self._unified else self._old(place.format(container))
                )
            except (OSError, ValueError, KeyError):
                continue
        return None

    def _unified_of(self, place: str) -> Usage:
        folder = f"{self._root}/{place}"
        memory = int(_text(f"{folder}/memory.current")) - _fields(f"{folder}/memory.stat")["inactive_file"]
        return Usage(_fields(f"{folder}/cpu.stat")["usage_usec"] * MICRO, max(memory, 0))

    def _old(self, place: str) -> Usage:
        folder = f"{self._root}/memory/{place}"
        memory = int(_text(f"{folder}/memory.usage_in_bytes")) - _fields(f"{folder}/memory.stat")["total_inactive_file"]
        return Usage(int(_text(f"{self._root}/cpuacct/{place}/cpuacct.usage")) * NANO, max(memory, 0))


def _text(path: str) -> str:
    return Path(path).read_text(encoding="ascii")


def _fields(path: str) -> dict[str, int]:
    """Return the numbers of a file of `name number` lines."""
    words = _text(path).split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))
