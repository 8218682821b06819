"""Opens connections to targets: the one part of an exchange that waits."""

import asyncio
from collections.abc import Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy.http2.upstream import Http2Upstream
from hostess_proxy.upstream import Upstream

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.http2.pool import Pool
    from hostess_proxy.targets import Target
    from hostess_proxy.traffic import Traffic

CONNECT_SECONDS: Final = 2.0


class Dialer:
    """Opens connections to targets; each attempt is a task that is owned and ended here."""

    def __init__(self, traffic: "Traffic") -> None:
        self._traffic = traffic
        self._tasks: set[asyncio.Task[None]] = set()

    def dial(self, target: "Target", exchange: "Exchange") -> None:
        """Open a connection for *exchange*, which hears `connected` or `connect_failed`.

        Where requests share connections, one is opened at a time, for all that wait.
        """
        pool = target.pool
        if pool is None:
            self._start(self._dial(target, exchange))
            return
        pool.wait(exchange)
        if not pool.is_dialling:
            pool.is_dialling = True
            self._start(self._dial_shared(target, pool))

    def _start(self, dialling: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(dialling)
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
        counts = exchange.counts or self._traffic.counters.nobody
        started = monotonic()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: cast("asyncio.Protocol", upstream), target.host, target.port)
        except OSError:  # a timeout is one, too
            counts.failed("connect")
            exchange.connect_failed(target)
        else:
            exchange.connect = monotonic() - started
            counts.connect.add(exchange.connect)
            exchange.connected(upstream)

    async def _dial_shared(self, target: "Target", pool: "Pool") -> None:
        loop = asyncio.get_running_loop()
        connection = Http2Upstream(self._traffic, target, pool)
        is_open = True
        started = monotonic()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: connection, target.host, target.port)
        except OSError:
            is_open = False
        pool.is_dialling = False
        waiting = pool.waiting()
        counts = next((exchange.counts for exchange in waiting), None) or self._traffic.counters.nobody
        if not is_open or connection.closing:
            counts.failed("connect")
            for exchange in waiting:
                exchange.connect_failed(target)
            return
        counts.connect.add(monotonic() - started)
        pool.add(connection)
        for exchange in waiting:
            stream = pool.take()
            if stream is None:
                self.dial(target, exchange)
            else:
                exchange.connected(stream)
