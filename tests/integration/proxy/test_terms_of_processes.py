"""What routes ask of requests, with the whole proxy as processes: what workers share, and what outlives them."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hostess_proxy.client import ProxyError, Wanted
from tests.integration.proxy.processes import Proxy, a_backend, a_proxy, table, until
from tests.integration.proxy.stage import Response

PAUSE = {"requests": 100, "seconds": 60}
ASLEEP = Wanted("shop", "web", "*", "/")


async def asked(proxy: Proxy, count: int) -> list[asyncio.Task[Response]]:
    """Let so many clients ask; return when the proxy has all their connections."""
    before = (await proxy.client.stats())["connections"]
    tasks = [asyncio.create_task(proxy.get()) for _ in range(count)]

    async def all_there() -> Any:
        return (await proxy.client.stats())["connections"] == before + count

    await until(all_there)
    return tasks


async def test_rate_of_all_workers(tmp_path: Path) -> None:
    """Workers count together: a client has one allowance, whichever of them it meets, and also when they are replaced."""
    async with a_backend() as backend, a_proxy(tmp_path, WORKERS="3") as proxy:
        await proxy.client.publish(table(backend, rate_limit={"requests": 1, "seconds": 1000, "burst": 5}))

        assert sorted([(await proxy.get()).status for _ in range(30)]) == [200] * 5 + [429] * 25

        before = proxy.state.workers
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: len(set(proxy.state.workers) - set(before)) == 3)
        assert (await proxy.get()).status == 429


async def test_pause_of_all_workers(tmp_path: Path) -> None:
    """Requests at all workers wait for the next table, those at a worker that was born in the pause, too."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend, pause=PAUSE))
        before = proxy.state.workers
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: len(set(proxy.state.workers) - set(before)) == 1)
        tasks = await asked(proxy, 50)
        assert not any(task.done() for task in tasks)

        await proxy.client.publish(table(backend))

        assert [response.status for response in await asyncio.gather(*tasks)] == [200] * 50


async def test_pause_outlives_the_proxy(tmp_path: Path) -> None:
    """A proxy that was killed in a pause pauses again from its first connection on."""
    async with a_backend() as backend:
        async with a_proxy(tmp_path) as proxy:
            await proxy.client.publish(table(backend, pause=PAUSE))
        async with a_proxy(tmp_path) as proxy:
            [task] = await asked(proxy, 1)
            assert backend.connections == 0

            await proxy.client.publish(table(backend))

            assert (await task).status == 200


async def test_wake(tmp_path: Path) -> None:
    """The daemon hears of a service that is asked for, once for all who wait at all workers, and its table lets them go on."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(wake={}, project="shop"))
        assert await proxy.client.wanted(within=0.05) == []
        hearing = asyncio.create_task(proxy.client.wanted())
        tasks = await asked(proxy, 20)

        assert await hearing == [ASLEEP]
        assert await proxy.client.wanted() == [ASLEEP]  # while it does not come
        await proxy.client.publish(table(backend, wake={}, project="shop"))

        assert {response.body for response in await asyncio.gather(*tasks)} == {b"A"}

        async def silent() -> bool:
            return not await proxy.client.wanted(within=1.5)

        await until(silent)


async def test_daemon_that_comes_late(tmp_path: Path) -> None:
    """A daemon that was away when the service was asked for hears of it when it is back; who gave up is not named any more."""
    async with a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(wake={}, project="shop"))
        hearing = asyncio.create_task(proxy.client.wanted())
        [task] = await asked(proxy, 1)
        await hearing
        hearing = asyncio.create_task(proxy.client.wanted())
        await asyncio.sleep(0)
        hearing.cancel()

        assert await proxy.client.wanted() == [ASLEEP]

        task.cancel()

        async def silent() -> bool:
            return not await proxy.client.wanted(within=1.5)

        await until(silent)


async def test_loads(tmp_path: Path) -> None:
    """What targets have had to do is told for all workers together."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        for _ in range(20):
            await proxy.get()

        loads = await proxy.client.loads()

        assert [(load.in_flight, load.begun) for load in loads.values()] == [(0, 20)]


async def test_question_without_sense(tmp_path: Path) -> None:
    """Waiting for no number of seconds is refused."""
    async with a_proxy(tmp_path) as proxy:
        with pytest.raises(ProxyError, match="seconds"):
            await proxy.client.wanted(within=float("-1"))
