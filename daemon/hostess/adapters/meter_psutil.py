"""What the host has: disk, memory, cores, networks; and what is used of it.

Pressure: accounting/psi.rst of the kernel's documentation; open files: admin-guide/sysctl/fs.rst (file-nr).
"""

import os
import resource
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

import psutil

from hostess.domain.host_figures import HostFigures, Strain
from hostess.domain.ports import FileSystem

UP = 0x1
COLUMNS = 8
IDLE = ("idle", "iowait", "guest", "guest_nice", "steal")
"""Times of the cores in which nothing of this host ran; those of guests are a part of "user" already."""
STRAINED = ("cpu", "memory", "io")


class HostMeter:
    """Implements `ports.Meter`. *routes* is the kernel's IPv4 routing table; where there is none only addresses count.

    *kernel* is where it tells of itself.
    """

    def __init__(self, routes: Path = Path("/proc/net/route"), kernel: Path = Path("/proc")) -> None:
        self._routes = routes
        self._kernel = kernel

    def free_disk(self, path: str) -> int:
        """Return the free bytes, for anybody but root, of the file system that holds *path*.

        Of a folder that is not there (a remote engine's, or one that this process may not see), its nearest parent's.
        """
        return self.file_system(path).free

    def file_system(self, path: str) -> FileSystem:
        """Return the file system that holds *path*; what is free is so for anybody but root, and so is the size."""
        place = Path(path).absolute()
        while not place.exists():
            place = place.parent
        usage = psutil.disk_usage(str(place))
        return FileSystem(place.stat().st_dev, usage.used + usage.free, usage.free)

    def memory(self) -> tuple[int, int]:
        """Return total and available memory in bytes."""
        memory = psutil.virtual_memory()
        return memory.total, memory.available

    def cpus(self) -> int:
        """Return the number of cores this process may use."""
        return len(psutil.Process().cpu_affinity() or ()) or psutil.cpu_count() or 1

    def figures(self) -> HostFigures:
        """Return what is used of the host now."""
        memory, swap, times = psutil.virtual_memory(), psutil.swap_memory(), psutil.cpu_times()._asdict()
        files, limit = self._files()
        own_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return HostFigures(
            cpu_busy=sum(seconds for name, seconds in times.items() if name not in IDLE),
            cpu_total=sum(seconds for name, seconds in times.items() if not name.startswith("guest")),
            load=os.getloadavg()[0],
            memory=memory.total,
            available=memory.available,
            swap=swap.total,
            swap_used=swap.used,
            files=files,
            files_limit=limit,
            own_files=psutil.Process().num_fds(),
            own_files_limit=own_limit,
            strain={name: told for name in STRAINED if (told := self._strain(name)) is not None},
        )

    def _files(self) -> tuple[int, int]:
        """Return how many files are open on the whole host, and how many may be; zeros where the kernel does not say."""
        try:
            opened, _, limit = (self._kernel / "sys/fs/file-nr").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return 0, 0
        return int(opened), int(limit)

    def _strain(self, name: str) -> Strain | None:
        """Return a resource's pressure; None where the kernel does not tell (before 4.20, or booted with psi=0)."""
        try:
            lines = (self._kernel / "pressure" / name).read_text(encoding="ascii").splitlines()
            told = {line.split()[0]: float(line.split("avg60=")[1].split()[0]) for line in lines}
        except (OSError, ValueError, IndexError):
            return None
        return Strain(told.get("some", 0.0), told.get("full", 0.0))

    def subnets(self) -> list[str]:
        """Return the IPv4 networks (CIDR) that the host has addresses or routes in, in order, without the default route."""
        lines = self._routes.read_text().splitlines() if self._routes.is_file() else []
        return [str(network) for network in sorted({*addressed(), *routed(lines)})]


def addressed() -> Iterable[IPv4Network]:
    """Yield the networks of the host's own addresses."""
    for addresses in psutil.net_if_addrs().values():
        for found in addresses:
            if found.family is socket.AF_INET and found.netmask:
                yield IPv4Network(f"{found.address}/{found.netmask}", strict=False)


def routed(lines: Iterable[str]) -> Iterable[IPv4Network]:
    """Yield the networks of the kernel's table: hexadecimal, each number in the machine's byte order, after a heading."""
    for line in list(lines)[1:]:
        columns = line.split()
        if len(columns) < COLUMNS or not int(columns[3], 16) & UP:
            continue
        address, mask = (socket.inet_ntoa(int(columns[place], 16).to_bytes(4, "little")) for place in (1, 7))
        if mask != "0.0.0.0":  # noqa: S104 -- the mask of a default route, nothing is bound
            yield IPv4Network(f"{address}/{mask}", strict=False)
