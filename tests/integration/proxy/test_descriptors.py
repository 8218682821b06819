"""A worker without places or file descriptors for more: it goes on with what it has, and recovers."""

import asyncio
import resource
from pathlib import Path

import psutil

from tests.integration.proxy.processes import GET, a_backend, a_proxy, table, until
from tests.integration.proxy.stage import read_response
from tests.integration.proxy.test_crowds import is_closed


async def test_more_idle_connections_than_places(tmp_path: Path) -> None:
    """Three times as many idle connections as a worker has places for keep nobody out; the figures tell how many had to go."""
    async with a_backend() as backend, a_proxy(tmp_path, WORKERS="1", CONNECTIONS="100") as proxy:
        await proxy.client.publish(table(backend))
        for _ in range(300):
            await proxy.connect()

        for _ in range(20):
            assert (await proxy.get()).status == 200

        stats = await proxy.client.stats()
        assert stats["connections_refused"] == 0
        assert stats["connections_evicted"] >= 200
        assert stats["connections"] <= 107


async def test_no_descriptors_left(tmp_path: Path) -> None:
    """Out of descriptors, a worker closes what it cannot take, serves on what it has, and takes new ones as soon as it can."""
    async with a_backend() as backend, a_proxy(tmp_path, WORKERS="1") as proxy:
        await proxy.client.publish(table(backend))
        kept, writer = await proxy.connect()
        writer.write(GET)
        await read_response(kept)
        (worker,) = (psutil.Process(pid) for pid in proxy.state.workers)
        before = worker.rlimit(resource.RLIMIT_NOFILE)
        worker.rlimit(resource.RLIMIT_NOFILE, (worker.num_fds() + 10, before[1]))

        many = [await proxy.connect() for _ in range(40)]
        waiting = [asyncio.create_task(is_closed(reader)) for reader, _ in many]
        await until(lambda: sum(task.done() for task in waiting) >= 20)
        writer.write(GET)
        assert (await read_response(kept)).status == 200

        worker.rlimit(resource.RLIMIT_NOFILE, before)
        for task, (_, one) in zip(waiting, many, strict=True):
            task.cancel()
            one.transport.abort()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await proxy.get()).status == 200
        assert proxy.state.workers == (worker.pid,)
