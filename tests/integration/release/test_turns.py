"""One deployment at a time per environment."""

import asyncio

from hostess.domain.problem import Problem
from hostess.services.deploying.turns import Turns


async def test_second_waits_for_the_first() -> None:
    """An environment is held by one at a time, in order of arrival."""
    turns, order, inside = Turns(), list[str](), asyncio.Event()

    async def hold(name: str) -> None:
        async with turns.turn("shop", "production"):
            order.append(name)
            if name == "first":
                await inside.wait()

    first = asyncio.create_task(hold("first"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(hold(name)) for name in ("second", "third")]
    await asyncio.sleep(0)
    assert order == ["first"]
    inside.set()
    await asyncio.gather(first, *others)

    assert order == ["first", "second", "third"]
    assert not turns.busy("shop", "production")


async def test_newer_push_supersedes_one_that_waits() -> None:
    """A push that still waits gives way to a newer one, and its pusher is told (scenario 6)."""
    turns, release = Turns(), asyncio.Event()

    async def hold(commit: str) -> str:
        async with turns.turn("shop", "production", commit):
            await release.wait()
            return commit

    tasks = []
    for commit in ("a" * 40, "b" * 40, "c" * 40):
        tasks.append(asyncio.create_task(hold(commit)))
        await asyncio.sleep(0)
    release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert results[0] == "a" * 40
    assert isinstance(results[1], Problem)
    assert results[1].code == "superseded"
    assert results[2] == "c" * 40


async def test_a_waiter_that_is_cancelled_blocks_nobody() -> None:
    """Cancelling a deployment that waits leaves the queue whole."""
    turns, release = Turns(), asyncio.Event()

    async def hold() -> bool:
        async with turns.turn("shop", "production"):
            await release.wait()
            return True

    first, second, third = (asyncio.create_task(hold()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    release.set()

    assert await first
    assert await third
    assert second.cancelled() or await asyncio.wait([second])
    assert not turns.busy("shop", "production")
