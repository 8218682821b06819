"""Where the lines of apps are drained to."""

from collections.abc import Sequence
from typing import Protocol

from hostess.domain.drains import Drained, Target


class Drain(Protocol):
    """One receiver. It is spoken with by one at a time."""

    @property
    def target(self) -> Target:
        """Which it is."""

    async def send(self, lines: Sequence[Drained]) -> None:
        """Hand lines over, in bounded time, connecting where that is needed.

        Problem "drain-away" when it is worth trying again, "drain-refused" when these lines will never be taken.
        """

    async def close(self) -> None:
        """Hang up."""
