"""What must be written down before anything else may happen: tried until the disk takes it."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hostess.domain.ports import Clock
from hostess.domain.problem import Problem
from hostess.domain.releases.push import Say

AGAIN = 2.0

T = TypeVar("T")

log = logging.getLogger(__name__)


async def until_written(clock: Clock, write: Callable[[], Awaitable[T]], say: Say | None = None) -> T:
    """Return what *write* returns; while the journal cannot be written (a full disk), try again.

    Meant for the end of a deployment, which holds its environment meanwhile: nothing else can be written there either. Whoever
    listens to *say* is told once why nothing moves.
    """
    told = False
    while True:
        try:
            return await write()
        except Problem as problem:
            if problem.code != "journal-failed":
                raise
            if not told:
                log.error("%s; it is tried again until it can be written", problem)  # noqa: TRY400 -- a Problem is words
                if say is not None:
                    say(
                        " !     the end of this cannot be written down: is the disk full? It is tried again until it can."
                    )
                    say(" !     to free space: hostess gc; you need not wait, the outcome above stands")
                told = True
        await clock.sleep(AGAIN)
