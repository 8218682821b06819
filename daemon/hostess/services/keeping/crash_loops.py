"""What is remembered of replicas that end again and again. What was stopped for it stays stopped over a restart of the daemon."""

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.crash_loops import Limits, Loop
from hostess.domain.ports import Clock, Container, Journal
from hostess.domain.problem import Problem

LIMITS = Limits()
NOTE = "crash loops"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was stopped, by the container's id."""

    loops: Mapping[str, Loop] = field(default_factory=dict)


class CrashLoops:
    """Counts deaths in memory; only what was stopped is written down."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._loops: dict[str, Loop] = {}

    async def recover(self) -> None:
        """Know again what was stopped before the daemon was started."""
        raw = await self._journal.note(NOTE)
        try:
            self._loops = dict(from_json(_Kept, json.loads(raw)).loops) if raw else {}
        except (ValueError, CodecError):
            log.warning("which replicas were stopped cannot be read: they are started again")

    def of(self, container: str) -> Loop:
        """Return what is remembered of a container."""
        return self._loops.get(container, Loop())

    def rests(self, container: str) -> bool:
        """Whether a container must not be started yet."""
        return self.of(container).rests(self._clock.now(), LIMITS)

    def lasts(self, container: Container) -> bool:
        """Whether a container is in a loop: it was stopped, and has not run for long since."""
        loop, running = self.of(container.id), container.state == "running"
        return loop.lasts(container.started_at, self._clock.now(), LIMITS, running=running)

    def is_steady(self, container: Container) -> bool:
        """Whether a container runs for long enough that its earlier deaths are no loop."""
        started_at = container.started_at
        return (
            container.state == "running" and started_at is not None and self._clock.now() - started_at >= LIMITS.steady
        )

    async def died(self, container: str, lived: timedelta | None, *, spared: bool) -> Loop:
        """Count a death, and return what is known after it. What is *spared* is counted, and not stopped."""
        before, now = self.of(container), self._clock.now()
        after = before.after(lived, now, LIMITS)
        if spared and after.until != before.until:
            after = Loop(after.deaths, before.stops, before.until)
        self._loops[container] = after
        if after.stops != before.stops:
            await self._write()
        return after

    async def forget_all_but(self, containers: Collection[str]) -> None:
        """Forget what is gone."""
        gone = self._loops.keys() - set(containers)
        written = any(self._loops[each].stops for each in gone)
        for each in gone:
            del self._loops[each]
        if written:
            await self._write()

    async def _write(self) -> None:
        kept = _Kept({container: loop for container, loop in self._loops.items() if loop.stops})
        try:
            await self._journal.set_note(NOTE, json.dumps(to_json(kept)))
        except Problem as problem:  # a full disk: it counts for as long as this daemon runs
            log.warning("which replicas are stopped could not be written down: %s", problem)
