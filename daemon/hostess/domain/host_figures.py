"""What the host has and uses, in figures that are read every few seconds; when one of them is bad, and in which words. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from hostess.domain.quantities import size_text

SPAN: Final = timedelta(minutes=1)
"""What is bad is so on average of the readings of so long a time: a moment's peak is nobody's concern."""
ENOUGH: Final = 4
"""So many readings of it have to be there."""


@dataclass(frozen=True, slots=True)
class Strain:
    """For how much of the last minute work waited for a resource, in percent: *some* of it, or (*full*) all of it.

    The kernel calls it pressure stall information (accounting/psi.rst of its documentation, avg60).
    """

    some: float
    full: float = 0.0


@dataclass(frozen=True, slots=True)
class HostFigures:
    """The host at one moment. *cpu_busy* and *cpu_total* are seconds since it booted, of all cores together; sizes are bytes.

    *files* are open now, of *files_limit* (the whole kernel's); *own_files* those of the daemon itself, of *own_files_limit*.
    *strain* is by resource ("cpu", "memory", "io"), and empty where the kernel does not tell.
    """

    cpu_busy: float
    cpu_total: float
    load: float
    memory: int
    available: int
    swap: int
    swap_used: int
    files: int
    files_limit: int
    own_files: int
    own_files_limit: int
    strain: Mapping[str, Strain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """Figures and when they were read; *cpu* is how busy the cores were since the reading before, in percent, None for the first."""

    at: datetime
    figures: HostFigures
    cpu: float | None = None

    @property
    def memory_used(self) -> float:
        """How much of the memory cannot be had any more, in percent."""
        return percent(self.figures.memory - self.figures.available, self.figures.memory)


@dataclass(frozen=True, slots=True)
class HostTrouble:
    """Something of the host that is bad. *kind* is that of its alert, *subject* what it is about."""

    kind: str
    subject: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Bound:
    """From *bad* percent on a figure is told; it is over below *over*, so that one that wavers around a limit is told once."""

    kind: str
    subject: str
    value: Callable[[Reading], float | None]
    bad: float
    over: float
    what: str
    remedy: str


def percent(part: float, whole: float) -> float:
    """Return *part* in percent of *whole*, 0 where there is no whole."""
    return part * 100 / whole if whole > 0 else 0.0


def read(before: Reading | None, figures: HostFigures, at: datetime) -> Reading:
    """Return a reading that follows *before*."""
    if before is None:
        return Reading(at, figures)
    passed = figures.cpu_total - before.figures.cpu_total
    busy = figures.cpu_busy - before.figures.cpu_busy
    return Reading(at, figures, min(max(percent(busy, passed), 0.0), 100.0) if passed > 0 else None)


def troubles(readings: Sequence[Reading], before: Collection[str] = ()) -> list[HostTrouble]:
    """Return what is bad by the readings of the last minute (the newest last); *before* are the kinds that were bad until now."""
    if not readings:
        return []
    newest = readings[-1]
    lately = [each for each in readings if newest.at - each.at <= SPAN]
    found = []
    for bound in _BOUNDS:
        values = [value for each in lately if (value := bound.value(each)) is not None]
        if len(values) < ENOUGH:
            continue
        mean = sum(values) / len(values)
        if mean >= (bound.over if bound.kind in before else bound.bad):
            what = bound.what.format(
                percent=round(mean), free=size_text(newest.figures.available), all=size_text(newest.figures.memory)
            )
            found.append(HostTrouble(bound.kind, bound.subject, what, bound.remedy))
    return found


def _strain(resource: str, which: Callable[[Strain], float]) -> Callable[[Reading], float | None]:
    def value(reading: Reading) -> float | None:
        told = reading.figures.strain.get(resource)
        return None if told is None else which(told)

    return value


_BOUNDS: Final = (
    _Bound(
        "host.memory",
        "memory of the host",
        lambda each: each.memory_used,
        bad=95,
        over=92,
        what="{percent} % of the host's memory are in use, {free} of {all} can still be had: the kernel is about to kill apps",
        remedy="`hostess services list` tells what each replica uses: lower replicas or resources.memory, or give the host more memory",
    ),
    _Bound(
        "host.pressure",
        "pressure of the host",
        _strain("memory", lambda strain: strain.full),
        bad=10,
        over=5,
        what="for {percent} % of the last minute nothing went on because it waited for memory",
        remedy="`hostess services list` tells what each replica uses: lower replicas or resources.memory, or give the host more memory",
    ),
    _Bound(
        "host.disk-pressure",
        "disk pressure of the host",
        _strain("io", lambda strain: strain.full),
        bad=50,
        over=35,
        what="for {percent} % of the last minute nothing went on because it waited for a disk",
        remedy="a backup, a build or a query that reads much may be at work; else the disk is too slow for what runs here",
    ),
    _Bound(
        "host.files",
        "open files of the host",
        lambda each: percent(each.figures.files, each.figures.files_limit),
        bad=90,
        over=80,
        what="{percent} % of the files that may be open at once on this host are open",
        remedy="find the program that leaks them (`lsof -nP`), or raise fs.file-max",
    ),
    _Bound(
        "daemon.files",
        "open files of the daemon",
        lambda each: percent(each.figures.own_files, each.figures.own_files_limit),
        bad=90,
        over=80,
        what="{percent} % of the files that the daemon may have open are open",
        remedy="restart the daemon (the proxy serves on meanwhile) and report it; LimitNOFILE of its unit is the limit",
    ),
)
