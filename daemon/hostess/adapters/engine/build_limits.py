"""Keeps builds from starving what serves, by the cgroup that holds them.

BuildKit takes no limits through the Engine API (they are accepted and ignored). With the cgroupfs driver the engine runs the
steps of all builds below one parent group, `docker/buildkit`, which it never configures itself: limits written there hold for
all builds together. With the systemd driver each step has a group `system.slice:docker:<id>` of its own and no parent to
limit, so while a build runs these are looked for and limited as they appear.
Nothing else is touched, and when no build of ours runs any more the limits are lifted again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PERIOD = 100_000
"""Microseconds over which the kernel shares out processor time; its own default."""
PIDS = 4096
LOOK = 0.05
PARENT = Path("docker/buildkit")
STEPS = ("system.slice/system.slice:docker:*", "system.slice:docker:*")

Setting = tuple[str, str, str]
"""Controller's folder (none in cgroup v2), file, value."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much all builds together may have: cores, and bytes."""

    cpus: float
    memory: int


def first_version(limit: Limit | None) -> list[Setting]:
    """Return what to write in cgroup v1 for a limit, or for none; the order keeps memory below memory with swap."""
    bytes_, quota = ("-1", "-1") if limit is None else (str(limit.memory), str(int(limit.cpus * PERIOD)))
    return [
        ("memory", "memory.memsw.limit_in_bytes", "-1"),
        ("memory", "memory.limit_in_bytes", bytes_),
        ("memory", "memory.memsw.limit_in_bytes", bytes_),
        ("cpu", "cpu.cfs_period_us", str(PERIOD)),
        ("cpu", "cpu.cfs_quota_us", quota),
        ("cpu", "cpu.shares", "1024" if limit is None else "128"),
        ("pids", "pids.max", "max" if limit is None else str(PIDS)),
    ]


def second_version(limit: Limit | None) -> list[Setting]:
    """Return what to write in cgroup v2 for a limit, or for none."""
    bytes_, quota = ("max", "max") if limit is None else (str(limit.memory), str(int(limit.cpus * PERIOD)))
    return [
        ("", "memory.max", bytes_),
        ("", "memory.swap.max", "max" if limit is None else "0"),
        ("", "cpu.max", f"{quota} {PERIOD}"),
        ("", "cpu.weight", "100" if limit is None else "20"),
        ("", "pids.max", "max" if limit is None else str(PIDS)),
    ]


class BuildLimits:
    """Limits builds on this host through the cgroups mounted at *root*."""

    def __init__(self, root: Path = Path("/sys/fs/cgroup")) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._holders = 0

    @contextmanager
    def held(self, limit: Limit, driver: str) -> Iterator[str]:
        """Limit builds while the block runs; yield "" or, where that cannot be done, why not.

        *driver* is what the engine manages cgroups with: "cgroupfs" or "systemd". When blocks overlap the newest limit holds.
        Blocking; for threads.
        """
        with self._lock:
            self._holders += 1
            excuse = "" if driver == "systemd" else self._limit_parent(limit)
        watch = Watch(self._root, limit) if driver == "systemd" else None
        try:
            yield watch.begin() if watch else excuse
        finally:
            if watch:
                watch.end()
            with self._lock:
                self._holders -= 1
                if not self._holders and driver != "systemd" and not excuse:
                    write(self._root, PARENT, settings(self._root, None))

    def _limit_parent(self, limit: Limit) -> str:
        try:
            for controller in {name for name, _, _ in settings(self._root, limit)}:
                (self._root / controller / PARENT).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return why_not(error)
        return write(self._root, PARENT, settings(self._root, limit))


class Watch:
    """Looks for the groups of build steps and limits each when it appears."""

    def __init__(self, root: Path, limit: Limit) -> None:
        self._root = root
        self._limit = limit
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="build limits", daemon=True)

    def begin(self) -> str:
        """Start looking; return "" or why it would be of no use."""
        if not any((self._root / name).is_dir() for name in ("system.slice", "memory/system.slice")):
            return f"no group system.slice below {self._root}"
        self._thread.start()
        return ""

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _look(self) -> None:
        done: set[Path] = set()
        wanted = settings(self._root, self._limit)
        base = self._root / wanted[0][0]
        while not self._over.wait(LOOK):
            for found in {path for pattern in STEPS for path in base.glob(pattern)} - done:
                write(self._root, found.relative_to(base), wanted)
                done.add(found)


def settings(root: Path, limit: Limit | None) -> list[Setting]:
    """Return what to write on this host: version 2 has one tree, version 1 one for each controller."""
    return second_version(limit) if (root / "cgroup.controllers").is_file() else first_version(limit)


def write(root: Path, group: Path, wanted: list[Setting]) -> str:
    """Write limits; return "" when the memory limit holds, else why not. The others are worth having, and no more."""
    excuse = "the kernel offers no memory limit there"
    for controller, file, value in wanted:
        path = root / controller / group / file
        essential = file in {"memory.limit_in_bytes", "memory.max"}
        if not essential:
            with suppress(OSError):
                put(path, value)
            continue
        try:
            put(path, value)
            excuse = ""
        except OSError as error:
            excuse = why_not(error)
    return excuse


def put(path: Path, value: str) -> None:
    """Write a setting that exists; one that does not is not made."""
    with path.open("r+") as file:
        file.write(value)


def why_not(error: OSError) -> str:
    """Return the reason in a few words."""
    return f"{error.filename}: {error.strerror}"
