"""One deployment at a time per environment; of those that wait, a newer push replaces an older one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hostess.domain.problem import Problem


@dataclass(eq=False)
class _Waiting:
    commit: str
    replaceable: bool
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """The lock of each environment, first come first served."""

    def __init__(self) -> None:
        self._held: set[tuple[str, str]] = set()
        self._queues: dict[tuple[str, str], list[_Waiting]] = {}
        self._wanted: dict[tuple[str, str], asyncio.Event] = {}

    def busy(self, project: str, environment: str) -> bool:
        """Whether somebody holds the environment."""
        return (project, environment) in self._held

    def wanted(self, project: str, environment: str) -> bool:
        """Whether somebody waits for the environment."""
        return bool(self._queues.get((project, environment)))

    async def until_wanted(self, project: str, environment: str) -> None:
        """Return once somebody waits for the environment, which the caller holds."""
        key = (project, environment)
        wanted = self._wanted.setdefault(key, asyncio.Event())
        while not self.wanted(project, environment):
            wanted.clear()
            await wanted.wait()

    @asynccontextmanager
    async def turn(self, project: str, environment: str, commit: str = "") -> AsyncIterator[None]:
        """Hold the environment.

        With a *commit* this is a push: it takes the place of a push that still waits, whose `turn` raises Problem
        "superseded", and may itself be replaced while it waits.
        """
        key = (project, environment)
        if key in self._held:
            waiting = _Waiting(commit, replaceable=bool(commit))
            queue = self._queues.setdefault(key, [])
            if commit:
                _supersede(queue, commit)
            queue.append(waiting)
            if key in self._wanted:
                self._wanted[key].set()
            try:
                await waiting.turn
            except BaseException:
                if waiting in queue:
                    queue.remove(waiting)
                elif waiting.turn.done() and not waiting.turn.cancelled() and waiting.turn.exception() is None:
                    self._pass_on(key)
                raise
        else:
            self._held.add(key)
        try:
            yield
        finally:
            self._pass_on(key)

    def _pass_on(self, key: tuple[str, str]) -> None:
        queue = self._queues.get(key, [])
        while queue:
            waiting = queue.pop(0)
            if not waiting.turn.done():
                waiting.turn.set_result(None)
                return
        self._queues.pop(key, None)
        self._wanted.pop(key, None)
        self._held.discard(key)


def _supersede(queue: list[_Waiting], commit: str) -> None:
    for waiting in [w for w in queue if w.replaceable]:
        queue.remove(waiting)
        if not waiting.turn.done():
            waiting.turn.set_exception(
                Problem(
                    "superseded",
                    f"a newer push ({commit[:7]}) took the place of this one, which still waited",
                    remedy="nothing to do: the newer push is deployed instead",
                )
            )
