"""Steps of a deployment: each is written down before and after, and its time is taken."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import Plan
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Deployment, Release

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """One deployment to carry out. *migrate*: whether hooks run. *may_switch* looks once more, right before the switch.

    *committed* is called when nobody may cancel the deployment's task any more: it switches now, or is being taken back.
    *entered* is called with the phase that each step belongs to.
    """

    deployment: Deployment
    place: Place
    wanted: Release
    live: Release | None
    say: Say
    committed: Callable[[], None]
    entered: Callable[[str], None]
    migrate: bool = True
    may_switch: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True)
class Progress:
    """What one run has done so far, for its own undoing. *paused* are the services that were stopped to be handed over."""

    plan: Plan
    seconds: dict[str, float] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    paused: list[str] = field(default_factory=list)
    switched: bool = False


class Phases:
    """Where a deployment is, and the seconds of the phases before its first step: steps take their own time."""

    def __init__(self) -> None:
        self.name = ""
        self.seconds: dict[str, float] = {}
        self._since: datetime | None = None

    def at(self, name: str) -> None:
        """Be in a phase that is timed elsewhere."""
        self.name = name

    def enter(self, name: str, now: datetime) -> None:
        """Leave one phase for the next."""
        if self._since is not None:
            self.seconds[self.name] = (now - self._since).total_seconds()
        self.name, self._since = name, now


class Steps:
    """Writes steps down."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    @asynccontextmanager
    async def step(
        self, order: Order, progress: Progress, phase: str, name: str, detail: Mapping[str, object] | None = None
    ) -> AsyncIterator[None]:
        """Carry out the block as one step, which counts to *phase*."""
        began = self._clock.now()
        order.entered(phase)
        step = await self._journal.begin_step(order.deployment.id, name, detail or {}, began, phase)
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            ended = self._clock.now()
            progress.seconds[phase] = progress.seconds.get(phase, 0.0) + (ended - began).total_seconds()
            try:
                await asyncio.shield(self._journal.end_step(step, outcome, ended))
            except Problem as problem:
                # What was done is done; a disk that stays full stops the next step before it begins.
                log.warning("the end of %s was not written down: %s", name, problem)
