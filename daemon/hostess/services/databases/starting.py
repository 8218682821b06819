"""Servers of databases in containers of their own: when they take connections."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from hostess.domain.ports import Clock, Container, Engine
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload

LIMIT = timedelta(seconds=60)
PAUSE = 0.25


async def server_started(
    engine: Engine, clock: Clock, container: Container, workload: Workload, within: timedelta, code: str
) -> None:
    """Return once a server takes connections; Problem *code* with its last words when it ended or took longer than *within*."""
    ready = workload.health.command if workload.health and workload.health.command else ()
    with suppress(TimeoutError):
        async with asyncio.timeout(within.total_seconds()):
            while await _runs(engine, container):
                if (await engine.execute(container.id, ready, LIMIT))[0] == 0:
                    return
                await clock.sleep(PAUSE)
    said = [line.text for line in await engine.logs(container.id, 5)]
    raise Problem(code, f"the server did not start: {' / '.join(said)[-400:]}")


async def _runs(engine: Engine, container: Container) -> bool:
    now = await engine.container(container.id)
    return now is not None and now.state == "running"
