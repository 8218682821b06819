"""The program is replaced, and the number of its workers changed, while it serves."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from hostess_proxy.client import ProxyError, running
from tests.integration.proxy.processes import (
    GET,
    START_SECONDS,
    UNSET,
    Proxy,
    a_backend,
    a_proxy,
    start,
    table,
    until,
)
from tests.integration.proxy.stage import Backend, Reader, Writer, after, read_response
from tests.integration.proxy.test_metrics import metric


@dataclass(slots=True)
class Load:
    """Requests that go on all the time, on kept connections and on new ones. *failed* are those that were not answered with 200."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self, count: int = 200) -> None:
        """Return when so many more were answered."""
        goal = self.answered + count
        await until(lambda: self.answered >= goal)

    async def keep_asking(self, proxy: Proxy, *, kept: bool) -> None:
        """Ask until stopped. A connection is left where the proxy says so, or closed it between two requests."""
        while not self.stop.is_set():
            try:
                reader, writer = await proxy.connect()
            except OSError as error:
                self.failed.append(f"no connection: {error}")
                continue
            try:
                await self._ask(reader, writer, kept=kept)
            finally:
                writer.close()

    async def _ask(self, reader: Reader, writer: Writer, *, kept: bool) -> None:
        while not self.stop.is_set():
            writer.write(GET)
            try:
                response = await read_response(reader)
            except (asyncio.IncompleteReadError, OSError) as error:
                self.failed.append(repr(error))
                return
            if response.status != 200:
                self.failed.append(str(response))
            self.answered += 1
            await asyncio.sleep(0)  # on a busy host the proxy may have waited for long, and closed what was idle
            if not kept or response.values("connection") == ["close"] or reader.at_eof():
                return


@asynccontextmanager
async def load(proxy: Proxy) -> AsyncIterator[Load]:
    """Give load on a proxy; it is over afterwards."""
    one = Load()
    clients = [asyncio.create_task(one.keep_asking(proxy, kept=number % 2 == 0)) for number in range(8)]
    try:
        await one.more()
        yield one
        await one.more()
    finally:
        one.stop.set()
        await asyncio.gather(*clients)


async def gone(pid: int) -> None:
    """Return when a process has ended."""
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


@asynccontextmanager
async def an_upgradable(data_dir: Path, *arguments: str, **environ: str) -> AsyncIterator[Proxy]:
    """Give a proxy; whatever took its place is gone afterwards."""
    async with a_proxy(data_dir, *arguments, **environ) as proxy:
        try:
            yield proxy
        finally:
            state = running(data_dir)
            if state is not None and state.pid != proxy.process.pid:
                os.kill(state.pid, signal.SIGTERM)
                await gone(state.pid)


async def test_upgrades_under_load(tmp_path: Path) -> None:
    """The program is replaced three times under load, on kept and on new connections, and no request fails (scenario 26)."""
    async with a_backend() as backend, an_upgradable(tmp_path) as proxy:
        generation = await proxy.client.publish(table(backend))
        async with load(proxy) as one:
            pids = [proxy.state.pid]
            for _ in range(3):
                before = proxy.state
                pids.append(await proxy.client.upgrade())
                assert proxy.state.pid == pids[-1]
                assert proxy.state.http == before.http
                await one.more()
                await gone(before.pid)

        assert one.failed == []
        assert len(set(pids)) == 4
        assert await proxy.process.wait() == 0
        assert await proxy.client.publish(table(backend)) == generation + 1
        assert len(await proxy.client.workers()) == 2


async def test_the_command(tmp_path: Path) -> None:
    """`--upgrade` starts what is installed now in the place of what runs, and says which process that is."""
    async with a_backend() as backend, an_upgradable(tmp_path) as proxy:
        await proxy.client.publish(table(backend))

        command = await start(tmp_path, "--upgrade")
        said, _ = await asyncio.wait_for(command.communicate(), START_SECONDS)

        assert command.returncode == 0
        assert said == b"hostess proxy: process %d has taken over\n" % proxy.state.pid
        assert proxy.state.pid != proxy.process.pid
        assert (await proxy.get()).body == b"A"
        second = await start(tmp_path)
        _, error = await asyncio.wait_for(second.communicate(), START_SECONDS)
        assert b"another proxy runs" in error


async def test_the_command_without_a_proxy(tmp_path: Path) -> None:
    """`--upgrade` where no proxy runs says so, and ends with 1."""
    command = await start(tmp_path, "--upgrade")
    _, error = await asyncio.wait_for(command.communicate(), START_SECONDS)

    assert command.returncode == 1
    assert b"nobody answers at" in error


async def test_what_is_in_flight_is_finished_by_the_older_program(tmp_path: Path) -> None:
    """A request that was begun before an upgrade ends well, and is counted, drained and told of by the newer program."""
    finish = asyncio.Event()

    async with a_backend("old", after(finish)) as old, a_backend("new") as new, an_upgradable(tmp_path) as proxy:
        await proxy.client.publish(table(old))
        asking = asyncio.create_task(proxy.get())
        await until(lambda: len(old.heads) == 1)
        await proxy.client.upgrade()

        await proxy.client.publish(table(new))
        assert (await proxy.get()).body == b"new"
        assert await proxy.client.in_flight([old.address]) == 1
        assert await metric(proxy, "requests_in_flight", service="web") == 1
        draining = asyncio.create_task(proxy.client.drained([old.address], 10))
        finish.set()

        assert await draining == 0
        response = await asking
        assert (response.body, response.values("connection")) == (b"old", ["close"])
        assert await asyncio.wait_for(proxy.process.wait(), START_SECONDS) == 0
        await until(lambda: counted(proxy, 2))


async def counted(proxy: Proxy, requests: int) -> bool:
    """Whether so many requests were counted."""
    return await metric(proxy, "requests_total", service="web") == requests


async def test_what_the_older_program_holds_is_cut_on_demand(tmp_path: Path) -> None:
    """A drain after an upgrade cuts what the older program still holds at its deadline."""

    async def silent(_backend: Backend, _head: bytes, reader: Reader, _writer: Writer) -> None:
        await reader.read()

    async with a_backend("old", silent) as old, an_upgradable(tmp_path) as proxy:
        await proxy.client.publish(table(old))
        asking = asyncio.create_task(proxy.get())
        await until(lambda: len(old.heads) == 1)
        await proxy.client.upgrade()

        assert await proxy.client.drained([old.address], 0) == 1
        assert (await asking).status == 504


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit(3)", "ended before it was ready"),
        ("import time; time.sleep(60)", "not ready within 1 s"),
        (
            (
                "import os, socket, sys; s = socket.socket(fileno=int(os.environ['HOSTESS_PROXY_ELDER']));"
                'ask = lambda op: (s.sendall(b\'{"id":0,"op":"%b"}\\n\' % op), s.recv(1 << 20));'
                "ask(b'take'); ask(b'ready'); os.unlink(sys.argv[2] + '/run/proxy.sock')"
            ),
            "ended before it was ready",
        ),
    ],
    ids=["ends", "hangs", "dies halfway"],
)
async def test_a_program_that_does_not_take_over(tmp_path: Path, program: str, words: str) -> None:
    """A newer program that ends, hangs or dies halfway is told of, and the one that runs goes on without a lost request."""
    installed = tmp_path / "hostess-proxy"
    installed.write_text(f"#!{sys.executable}\nimport sys\nfrom hostess_proxy.main import main\nsys.exit(main())\n")
    installed.chmod(0o755)
    async with a_backend() as backend, a_proxy(tmp_path, by=[str(installed)]) as proxy:
        await proxy.client.publish(table(backend))
        installed.write_text(f"#!{sys.executable}\n{program}\n")
        before = proxy.state
        async with load(proxy) as one:
            with pytest.raises(ProxyError, match=words):
                await proxy.client.upgrade(1.0)

        assert one.failed == []
        assert proxy.state == before
        assert await proxy.client.workers() == list(before.workers)
        await proxy.client.publish(table(backend))


async def test_a_table_file_that_is_no_table_stops_an_upgrade(tmp_path: Path) -> None:
    """A newer program that cannot use the table file says why, and the one that runs goes on with the table that it has."""
    path = tmp_path / "table.json"
    async with a_backend() as backend:
        path.write_text(json.dumps(table(backend)))
        async with a_proxy(tmp_path / "data", "--table", str(path)) as proxy:
            path.write_text("{")

            with pytest.raises(ProxyError, match="the table is not valid"):
                await proxy.client.upgrade()

            assert (await proxy.get()).body == b"A"


async def test_a_stop_during_an_upgrade_ends_both(tmp_path: Path) -> None:
    """SIGTERM after an upgrade ends the newer program once the older one has finished what it held."""
    finish = asyncio.Event()

    async with a_backend("A", after(finish)) as backend, an_upgradable(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        asking = asyncio.create_task(proxy.get())
        await until(lambda: len(backend.heads) == 1)
        pid = await proxy.client.upgrade()

        os.kill(pid, signal.SIGTERM)
        finish.set()

        assert (await asking).body == b"A"
        await gone(pid)
        assert await asyncio.wait_for(proxy.process.wait(), START_SECONDS) == 0
        assert not (tmp_path / "run" / "proxy.json").exists()


async def test_websockets_are_told_to_go_away(tmp_path: Path) -> None:
    """A WebSocket that the older program holds gets Close 1001, its backend a clean end, and the program ends without its grace."""
    codes: list[int | None] = []

    async def chat(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)
        codes.append(connection.close_code)

    async with serve(chat, "127.0.0.1", 0) as backend, an_upgradable(tmp_path, DRAIN_SECONDS="300") as proxy:
        address = backend.sockets[0].getsockname()[1]
        route = {"host": "*", "service": "web", "release": "1", "targets": [f"127.0.0.1:{address}"]}
        await proxy.client.publish({"routes": [route]})
        async with connect(f"ws://{proxy.state.http}/") as client:
            await client.send("hello")
            assert await client.recv() == "hello"

            await proxy.client.upgrade()

            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1001
        assert await asyncio.wait_for(proxy.process.wait(), START_SECONDS) == 0
        await until(lambda: codes == [1001])
        async with connect(f"ws://{proxy.state.http}/") as client:
            await client.send("again")
            assert await client.recv() == "again"


async def test_more_and_fewer_workers_under_load(tmp_path: Path) -> None:
    """The number of workers changes while requests are answered, and none of them fails."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        async with load(proxy) as one:
            for count in (4, 1, 3):
                assert len(await proxy.client.resize(count)) == count
                assert len(proxy.state.workers) == count
                await one.more(100)

        assert one.failed == []
        with pytest.raises(ProxyError, match="number from 1 to 256"):
            await proxy.client.resize(0)


async def test_settings_that_were_read_again(tmp_path: Path) -> None:
    """SIGHUP reads the settings file again, and has as many workers as it says; a bad one changes nothing."""
    config = tmp_path / "config.toml"
    config.write_text("[proxy]\nworkers = 1\n")
    async with a_proxy(tmp_path, "--config", str(config), WORKERS=UNSET) as proxy:
        assert len(proxy.state.workers) == 1
        for text, count in (("[proxy]\nworkers = 2\n", 2), ("[proxy\n", 2), ("[proxy]\nworkers = 3\n", 3)):
            config.write_text(text)
            proxy.process.send_signal(signal.SIGHUP)
            await until(lambda count=count: len(proxy.state.workers) == count)
