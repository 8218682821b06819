"""Whether the host has room for a build: it must not take from what serves. Pure."""

from collections.abc import Mapping

from hostess.domain.host_figures import Strain
from hostess.domain.problem import Problem

MIN_FREE_DISK = 1024**3
MIN_FREE_MEMORY = 256 * 1024**2
STRAINED = 20.0
"""For so much of the last minute (percent) all work waited for memory: another build would make that worse for what serves."""


def short_of(disk: int, memory: int) -> Problem | None:
    """Return what a build lacks, given what is free where images are kept and how much memory is available, in bytes."""
    if disk < MIN_FREE_DISK:
        return Problem(
            "disk-short",
            f"only {disk // 1024**2} MB are free where images are kept; a build needs at least {MIN_FREE_DISK // 1024**2} MB",
            remedy="free some space (`hostess gc` removes images that no kept release needs), then push again",
        )
    if memory < MIN_FREE_MEMORY:
        return Problem(
            "memory-short",
            f"only {memory // 1024**2} MB of memory are available; a build needs at least {MIN_FREE_MEMORY // 1024**2} MB",
            remedy="scale something down, or build on a larger host, then push again",
        )
    return None


def strained(strain: Mapping[str, Strain]) -> str:
    """Return in words that the host is short of memory by the kernel's own measure; "" when it is not, or the kernel does not tell."""
    full = strain["memory"].full if "memory" in strain else 0.0
    return f"all work waited for memory for {full:.0f} % of the last minute" if full >= STRAINED else ""
