"""Whatever is done to a proxy that serves, no client of any kind loses an answer: HTTP/1.1 and 2, TLS, events, WebSockets."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.integration.proxy.mixed_load import EACH, Behind, MixedLoad, Place, backends, mixed_load
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.test_processes import Proxy, until
from tests.integration.proxy.test_upgrade import an_upgradable, gone


@asynccontextmanager
async def loaded(folder: Path, papers: Papers) -> AsyncIterator[tuple[Proxy, Behind, MixedLoad]]:
    """Give a proxy under load of every kind, and what stands behind it."""
    async with backends() as behind, an_upgradable(folder, HTTPS="127.0.0.1:0") as proxy:
        await proxy.client.publish(table(papers, behind))
        async with mixed_load(Place(lambda: proxy.state, "a.x"), papers.authority()) as load:
            yield proxy, behind, load


def table(papers: Papers, behind: Behind, **options: Any) -> dict[str, Any]:
    """Return a table with a certificate."""
    return {**behind.table(**options), "certificates": [papers.certificate("*")]}


async def test_upgrades_lose_nothing(tmp_path: Path, papers: Papers) -> None:
    """Five upgrades in a row: all go over to the new program, HTTP/2 by GOAWAY, WebSockets by Close 1001, and nothing fails (26)."""
    async with loaded(tmp_path, papers) as (proxy, _, load):
        for _ in range(5):
            before = proxy.state.pid
            await proxy.client.upgrade()
            await load.more(3)
            await gone(before)

    assert load.failed == []
    for kind in ("kept", "kept by TLS", "HTTP/2", "WebSocket", "WebSocket by TLS"):
        assert load.moved[kind] >= 5, load.moved


async def test_other_numbers_of_workers_lose_nothing(tmp_path: Path, papers: Papers) -> None:
    """More workers, and fewer, while everything goes on."""
    async with loaded(tmp_path, papers) as (proxy, _, load):
        for count in (4, 1, 3, 2):
            await proxy.client.resize(count)
            await load.more(3)

    assert load.failed == []


async def test_swaps_lose_nothing(tmp_path: Path, papers: Papers) -> None:
    """Ten tables that lead elsewhere, each drained before the next: all is answered, and WebSockets are told to go at the deadline."""
    async with loaded(tmp_path, papers) as (proxy, old, load):
        for _ in range(5):
            async with backends() as new:
                await proxy.client.publish(table(papers, new))
                # Every request ends by itself within its time; tunnels have no end, so theirs is the deadline.
                await proxy.client.drained([old.app], 20, 20)
                await proxy.client.drained([old.chat], 0.2, 0.2)
                await load.more(3)
                await proxy.client.publish(table(papers, old))
                await proxy.client.drained([new.app], 20, 20)
                await proxy.client.drained([new.chat], 0.2, 0.2)

    assert load.failed == []
    assert load.moved["WebSocket"] >= 10


async def test_pauses_lose_nothing(tmp_path: Path, papers: Papers) -> None:
    """Pauses, the last of which outlives an upgrade: who comes meanwhile is answered after it."""
    async with loaded(tmp_path, papers) as (proxy, behind, load):
        for last in (False, False, True):
            await proxy.client.publish(table(papers, behind, pause={"requests": 100, "seconds": 60}))
            if last:
                await proxy.client.upgrade()
            await proxy.client.publish(table(papers, behind))
            await load.more(3)

    assert load.failed == []


async def test_a_killed_worker_loses_its_connections_only(tmp_path: Path, papers: Papers) -> None:
    """Kill -9 of a worker costs at most what was going on at its own connections; then nothing is lost any more."""
    async with loaded(tmp_path, papers) as (proxy, _, load):
        victim = proxy.state.workers[0]
        os.kill(victim, signal.SIGKILL)
        await until(lambda: victim not in proxy.state.workers and len(proxy.state.workers) == 2)
        await load.more(1)
        lost = len(load.failed)
        await load.more()

    assert lost <= len(load.clients()) * EACH, load.failed
    assert len(load.failed) == lost
