"""Opens connections to targets: the one part of an exchange that waits."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy.upstream import Upstream

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.targets import Target
    from hostess_proxy.traffic import Traffic

CONNECT_SECONDS: Final = 2.0


class Dialer:
    """Opens connections to targets; each attempt is a task that is owned and ended here."""

    def __init__(self, traffic: "Traffic") -> None:
        self._traffic = traffic
        self._tasks: set[asyncio.Task[None]] = set()

    def dial(self, target: "Target", exchange: "Exchange") -> None:
        """Open a connection for *exchange*, which hears `connected` or `connect_failed`."""
        task = asyncio.get_running_loop().create_task(self._dial(target, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all attempts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _dial(self, target: "Target", exchange: "Exchange") -> None:
        loop = asyncio.get_running_loop()
        upstream = Upstream(self._traffic, target)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: cast("asyncio.Protocol", upstream), target.host, target.port)
        except OSError:  # a timeout is one, too
            exchange.connect_failed(target)
        else:
            exchange.connected(upstream)
