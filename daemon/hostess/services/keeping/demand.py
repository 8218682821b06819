"""Demand: what services that may sleep are asked by way of the proxy, and since when nobody has asked."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import datetime

from hostess.domain.ports import Clock, Container, Router, TargetLoad
from hostess.domain.problem import Problem
from hostess.domain.scaling import Reading
from hostess.domain.sleeping import Rest, rested
from hostess.domain.waits import follows
from hostess.services.keeping.usage import REMEMBERED, Key, Observed


class Demand:
    """Asks the proxy at each look. What it does not tell is not known: nothing falls asleep then."""

    def __init__(self, router: Router, clock: Clock) -> None:
        self._router = router
        self._clock = clock
        self._at: datetime | None = None
        self._loads: dict[Key, TargetLoad] = {}
        self._rests: dict[Key, Rest] = {}
        self._history: dict[Key, deque[Reading]] = {}
        self._known = False

    def rest(self, key: Key) -> Rest | None:
        """Return since when a service rests; None while that is not known."""
        return self._rests.get(key) if self._known else None

    def history(self, key: Key) -> Sequence[Reading]:
        """Return how many requests each replica had in flight, the newest reading last."""
        return tuple(self._history.get(key, ()))

    async def look(self, observed: Sequence[Observed]) -> None:
        """Ask what those of them that may sleep have to do."""
        watched = {each.key: each for each in observed if each.workload.scaling and each.workload.scaling.may_sleep}
        # One that was asleep, or away, begins to rest anew.
        self._rests = {key: rest for key, rest in self._rests.items() if key in watched}
        self._history = {key: history for key, history in self._history.items() if key in watched}
        self._loads = {key: load for key, load in self._loads.items() if key in watched}
        self._known = False
        if not watched:
            return
        try:
            told = await self._router.loads()
        except Problem:
            return
        before, self._at = self._at, self._clock.now()
        if before is not None and not follows(before, self._at):
            self._rests, self._history, self._loads = {}, {}, {}
        for key, each in watched.items():
            load = load_of(each.containers, told)
            self._read(each, load, (self._at - before).total_seconds() if before else 0.0)
            self._loads[key] = load
            self._rests[key] = rested(self._rests.get(key), load, self._at)
        self._known = True

    def _read(self, each: Observed, load: TargetLoad, passed: float) -> None:
        """Note how many requests were in flight on average since the last look; a worker of the proxy that ended takes its part along."""
        before = self._loads.get(each.key)
        if before is not None and self._at is not None and passed > 0 and load.seconds >= before.seconds:
            replicas = len(each.containers)
            reading = Reading(self._at, replicas, (load.seconds - before.seconds) / passed / replicas)
            self._history.setdefault(each.key, deque(maxlen=REMEMBERED)).append(reading)


def load_of(containers: Sequence[Container], loads: Mapping[str, TargetLoad]) -> TargetLoad:
    """Return what these containers have to do together, at whatever port."""
    addresses = {container.address for container in containers}
    total: Counter[str] = Counter()
    seconds = 0.0
    for target, load in loads.items():
        if target.rpartition(":")[0] in addresses:
            total.update(in_flight=load.in_flight, begun=load.begun)
            seconds += load.seconds
    return TargetLoad(total["in_flight"], total["begun"], seconds)
