"""What is told to Prometheus all the time: always well-formed, bounded, and counters that never fall."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from tests.integration.proxy.exposition_text import Series, counters, read
from tests.integration.proxy.mixed_load import Place, backends, mixed_load
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import START_SECONDS, Proxy, a_backend, a_proxy, table, until
from tests.integration.proxy.test_upgrade import an_upgradable, gone

REQUESTS = 10_000
AHEAD = 100
METHODS = ("GET", "WEIRD", "PATCH", "X-Y", "HEAD", "M-SEARCH")


@asynccontextmanager
async def watched(proxy: Proxy) -> AsyncIterator[list[dict[Series, float]]]:
    """Ask for metrics all the time; give all that was told."""
    told: list[dict[Series, float]] = []
    over = asyncio.Event()

    async def watch() -> None:
        while not over.is_set():
            told.append(counters(await proxy.client.metrics()))

    watching = asyncio.create_task(watch())
    try:
        yield told
    finally:
        over.set()
        await watching


def fallen(told: list[dict[Series, float]]) -> list[tuple[Series, float, float | None]]:
    """Return what fell or vanished from one answer to the next."""
    return [
        (series, value, after.get(series))
        for before, after in pairwise(told)
        for series, value in before.items()
        if after.get(series, -1.0) < value
    ]


async def test_counters_never_fall(tmp_path: Path, papers: Papers) -> None:
    """Under load of every kind, workers are killed and the program is replaced: no counter falls or vanishes, nothing is malformed."""
    async with backends() as behind, an_upgradable(tmp_path, HTTPS="127.0.0.1:0") as proxy:
        await proxy.client.publish({**behind.table(), "certificates": [papers.certificate("*")]})
        async with mixed_load(Place(lambda: proxy.state, "a.x"), papers.authority()) as load, watched(proxy) as told:
            for _ in range(2):
                victim = proxy.state.workers[0]
                os.kill(victim, signal.SIGKILL)
                await until(lambda victim=victim: {victim} & {*proxy.state.workers} == set() != {*proxy.state.workers})
                await load.more(2)
                before = proxy.state.pid
                await proxy.client.upgrade()
                await load.more(2)
                await gone(before)

        assert fallen(told) == []
        assert len(told[-1]) >= len(told[0]) > 50
        restarts = ("hostess_proxy_worker_restarts_total", ())
        assert told[-1][restarts] == 2


async def test_what_strangers_ask_adds_no_metrics(tmp_path: Path) -> None:
    """Ten thousand requests, each with another host, path and method, make no more series than a few do."""
    chance = random.Random(1)
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend, host="a.x"))
        sizes = []
        for _ in range(2):
            for _ in range(REQUESTS // AHEAD // 2):
                reader, writer = await proxy.connect()
                lines = [
                    f"{chance.choice(METHODS)} /{chance.getrandbits(64):x} HTTP/1.1\r\n"
                    f"Host: {chance.choice(('a.x', f'{chance.getrandbits(64):x}.y'))}\r\n\r\n"
                    for _ in range(AHEAD)
                ]
                writer.write("".join(lines).encode())
                writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: close\r\n\r\n")
                await asyncio.wait_for(reader.read(), START_SECONDS)
                writer.close()
            text = await proxy.client.metrics()
            sizes.append(sum(len(family.samples) for family in read(text).values()))

        assert sizes[0] == sizes[1] < 300
