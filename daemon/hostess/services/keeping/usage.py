"""Usage: what each replica uses of CPU and memory, read every few seconds; some minutes of it are remembered."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain.ports import Clock, Container, Journal
from hostess.domain.ports.usage import Usage, UsageMeter
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import is_of, matching
from hostess.domain.releases.release import Release, Workload
from hostess.domain.scaling import Reading
from hostess.domain.waits import follows
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import leaving

LOOK_AROUND_EVERY = timedelta(seconds=15)
LOOK_AROUND_IDLY = timedelta(minutes=1)
"""Where nothing is scaled nobody acts on it, and the engine is asked seldom."""
REMEMBERED = 200
"""Readings of a service: above a quarter of an hour."""

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Read:
    at: datetime
    usage: Usage


@dataclass(frozen=True, slots=True)
class Using:
    """What a replica uses: *cpu* in cores since the reading before, None for the first one; bytes of *memory*."""

    container: Container
    cpu: float | None
    memory: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A service of what is live, and all its replicas as they were last found: those too that do not run, and none."""

    place: Place
    workload: Workload
    containers: tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """A service and the replicas of it that serve."""

    place: Place
    live: Release
    workload: Workload
    containers: tuple[Container, ...]

    @property
    def key(self) -> Key:
        """Project, environment, service."""
        return self.place.project, self.place.environment, self.workload.name


class UsageWatch:
    """Reads files of the kernel only; the engine is asked now and then which replicas there are."""

    def __init__(self, journal: Journal, replicas: Replicas, meter: UsageMeter, clock: Clock) -> None:
        self._journal = journal
        self._replicas = replicas
        self._meter = meter
        self._clock = clock
        self._observed: list[Observed] = []
        self._standing: list[Standing] = []
        self._around: datetime | None = None
        self._read: dict[str, _Read] = {}
        self._cores: dict[str, float] = {}
        self._read_at: datetime | None = None
        self._history: dict[Key, deque[Reading]] = {}

    @property
    def observed(self) -> Sequence[Observed]:
        """The services that are watched, as they were last found."""
        return self._observed

    @property
    def standing(self) -> Sequence[Standing]:
        """All services of what is live that have replicas, as they were last found: at most a minute ago."""
        return self._standing

    @property
    def read_at(self) -> datetime | None:
        """When it was read what they use."""
        return self._read_at

    def history(self, key: Key) -> Sequence[Reading]:
        """Return the readings of a service, the newest last."""
        return tuple(self._history.get(key, ()))

    def using(self, observed: Observed) -> list[Using]:
        """Return what the replicas of a service use, by the newest reading of each that was read."""
        return [
            Using(each, self._cores.get(each.id), self._read[each.id].usage.memory)
            for each in observed.containers
            if each.id in self._read
        ]

    def of(self, container: Container) -> Using | None:
        """Return what a replica uses; None where that is not known."""
        read = self._read.get(container.id)
        return None if read is None else Using(container, self._cores.get(container.id), read.usage.memory)

    def memory(self, observed: Observed) -> int:
        """Return what a replica uses of memory on average, 0 when it is not known."""
        found = [self._read[c.id].usage.memory for c in observed.containers if c.id in self._read]
        return sum(found) // len(found) if found else 0

    def look_around(self) -> None:
        """See anew which replicas there are, at the next look."""
        self._around = None

    async def look(self) -> None:
        """Read what everything uses now."""
        now = self._clock.now()
        scaled = any(each.workload.scaling for each in self._observed)
        every = LOOK_AROUND_EVERY if scaled else LOOK_AROUND_IDLY
        if self._around is None or not timedelta(0) <= now - self._around < every:
            try:
                await self._look_around()
            except Problem:  # the engine is away, which the reconciler tells
                return
            self._around = now
        if self._read_at is not None and not follows(self._read_at, now):
            self._read, self._history = {}, {}
        before, self._read_at = self._read, now
        self._read = {
            container.id: _Read(now, usage)
            for each in self._observed
            for container in each.containers
            if (usage := self._meter.of(container.id)) is not None
        }
        self._cores = {
            container: cores
            for container, read in self._read.items()
            if (cores := _cores(before.get(container), read)) is not None
        }
        for each in self._observed:
            loads = [self._cores[c.id] / each.workload.cpu * 100 for c in each.containers if c.id in self._cores]
            if loads:
                reading = Reading(now, len(each.containers), sum(loads) / len(loads))
                self._history.setdefault(each.key, deque(maxlen=REMEMBERED)).append(reading)

    async def _look_around(self) -> None:
        wanted = [
            (place, live, workload)
            for place in await self._journal.places()
            if (live := await self._journal.live(place.project, place.environment)) is not None
            for workload in live.workloads.values()
            if workload.static is None
        ]
        there = await self._replicas.everywhere() if wanted else {}
        gone = await leaving(self._journal) if wanted else frozenset()
        found, standing = [], []
        for place, live, workload in wanted:
            containers = [c for c in there.get((place.project, place.environment), []) if c.id not in gone]
            standing.append(Standing(place, workload, tuple(c for c in containers if is_of(workload, c))))
            if own := tuple(matching(workload, containers)[: workload.replicas]):
                found.append(Observed(place, live, workload, own))
        self._observed, self._standing = found, standing
        keys = {each.key for each in found}
        self._history = {key: history for key, history in self._history.items() if key in keys}


def _cores(before: _Read | None, read: _Read) -> float | None:
    """Return what a replica used since it was last read, in cores; None when that is not known."""
    if before is None or read.usage.cpu < before.usage.cpu:  # less: it was started again
        return None
    seconds = (read.at - before.at).total_seconds()
    return (read.usage.cpu - before.usage.cpu) / seconds if seconds > 0 else None
