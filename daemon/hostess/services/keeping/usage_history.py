"""History of use: what is read every few seconds, rolled up to ten minutes and written down."""

import logging
from collections.abc import Iterable
from datetime import datetime

from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.usage_history import KEPT, SPAN, UsageSpan, began_of, empty
from hostess.services.keeping.host_watch import HostWatch
from hostess.services.keeping.usage import UsageWatch

HOST = ("", "", "")

log = logging.getLogger(__name__)


class UsageHistory:
    """Adds each look to what is open; the ten minutes in which a daemon ends are written down by it, or lost when it is killed."""

    def __init__(self, journal: Journal, host: HostWatch, usage: UsageWatch, clock: Clock) -> None:
        self._journal = journal
        self._host = host
        self._usage = usage
        self._clock = clock
        self._open: dict[tuple[str, str, str], UsageSpan] = {}
        self._seen: tuple[datetime | None, datetime | None] = (None, None)

    async def look(self) -> None:
        """Add what was read last, and write down what is complete."""
        began = began_of(self._clock.now())
        complete = [each for each in self._open.values() if each.began != began]
        if complete:
            await self._write(complete)
            self._open = {key: each for key, each in self._open.items() if each.began == began}
        for key, cpu, memory in self._read():
            self._open[key] = self._open.get(key, empty(key, began)).with_reading(cpu, memory)

    async def stop(self) -> None:
        """Write down what is open; the next daemon begins anew with the same ten minutes."""
        await self._write(list(self._open.values()))
        self._open = {}

    async def of(self, project: str, environment: str, service: str, since: datetime) -> list[UsageSpan]:
        """Return what a service used, the oldest first; with three times "" what the host used. The last one is still open."""
        written = await self._journal.usage(project, environment, service, since)
        now = self._open.get((project, environment, service))
        if now is None:
            return written
        before = [each for each in written if each.began == now.began]  # by a daemon before this one
        return [*(each for each in written if each.began != now.began), before[0].joined(now) if before else now]

    def _read(self) -> Iterable[tuple[tuple[str, str, str], float, int]]:
        """Yield what was not yet read at the last look: while the engine is away nothing is known of the replicas."""
        before, reading = self._seen, self._host.now()
        self._seen = (reading.at, self._usage.read_at)
        if reading.cpu is not None and reading.at != before[0]:
            figures = reading.figures
            yield HOST, reading.cpu / 100 * self._host.cpus(), figures.memory - figures.available
        for observed in self._usage.observed if self._usage.read_at != before[1] else ():
            using = self._usage.using(observed)
            if any(each.cpu is not None for each in using):
                yield observed.key, sum(each.cpu or 0.0 for each in using), sum(each.memory for each in using)

    async def _write(self, spans: list[UsageSpan]) -> None:
        try:
            now = self._clock.now()
            await self._journal.put_usage(spans, (now - KEPT, now + SPAN))
        except Problem as problem:  # a full disk: a gap in the history
            log.warning("what was used could not be written down: %s", problem)
