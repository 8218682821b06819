"""The whole proxy as processes: supervisor, workers, control socket."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from hostess_proxy.client import ProxyUnreachableError, TableRefusedError, alive, running
from hostess_proxy.tables import file as table_file
from hostess_proxy.tables.parsing import parse_table
from tests.integration.proxy.processes import GET, START_SECONDS, a_backend, a_proxy, replaced, start, table, until
from tests.integration.proxy.stage import Backend, Reader, Writer, after, read_response
from tests.side_by_side import free_ports


async def test_life(tmp_path: Path) -> None:
    """A proxy without a table answers 404, serves what is published on all workers, and leaves nothing when it stops."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        assert (await proxy.get()).values("x-hostess-error") == ["unknown-host"]

        first = await proxy.client.publish(table(backend))
        second = await proxy.client.publish(table(backend))

        assert second == first + 1
        for _ in range(10):
            assert (await proxy.get()).body == b"A"
        stats = await proxy.client.stats()
        assert stats["requests"] == 11
        assert [worker["generation"] for worker in stats["workers"]] == [second, second]
        assert await proxy.client.in_flight([backend.address]) == 0
        assert await proxy.client.workers() == list(proxy.state.workers)
        assert proxy.state.pid == proxy.process.pid
        assert await proxy.stop() == 0
    assert not (tmp_path / "run" / "proxy.json").exists()
    assert not (tmp_path / "run" / "proxy.sock").exists()
    lines = [json.loads(line) for line in (tmp_path / "logs" / "access.log").read_text().splitlines()]
    assert len(lines) == 11


async def test_invalid_table_changes_nothing(tmp_path: Path) -> None:
    """An invalid table is refused with its place; the old one goes on, in memory and on disk."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        before = (tmp_path / "proxy" / "table.json").read_bytes()

        with pytest.raises(TableRefusedError) as refusal:
            await proxy.client.publish(table(backend, path="nowhere"))

        assert refusal.value.place == "routes[0].path"
        assert (tmp_path / "proxy" / "table.json").read_bytes() == before
        assert (await proxy.get()).body == b"A"


async def test_table_that_cannot_be_saved_changes_nothing(tmp_path: Path) -> None:
    """A table that cannot be written to disk is refused, so a restart cannot bring an older one back."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        (tmp_path / "proxy").write_text("in the way")

        with pytest.raises(TableRefusedError):
            await proxy.client.publish(table(backend))

        assert (await proxy.get()).status == 404


async def test_restart_after_kill(tmp_path: Path) -> None:
    """After kill -9 of the supervisor its workers end, and the next proxy serves the last table from its first connection on."""
    [port] = free_ports()
    address = f"127.0.0.1:{port}"
    async with a_backend() as backend, a_proxy(tmp_path, HTTP=address) as proxy:
        await proxy.client.publish(table(backend))
        workers = [psutil.Process(pid) for pid in proxy.state.workers]
        proxy.process.kill()
        await proxy.process.wait()
        assert not await alive(tmp_path / "run" / "proxy.sock")
        with pytest.raises(ProxyUnreachableError):
            await proxy.client.stats()
        async with a_proxy(tmp_path, HTTP=address) as again:
            assert (await again.get()).body == b"A"
            await until(lambda: not any(worker.is_running() for worker in workers))


async def test_workers_finish_what_they_hold(tmp_path: Path) -> None:
    """SIGTERM lets a request in flight end, says that the connection closes, and exits with 0."""
    finish = asyncio.Event()

    async with a_backend("A", after(finish)) as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        idle_reader, idle_writer = await proxy.connect()
        asking = asyncio.create_task(proxy.get())
        await until(lambda: len(backend.heads) == 1)
        address = proxy.state.http.rpartition(":")
        stopping = asyncio.create_task(proxy.stop())

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection(address[0], int(address[2]))
            except ConnectionRefusedError:
                return True
            writer.close()
            return False

        await until(idle_reader.at_eof)
        idle_writer.close()
        assert not asking.done()
        finish.set()

        response = await asking
        assert (response.body, response.values("connection")) == (b"A", ["close"])
        assert await stopping == 0
        assert await refused()


async def test_worker_killed_under_load(tmp_path: Path) -> None:
    """A kill -9 of a worker costs only the connections it held; it is replaced, and the replacement has the newest table."""
    async with a_backend("old") as old, a_backend("new") as new, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(old))
        await proxy.client.publish(table(new))
        stop = asyncio.Event()
        lost = answered = 0

        async def client() -> None:
            nonlocal lost, answered
            while not stop.is_set():
                reader, writer = await proxy.connect()
                try:
                    while not stop.is_set():
                        writer.write(GET)
                        assert (await read_response(reader)).body == b"new"
                        answered += 1
                except (asyncio.IncompleteReadError, ConnectionError):
                    lost += 1
                finally:
                    writer.close()

        clients = [asyncio.create_task(client()) for _ in range(8)]
        await until(lambda: answered > 50)
        before = proxy.state.workers
        connections = {worker["pid"]: worker["connections"] for worker in (await proxy.client.stats())["workers"]}
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: len(proxy.state.workers) == 2 and before[0] not in proxy.state.workers)
        seen = answered
        await until(lambda: answered > seen + 50)
        stop.set()
        await asyncio.gather(*clients)

        assert lost <= connections[before[0]]
        assert [worker["generation"] for worker in (await proxy.client.stats())["workers"]] == [2, 2]


async def test_drain_over_all_workers(tmp_path: Path) -> None:
    """A drain is counted over all workers, and a caller that does not wait for its answer harms nobody."""
    finish = asyncio.Event()

    async with a_backend("old", after(finish)) as old, a_backend("new") as new, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(old))
        asking = [asyncio.create_task(proxy.get()) for _ in range(6)]
        await until(lambda: len(old.heads) == 6)
        await proxy.client.publish(table(new))
        assert await proxy.client.in_flight([old.address]) == 6
        impatient = asyncio.create_task(proxy.client.drained([old.address], 30))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await proxy.get()).body == b"new"

        draining = asyncio.create_task(proxy.client.drained([old.address], 10))
        finish.set()

        assert await draining == 0
        assert {(await answer).body for answer in asking} == {b"old"}


async def test_a_slow_drain_is_in_nobodys_way(tmp_path: Path) -> None:
    """While one service is drained others get their tables, and are drained to the end (scenario 13 of the proxy's)."""

    async def silent(_backend: Backend, _head: bytes, reader: Reader, _writer: Writer) -> None:
        await reader.read()

    async with a_backend("slow", silent) as slow, a_backend("other") as other, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(slow))
        asking = asyncio.create_task(proxy.get())
        await until(lambda: len(slow.heads) == 1)
        await proxy.client.publish(table(other))
        draining = asyncio.create_task(proxy.client.drained([slow.address], 60))

        for _ in range(3):
            await proxy.client.publish(table(other))
            assert (await proxy.get()).body == b"other"
            assert await proxy.client.drained([other.address], 60) == 0

        assert not draining.done()
        slow.writers[0].close()
        assert await draining == 0
        assert (await asking).body == b"other"  # a GET may be asked again, by the table of today


async def test_hung_worker_is_replaced(tmp_path: Path) -> None:
    """A publish waits for a worker that hangs only so long, then replaces it; afterwards nobody serves the old table."""
    async with a_backend("old") as old, a_backend("new") as new, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(old))
        hung = proxy.state.workers[0]
        os.kill(hung, signal.SIGSTOP)

        await proxy.client.publish(table(new))

        assert not psutil.pid_exists(hung)
        for _ in range(10):
            assert (await proxy.get()).body == b"new"


async def test_publishing_under_load(tmp_path: Path) -> None:
    """Twenty published tables under load on all workers fail no request, and none is answered by a target that was drained."""
    async with AsyncExitStack() as backends, a_proxy(tmp_path) as proxy, a_backend("0") as zero:
        await proxy.client.publish(table(zero))
        stop = asyncio.Event()
        oldest_allowed = answered = 0

        async def client() -> None:
            nonlocal answered
            reader, writer = await proxy.connect()
            while not stop.is_set():
                bound = oldest_allowed
                writer.write(GET)
                response = await read_response(reader)
                assert response.status == 200
                assert int(response.body) >= bound
                answered += 1
            writer.close()

        clients = [asyncio.create_task(client()) for _ in range(8)]
        old = zero
        for turn in range(1, 21):
            new = await backends.enter_async_context(a_backend(str(turn)))
            await proxy.client.publish(table(new))
            oldest_allowed = turn
            assert await proxy.client.drained([old.address], 5) == 0
            for writer in old.writers:
                writer.transport.abort()
            seen = answered
            await until(lambda seen=seen: answered > seen + 10)
            old = new
        stop.set()
        await asyncio.gather(*clients)


async def test_second_proxy_on_the_same_folder(tmp_path: Path) -> None:
    """A second proxy on the same data folder says so and ends; the first goes on."""
    async with a_proxy(tmp_path) as proxy:
        second = await start(tmp_path)
        _, error = await asyncio.wait_for(second.communicate(), START_SECONDS)

        assert second.returncode == 1
        assert b"another proxy runs" in error
        assert await alive(proxy.client.path)


async def test_table_file(tmp_path: Path) -> None:
    """With --table, SIGHUP reads the file again; an invalid one keeps the old table and is told on stderr."""
    path = tmp_path / "table.json"
    async with a_backend("A") as a, a_backend("B") as b:
        path.write_text(json.dumps(table(a)))
        async with a_proxy(tmp_path / "data", "--table", str(path)) as proxy:
            assert (await proxy.get()).body == b"A"
            path.write_text('{"routes": [{}]}')
            proxy.process.send_signal(signal.SIGHUP)
            assert proxy.process.stderr is not None
            async with asyncio.timeout(START_SECONDS):
                assert b"the old table stays: routes[0]: host is missing" in await proxy.process.stderr.readline()
            assert (await proxy.get()).body == b"A"
            path.write_text(json.dumps(table(b)))
            proxy.process.send_signal(signal.SIGHUP)

            async def switched() -> bool:
                return (await proxy.get()).body == b"B"

            await until(switched)


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ('{"routes": [{"host": "a b"}]}', {}, b"routes[0]: service is missing"),
        ("{", {}, b"not JSON"),
        ("{}", {"HTTP": "nowhere"}, b"proxy.http: 'nowhere' is not host:port"),
        ("{}", {"WORKERS": "many"}, b"proxy.workers"),
        ("{}", {"CONNECTIONS_PER_CLIENT": "-1"}, b"proxy.connections_per_client: '-1' is not a number"),
        ("{}", {"TRUSTED_PROXIES": "10.0.0.1/8"}, b"proxy.trusted_proxies"),
    ],
)
async def test_invalid_at_start(tmp_path: Path, text: str, environ: dict[str, str], words: bytes) -> None:
    """An invalid table or setting ends the program with 2 and a sentence that names the place."""
    path = tmp_path / "table.json"
    path.write_text(text)

    process = await start(tmp_path, "--table", str(path), **environ)
    _, error = await asyncio.wait_for(process.communicate(), START_SECONDS)

    assert process.returncode == 2
    assert words in error


async def test_damaged_last_table(tmp_path: Path) -> None:
    """A last table that cannot be read is kept aside, and the proxy starts without it rather than not at all."""
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "table.json").write_text("{")

    async with a_proxy(tmp_path) as proxy:
        assert (await proxy.get()).status == 404
    assert (tmp_path / "proxy" / "table.unreadable").read_text() == "{"


async def test_sockets_from_systemd(tmp_path: Path) -> None:
    """Sockets that were passed are used; what connects before the proxy runs is served when it does. That of metrics is its own."""
    [metrics] = free_ports()
    async with a_backend() as backend:
        table_file.save(tmp_path / "proxy" / "table.json", parse_table(table(backend)))
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as inside:
            port = listener.getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            launch = (
                "import os, sys; fd = int(sys.argv[1]); os.dup2(fd, 3); os.dup2(int(sys.argv[3]), 4);"
                "[os.set_inheritable(each, True) for each in (3, 4)];"
                "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='http:inside');"
                "os.execv(sys.executable, [sys.executable, '-m', 'hostess_proxy', '--data-dir', sys.argv[2]])"
            )
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", launch, str(listener.fileno()), str(tmp_path), str(inside.fileno()),
                pass_fds=(listener.fileno(), inside.fileno()),
                env={**os.environ, "HOSTESS_PROXY__WORKERS": "1", "HOSTESS_PROXY__METRICS": f"127.0.0.1:{metrics}"},
            )  # fmt: skip
            try:
                assert (await read_response(reader)).body == b"A"
                asking, asker = await asyncio.open_connection("127.0.0.1", metrics)
                asker.write(b"GET /metrics HTTP/1.1\r\n\r\n")
                assert b"hostess_proxy_requests_total" in (await read_response(asking)).body
                asker.close()
                await until(lambda: running(tmp_path) is not None)
                state = running(tmp_path)
                assert state is not None
                assert state.http == f"127.0.0.1:{port}"
                assert state.inside == f"127.0.0.1:{inside.getsockname()[1]}"
            finally:
                writer.close()
                process.terminate()
                assert await asyncio.wait_for(process.wait(), START_SECONDS) == 0


async def test_memory_of_a_worker(tmp_path: Path) -> None:
    """A worker that has served a thousand hosts and some load stays below 60 MB."""
    async with a_backend() as backend, a_proxy(tmp_path, WORKERS="1") as proxy:
        one = table(backend)["routes"][0]
        await proxy.client.publish({"routes": [one, *({**one, "host": f"h{i}.x"} for i in range(1000))]})
        for _ in range(200):
            await proxy.get()

        (worker,) = proxy.state.workers
        assert psutil.Process(worker).memory_info().rss < 60 * 1024 * 1024


async def test_long_data_folder(tmp_path: Path) -> None:
    """A data folder with a path longer than a unix socket's name may be works."""
    folder = tmp_path / ("x" * 80) / ("y" * 80)
    async with a_backend() as backend, a_proxy(folder) as proxy:
        await proxy.client.publish(table(backend))

        assert (await proxy.get()).body == b"A"


async def test_facts_that_could_not_be_written(tmp_path: Path) -> None:
    """What a full disk kept from being told in proxy.json is told there when the disk takes it again."""
    async with a_proxy(tmp_path) as proxy:
        in_the_way = tmp_path / "run" / "proxy.json.new"
        in_the_way.mkdir()
        before = proxy.state
        os.kill(before.workers[0], signal.SIGKILL)
        await until(lambda: replaced(proxy, before.workers[0]))
        assert proxy.state == before

        in_the_way.rmdir()

        await until(lambda: proxy.state != before)
        assert list(proxy.state.workers) == await proxy.client.workers()
