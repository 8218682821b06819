"""Maintenance and pauses: what somebody closes, until it is opened again, or until a pause has lasted long enough."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from hostess.domain.ports import OUTDATED, Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.routing.closures import PAUSE_REQUESTS, PAUSE_SECONDS, Closing, Closure, closing, over
from hostess.services.routing.publishing import Routing

RETRY = timedelta(seconds=5)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """What is closed or opened: a service of what is live, or ("") everything in the environment."""

    project: str
    environment: str
    service: str = ""


class Closures:
    """Keeps them in the journal and in the table. `run` ends pauses that are over, whether this daemon began them or not."""

    def __init__(self, journal: Journal, routing: Routing, clock: Clock) -> None:
        self._journal = journal
        self._routing = routing
        self._clock = clock
        self._wake = asyncio.Event()

    async def of(self, project: str, environment: str) -> list[Closure]:
        """Return what is closed in an environment."""
        now = self._clock.now()
        found = await self._journal.closures()
        return [c for c in found if (c.project, c.environment) == (project, environment) and not over(c, now)]

    async def close(self, closure: Closure) -> None:
        """Close a service, or all of them; what was said before of the same is replaced. It holds when this returns."""
        await self._check(Target(closure.project, closure.environment, closure.service))
        await self._journal.put_closure(closure)
        try:
            await self._routing.publish()
        except Problem as problem:
            if problem.code == OUTDATED:  # what this proxy cannot do would be in the way of every other table
                await self._journal.drop_closures([closure])
            raise
        await self._tell(closure, "on")
        self._wake.set()

    async def open(self, kind: Closing, target: Target) -> list[Closure]:
        """Open a service, or all of an environment with its services; return what was closed. It holds when this returns."""
        there = [c for c in await self.of(target.project, target.environment) if c.kind is kind]
        gone = [c for c in there if target.service in {"", c.service}]
        if target.service and not gone and any(not c.service for c in there):
            raise Problem(
                "closed-as-a-whole",
                f"{kind} holds for all of {target.environment}, not for {target.service} alone",
                remedy=f"end it for all: leave {target.service} out",
            )
        await self._journal.drop_closures(gone)
        # Also when there was nothing: who asks again after a proxy did not answer wants it to hold.
        await self._routing.publish()
        for closure in gone:
            await self._tell(closure, "off")
        return gone

    @asynccontextmanager
    async def paused(self, project: str, environment: str, services: Iterable[str]) -> AsyncIterator[None]:
        """Let requests to these services wait meanwhile, for PAUSE_SECONDS at most.

        What nobody reaches from outside is passed over, and what somebody has closed already.
        """
        live, now = await self._journal.live(project, environment), self._clock.now()
        there = await self.of(project, environment)
        until = now + timedelta(seconds=PAUSE_SECONDS)
        begun = [
            Closure(project, environment, Closing.PAUSE, name, now, "hostess", requests=PAUSE_REQUESTS, until=until)
            for name in services
            if live is not None
            and name in live.workloads
            and live.workloads[name].hosts
            and closing(there, Closing.PAUSE, name) is None
        ]
        try:
            for closure in begun:
                await self.close(closure)
            yield
        finally:
            for closure in begun:
                try:
                    await self.open(Closing.PAUSE, Target(project, environment, closure.service))
                except Problem as problem:  # it ends by itself
                    log.warning("the pause of %s was not ended: %s", closure.service, problem)

    async def run(self) -> None:
        """End each pause when it is over, until cancelled."""
        while True:
            self._wake.clear()
            wait = await self._end_what_is_over()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _end_what_is_over(self) -> float | None:
        """Return the seconds until the next one is over; None when none is going to be."""
        try:
            now = self._clock.now()
            known = await self._journal.closures()
            gone = [closure for closure in known if over(closure, now)]
            if gone:
                await self._routing.publish()
                await self._journal.drop_closures(gone)
                for closure in gone:
                    await self._tell(closure, "over")
        except Problem as problem:
            log.warning("a pause that is over could not be ended: %s; this is tried again", problem)
            return RETRY.total_seconds()
        left = [closure.until for closure in known if closure.until is not None and closure not in gone]
        return max((min(left) - self._clock.now()).total_seconds(), 0.0) if left else None

    async def _check(self, target: Target) -> None:
        """Raise Problem "service-not-found" for what nobody reaches from outside."""
        live = await self._journal.live(target.project, target.environment)
        if not target.service:
            return
        known: Sequence[str] = [name for name, w in live.workloads.items() if w.hosts] if live else []
        if target.service not in known:
            raise Problem(
                "service-not-found",
                f"{target.project} ({target.environment}) has no service {target.service} that is reached from outside",
                remedy=f"there is: {', '.join(known)}" if known else "deploy first: `git push hostess main`",
            )

    async def _tell(self, closure: Closure, what: str) -> None:
        who = closure.service or f"all of {closure.environment}"
        await self._journal.tell(
            f"{closure.kind}.{what}",
            f"{closure.kind} of {who} is {what}",
            self._clock.now(),
            project=closure.project,
            environment=closure.environment,
            data={"service": closure.service},
        )
