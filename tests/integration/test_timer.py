"""The daemon's timer, whose wall clock jumps."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar, Self

import pytest
from apscheduler.executors import base as executors
from apscheduler.schedulers import base as schedulers

from hostess.adapters.timer_apscheduler import SchedulerTimer

SOON = 25.0
OFTEN = timedelta(milliseconds=20)


class Wall(datetime):
    """A wall clock that goes on from where it was put."""

    ahead: ClassVar[timedelta] = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return what it is by this clock."""
        return super().now(tz) + cls.ahead

    @classmethod
    def put(cls, instant: str) -> None:
        """Let it be this instant, in UTC."""
        cls.ahead = datetime.fromisoformat(instant).replace(tzinfo=UTC) - datetime.now(UTC)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> type[Wall]:
    """Give the clock that the scheduler reads."""
    for module in (executors, schedulers):
        monkeypatch.setattr(module, "datetime", Wall)
    Wall.put("2026-01-01T12:00")
    return Wall


class Count:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.times = 0
        self._called = asyncio.Event()

    async def __call__(self) -> None:
        """Count."""
        self.times += 1
        self._called.set()

    async def more(self) -> None:
        """Return once it is called again."""
        self._called.clear()
        async with asyncio.timeout(SOON):
            await self._called.wait()


@pytest.fixture
async def timer(wall: type[Wall]) -> AsyncIterator[SchedulerTimer]:
    """Give a timer that runs."""
    timer = SchedulerTimer(lambda: wall.now(UTC), OFTEN)
    timer.start()
    yield timer
    timer.stop()


@pytest.mark.parametrize("instant", ["2025-12-31T12:00", "2026-01-01T13:00", "2082-01-01T12:00"])
async def test_intervals_do_not_mind_the_wall_clock(timer: SchedulerTimer, wall: type[Wall], instant: str) -> None:
    """What is done every moment goes on when the clock is put back by a day, or ahead by an hour or by 56 years."""
    count = Count()
    timer.every(OFTEN, "tick", count)
    await count.more()

    wall.put(instant)

    await count.more()
    await count.more()


@pytest.mark.parametrize("ahead", ["2026-01-02T02:00:30", "2082-01-02T02:00:30"])
async def test_what_a_jump_passed_over_is_done_once(timer: SchedulerTimer, wall: type[Wall], ahead: str) -> None:
    """A clock that is put ahead past one time of a schedule, or thousands, lets its work be done soon, and once."""
    count, ticks = Count(), Count()
    timer.at("nightly", "* * * * *" if "2082" in ahead else "daily", count)

    wall.put(ahead)
    await count.more()
    timer.every(OFTEN, "tick", ticks)
    for _ in range(5):
        await ticks.more()

    assert count.times == 1


async def test_a_clock_that_was_wrong_keeps_nothing_waiting(timer: SchedulerTimer, wall: type[Wall]) -> None:
    """Work that was planned while the clock was years ahead is done at its time after the clock was set right."""
    wall.put("2082-01-01T12:00")
    count, ticks = Count(), Count()
    timer.at("nightly", "daily", count)
    timer.every(OFTEN, "tick", ticks)
    await ticks.more()

    wall.put("2026-01-01T12:00")
    for _ in range(5):
        await ticks.more()
    wall.put("2026-01-02T02:00:01")

    await count.more()
