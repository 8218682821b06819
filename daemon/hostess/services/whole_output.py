"""What a container that runs to its end writes, from its first line to its last."""

import asyncio
from collections.abc import Callable

from hostess.domain.ports import Engine

EVERY_LINE = 1_000_000
SILENCE = 2.0
CUT = "(what it wrote after that is not here: the container engine told no more of it)"


class WholeOutput:
    """Tells each line as it is written. The last ones come after the container has ended: `finish` waits for them.

    *lines*: how many of those that were written before are told, of a container that was not started just now. *silence*: seconds
    without a line after which, once the container has ended, no other is waited for.
    """

    def __init__(
        self,
        engine: Engine,
        container: str,
        tell: Callable[[str], None],
        lines: int = EVERY_LINE,
        silence: float = SILENCE,
    ) -> None:
        self._engine = engine
        self._container = container
        self._tell = tell
        self._lines = lines
        self._silence = silence
        self._told = 0
        self._following = asyncio.ensure_future(self._follow())

    async def finish(self) -> None:
        """Return when every line is told; where the engine stops to tell them, that is said instead of the rest."""
        told = -1
        while not self._following.done() and told < self._told:
            told = self._told
            await asyncio.wait([self._following], timeout=self._silence)
        if not self._following.done():
            self._tell(CUT)

    async def close(self) -> None:
        """Tell no more."""
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        async for line in self._engine.follow(self._container, self._lines):
            self._told += 1
            self._tell(line.text)
