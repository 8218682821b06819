"""Requests that the proxy holds, waited for by tests."""

import asyncio

from tests.integration.proxy.stage import Response, Stage


def held(stage: Stage) -> int:
    """Return how many requests wait."""
    return sum(len(room.waiting) for room in stage.traffic.holding._rooms.values())


async def asked(
    stage: Stage, count: int, request: str = "GET /{} HTTP/1.1\r\nHost: a.x\r\n\r\n"
) -> list[asyncio.Task[Response]]:
    """Let so many clients ask, one after another; return when all of them wait."""
    before = held(stage)
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(stage.ask(request.format(number).encode())))
        await stage.until(lambda number=number: held(stage) == before + number + 1)  # type: ignore[misc]
    return tasks
