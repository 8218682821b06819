"""Tables that several wait for at once."""

import asyncio

import pytest

from hostess.domain.problem import Problem
from tests.world import Bench, web


async def test_who_waits_together_shares_a_table(bench: Bench) -> None:
    """Tokens that come while a table is made are all in the next one, and no table is made for each."""
    before, routing = len(bench.router.tables), bench.world.routing

    async def is_out(token: str) -> bool:
        async with routing.recognised(token, "answer"):
            return token in bench.router.challenges[-1].http

    found = await asyncio.gather(*(is_out(f"token{number}") for number in range(20)))

    assert all(found)
    assert len(bench.router.tables) == before + 2


async def test_one_after_the_other_makes_two(bench: Bench) -> None:
    """Each who asks when nothing is under way gets a table of his own, and is told its generation; so are those who share."""
    routing = bench.world.routing
    first = await routing.publish()
    shared = await asyncio.gather(*(routing.publish() for _ in range(3)))

    assert shared == [first + 1, first + 2, first + 2]
    assert await routing.publish() == len(bench.router.tables) == first + 3


async def test_a_table_that_failed_is_shared_with_nobody(bench: Bench) -> None:
    """Who waits for a proxy that is away is told so, and the first who asks when it is back gets a table."""
    assert (await bench.push("shop", web())).accepted
    bench.router.unreachable = True
    found = await asyncio.gather(*(bench.world.routing.publish() for _ in range(3)), return_exceptions=True)
    bench.router.unreachable = False

    assert [type(each) for each in found] == [Problem] * 3
    assert await bench.world.routing.publish() == len(bench.router.tables)


async def test_who_made_the_table_goes_away(bench: Bench) -> None:
    """When the one who makes a table is cancelled, the others get theirs all the same."""
    routing = bench.world.routing
    making = asyncio.create_task(routing.publish())
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(routing.publish()) for _ in range(3)]
    await asyncio.sleep(0)
    making.cancel()

    assert await asyncio.gather(*waiting) == [len(bench.router.tables)] * 3
    with pytest.raises(asyncio.CancelledError):
        await making
