"""Draining: wait until targets have nothing in flight, counted and not timed; cut what is left at the deadline."""

import asyncio
from collections.abc import Sequence

from hostess_proxy.targets import Target


async def drain(targets: Sequence[Target], within: float, upgraded_within: float) -> int:
    """Wait until nothing is in flight at *targets*; return how many exchanges had to be cut.

    Requests are cut after *within* seconds, upgraded connections after *upgraded_within* where that is later.
    """
    if await _all_empty(targets, within):
        return 0
    cut = _cut(targets, upgraded=upgraded_within <= within)
    if not await _all_empty(targets, upgraded_within - within):
        cut += _cut(targets, upgraded=True)
    return cut


async def _all_empty(targets: Sequence[Target], within: float) -> bool:
    try:
        async with asyncio.timeout(max(within, 0)):
            for target in targets:
                await target.empty()
    except TimeoutError:
        return False
    return True


def _cut(targets: Sequence[Target], *, upgraded: bool) -> int:
    doomed = [exchange for target in targets for exchange in target.exchanges if upgraded or not exchange.upgraded]
    for exchange in doomed:
        exchange.cut()
    return len(doomed)
