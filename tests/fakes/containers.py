"""A container of the fake engine: what it is, what it wrote, and the task that is its life."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hostess.domain.ports import Container, ContainerSpec, LogLine
from tests.fakes.building import Recipe
from tests.fakes.programs import Box


@dataclass
class Running:
    """A container of the fake."""

    value: Container
    spec: ContainerSpec
    recipe: Recipe
    place: int
    logs: list[LogLine] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: bool = False

    def write(self, stream: str, text: str) -> None:
        """Append a line to its log and wake who follows."""
        self.logs.append(LogLine(datetime.now(UTC), stream, text))
        self.wake()

    def wake(self) -> None:
        """Let who waits look again."""
        news, self.news = self.news, asyncio.Event()
        news.set()

    def box(self, argv: tuple[str, ...], address: str) -> Box:
        """Return the inside as its first process sees it."""
        return Box(
            argv, {**(self.recipe.env or {}), **self.spec.env}, address, self.write, self.stopping, self.spec.files
        )
