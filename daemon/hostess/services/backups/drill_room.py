"""Where drills are held: one at a time on the host, each with an end and a proof of what it showed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hostess.domain.backups import drills
from hostess.domain.backups.backup import Proof
from hostess.domain.ports import Clock
from hostess.domain.problem import Problem
from hostess.services.under_way import UnderWay

Prove = Callable[[], Awaitable[None]]
Record = Callable[[Proof], Awaitable[None]]

log = logging.getLogger(__name__)


class DrillRoom:
    """Holds them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: UnderWay[None] = UnderWay("a drill")
        self._place = asyncio.Semaphore(1)

    def begin(self, what: str, prove: Prove, record: Record) -> None:
        """Hold one when its turn comes, unless there is one of *what* already; *record* gets the proof, that of a failure too."""
        self._under_way.begin(what, self._held(what, prove, record))

    async def stop(self) -> None:
        """End the drill that is under way; it proves nothing."""
        await self._under_way.stop()

    async def _held(self, what: str, prove: Prove, record: Record) -> None:
        async with self._place:
            began, problem = self._clock.now(), ""
            try:
                async with asyncio.timeout(drills.LONGEST.total_seconds()):
                    await prove()
            except Problem as caught:
                problem = str(caught)
            except TimeoutError:
                problem = f"it took longer than {drills.LONGEST}"
            except Exception:
                log.exception("the drill of %s ended in a bug", what)
                problem = "something in Hostess itself went wrong; the daemon's log has the details"
            now = self._clock.now()
            await record(Proof(now, round((now - began).total_seconds(), 3), problem))
