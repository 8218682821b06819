"""Calls for services that sleep."""

import asyncio

from hostess_proxy.control.calls import MAX_CALLS, Calls

A, B = ("shop", "a", "a.x", "/"), ("shop", "b", "b.x", "/")


def message(*routes: tuple[str, ...]) -> dict[str, object]:
    """Make what a worker says."""
    return {"op": "wanted", "routes": [list(route) for route in routes]}


async def test_told_once() -> None:
    """What several workers call for is told once, and not again within a second."""
    calls = Calls()
    calls.hear(message(A))
    calls.hear(message(A, B))

    assert sorted(await calls.next(5)) == [A, B]
    calls.hear(message(A, B))
    assert await calls.next(0.01) == []


async def test_told_at_once() -> None:
    """Who waits for calls hears of the first at once."""
    calls = Calls()
    waiting = asyncio.create_task(calls.next(60))
    await asyncio.sleep(0)

    calls.hear(message(B))

    assert await waiting == [B]


async def test_bounded() -> None:
    """However many are called for, only so many are kept; what is no call changes nothing."""
    calls = Calls()
    calls.hear({"op": "other"})
    calls.hear(message(*(("p", str(number), "h", "/") for number in range(MAX_CALLS + 5))))

    assert len(await calls.next(5)) == MAX_CALLS
