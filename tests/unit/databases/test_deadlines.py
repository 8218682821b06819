"""Time that servers get: it passes while they are asked, too, not in pauses alone."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from hostess.domain.backups import redis_backup
from hostess.domain.hostess_yml.stack import Health, ServiceType
from hostess.domain.ports import Container, Engine, LogLine
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload
from hostess.services.backups import restore_redis
from hostess.services.backups.restore_redis import RedisRestore
from hostess.services.databases.starting import server_started
from tests.fakes.clock import FakeClock

SOON = timedelta(seconds=0.2)
CONTAINER = Container("c1", "postgres", "sha256:1", {}, "running")
WORKLOAD = Workload(
    name="db",
    type=ServiceType.POSTGRES,
    image="sha256:1",
    spec="1",
    sealed_env="",
    replicas=1,
    cpu=1,
    memory=1,
    singleton=True,
    health=Health(command=("pg_isready",)),
)


class Hung:
    """An engine whose container answers nothing, and says so."""

    async def container(self, _: str) -> Container:
        """Return the container: it runs."""
        return CONTAINER

    async def execute(self, _: str, command: Sequence[str], timeout: timedelta) -> tuple[int, str]:
        """Hang, but where a server is started."""
        if command != redis_backup.SERVE:
            await asyncio.sleep(timeout.total_seconds())
        return 0, ""

    async def within(self, *_: object) -> int:
        """Do nothing."""
        return 0

    async def logs(self, *_: object) -> list[LogLine]:
        """Return its last words."""
        return [LogLine(datetime.now(UTC), "stderr", "out of memory")]


async def test_a_server_that_does_not_answer_has_not_started() -> None:
    """The time is over while it is being asked; what it said last is told."""
    async with asyncio.timeout(25):
        with pytest.raises(Problem) as late:
            await server_started(cast("Engine", Hung()), FakeClock(), CONTAINER, WORKLOAD, SOON, "too-late")

    assert (late.value.code, late.value.what) == ("too-late", "the server did not start: out of memory")


async def test_a_server_that_does_not_tell_how_far_it_is_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redis beside that loads a snapshot and answers nothing has its time, not that of each question."""
    monkeypatch.setattr(restore_redis, "LOADING", SOON)
    nothing = cast("Any", None)
    redis = RedisRestore(cast("Engine", Hung()), nothing, nothing, FakeClock())

    async with asyncio.timeout(25):
        with pytest.raises(Problem, match="loading the snapshot took longer than") as late:
            await redis.serve(CONTAINER, "a-mark", nothing, nothing)

    assert late.value.code == "restore-interrupted"
