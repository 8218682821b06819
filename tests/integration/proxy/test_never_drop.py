"""Whatever is done to a proxy that serves, no client of any kind loses an answer: HTTP/1.1 and 2, TLS, events, WebSockets."""

import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from hostess_proxy.client import ProxyClient, Running
from tests.integration.proxy.mixed_load import EACH, Behind, MixedLoad, Place, backends, mixed_load
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import START_SECONDS, Proxy, until
from tests.integration.proxy.test_alpn_challenges import answering
from tests.integration.proxy.test_tls_processes import port_of
from tests.integration.proxy.test_upgrade import an_upgradable, gone
from tests.integration.proxy.tls_client import TlsClient


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


def was_shown(client: TlsClient, chain: str) -> bool:
    """Whether a client was shown the certificate in this file."""
    return ssl.DER_cert_to_PEM_cert(client.tls.getpeercert(binary_form=True) or b"") in Path(chain).read_text()


async def test_renewals_lose_nothing(tmp_path: Path, papers: Papers) -> None:
    """Five renewals, each with its challenge: nothing fails, nobody is sent away, and who comes anew is shown the new certificate."""
    async with loaded(tmp_path, papers) as (proxy, behind, load):
        for number in range(5):
            pending = {"alpn": [answering(papers, tmp_path, "a.x")]}
            await proxy.client.publish({**table(papers, behind), "challenges": pending})
            await load.more(1)
            renewed = papers.issue(tmp_path / f"renewed{number}", "a.x")
            await proxy.client.publish({**behind.table(), "certificates": [renewed, papers.certificate("*")]})
            client = await TlsClient.connect(port_of(proxy), "a.x")
            client.writer.close()
            assert was_shown(client, renewed["chain"])
            await load.more(1)

    assert load.failed == []
    assert not load.moved


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


# What systemd does for a service whose sockets it holds.
HELD = (
    "import os, sys; fds = [int(fd) for fd in sys.argv[1:3]]; [os.dup2(fd, 3 + i) for i, fd in enumerate(fds)];"
    "[os.set_inheritable(fd, True) for fd in (3, 4)];"
    "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='http:https');"
    "os.execv(sys.executable, [sys.executable, '-m', 'hostess_proxy', '--data-dir', sys.argv[3]])"
)


@asynccontextmanager
async def held(folder: Path, *listeners: socket.socket) -> AsyncIterator[ProxyClient]:
    """Give a proxy that serves sockets which are held here; it is stopped afterwards."""
    descriptors = [one.fileno() for one in listeners]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HELD, *map(str, descriptors), str(folder), pass_fds=descriptors,
        env={**os.environ, "HOSTESS_PROXY__WORKERS": "2"}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert b"serving" in await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        yield ProxyClient(folder / "run" / "proxy.sock")
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), START_SECONDS) == 0


async def test_restarts_with_held_sockets_lose_nothing(tmp_path: Path, papers: Papers) -> None:
    """The proxy is stopped and started again while somebody holds its sockets, as systemd does: who comes meanwhile waits."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=512) as plain,
        socket.create_server(("127.0.0.1", 0), backlog=512) as tls,
    ):
        http, https = (f"127.0.0.1:{one.getsockname()[1]}" for one in (plain, tls))
        place = Place(lambda: Running(0, http, https, ()), "a.x")
        async with backends() as behind, AsyncExitStack() as end:
            first = AsyncExitStack()
            client = await first.enter_async_context(held(tmp_path, plain, tls))
            await client.publish(table(papers, behind))
            load = await end.enter_async_context(mixed_load(place, papers.authority()))
            for _ in range(2):
                await first.aclose()
                first = AsyncExitStack()
                await first.enter_async_context(held(tmp_path, plain, tls))
                await load.more(3)
            await end.aclose()
            await first.aclose()

    assert load.failed == []
