"""The host itself: git, memory, disks, the clock."""

import ctypes
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hostess.cli.checks.finding import Finding, said, text_of
from hostess.domain.quantities import size_text

if TYPE_CHECKING:
    from hostess.domain.settings import Settings

GIT = (2, 29)
LITTLE_DISK = 2 * 1024**3
SCARCE_DISK = 5 * 1024**3
LITTLE_MEMORY = 128 * 1024**2
SCARCE_MEMORY = 512 * 1024**2
CONNECTIONS = 4096
_UNSYNCHRONIZED = 5  # TIME_ERROR of adjtimex(2)
_SWAP = (
    "fallocate -l 2G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile"
    " && echo '/swapfile none swap sw 0 0' >> /etc/fstab"
)


def git(_: "Settings") -> Iterator[Finding]:
    """Look at the git that receives pushes."""
    text = (said("git", "--version") or "").strip()
    if not text:
        yield Finding("fail", "git", "is not there", "apt-get install -y git")
        return
    found = re.search(r"(\d+)\.(\d+)", text)
    if not found or (int(found[1]), int(found[2])) < GIT:
        remedy = f"install git {GIT[0]}.{GIT[1]} or newer: pushes need its proc-receive hook"
        yield Finding("fail", "git", text, remedy)
        return
    yield Finding("ok", "git", text)


def memory(_: "Settings", meminfo: Path = Path("/proc/meminfo")) -> Iterator[Finding]:
    """Look whether there is room for a new release beside the old one."""
    found = {name: int(size) * 1024 for name, size in re.findall(r"^(\w+): +(\d+) kB", text_of(meminfo), re.MULTILINE)}
    free, swap = found.get("MemAvailable"), found.get("SwapTotal", 0)
    if free is None:
        return
    text = f"{size_text(free)} of {size_text(found['MemTotal'])} available, {size_text(swap) if swap else 'no'} swap"
    if free >= SCARCE_MEMORY:
        yield Finding("ok", "memory", text)
        return
    remedy = "`docker stats --no-stream` tells who has it; a larger host" if swap else _SWAP
    yield Finding("fail" if free < LITTLE_MEMORY else "warn", "memory", text, remedy)


def disks(settings: "Settings") -> Iterator[Finding]:
    """Look at the disks of the data folder and of the engine, for space and for files (inodes)."""
    folder = settings.data_dir
    if not folder.is_dir():
        yield Finding("fail", "data folder", f"{folder} is not there", "hostess setup")
        return
    seen = set()
    for place in (folder, Path("/var/lib/docker")):
        if place.is_dir() and os.access(place, os.R_OK | os.X_OK) and place.stat().st_dev not in seen:
            seen.add(place.stat().st_dev)
            yield disk(place)
    for name in ("key", "owner-token"):
        path = folder / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("fail", "data folder", f"{path} can be read by others", f"chmod 600 {path}")


def clock(_: "Settings") -> Iterator[Finding]:
    """Look whether the clock is kept right: certificates and tokens have times, and a sign-in is refused by a wrong one."""
    state = _clock_state()
    if state is None:
        return
    if state == _UNSYNCHRONIZED:
        remedy = "apt-get install -y systemd-timesyncd && timedatectl set-ntp true"
        yield Finding("warn", "clock", "nothing keeps it right", remedy)
        return
    yield Finding("ok", "clock", "is kept right")


def connections(_: "Settings", limit: Path = Path("/proc/sys/net/core/somaxconn")) -> Iterator[Finding]:
    """Look how many connections may wait while the proxy is restarted."""
    text = text_of(limit).strip()
    if text.isdigit() and int(text) < CONNECTIONS:
        remedy = f"echo net.core.somaxconn={CONNECTIONS} > /etc/sysctl.d/60-hostess.conf && sysctl --system"
        yield Finding("warn", "kernel", f"no more than {text} connections wait while the proxy is restarted", remedy)


def disk(place: Path) -> Finding:
    """Return how much room there is where a folder is, for bytes and for files."""
    free, files = shutil.disk_usage(place).free, os.statvfs(place)
    text = f"{size_text(free)} free in {place}"
    if files.f_files and files.f_favail * 50 < files.f_files:
        text = f"{text}, but room for {files.f_favail} files only"
        return Finding("fail", "disk", text, "hostess gc; docker system df")
    state = "fail" if free < LITTLE_DISK else "warn" if free < SCARCE_DISK else "ok"
    return Finding(state, "disk", text, "" if state == "ok" else "hostess gc; docker system df")


def _clock_state() -> int | None:
    """Return the kernel's clock state (adjtimex(2), which only reads when nothing is asked for); None where it cannot be had."""
    timex = ctypes.create_string_buffer(512)  # struct timex has 208 bytes on 64-bit Linux
    try:
        state = int(ctypes.CDLL(None).adjtimex(timex))
    except (OSError, AttributeError):
        return None
    return state if state >= 0 else None
