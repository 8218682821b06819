"""What the host has: disk, memory, cores, networks."""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

import psutil

from hostess.domain.ports import FileSystem

UP = 0x1
COLUMNS = 8


class HostMeter:
    """Implements `ports.Meter`. *routes* is the kernel's IPv4 routing table; where there is none only addresses count."""

    def __init__(self, routes: Path = Path("/proc/net/route")) -> None:
        self._routes = routes

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
