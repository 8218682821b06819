"""What the proxy counts, seen from outside."""

import asyncio
import os
import signal
from pathlib import Path

from tests.integration.proxy.processes import Proxy, a_backend, a_proxy, table, until
from tests.integration.proxy.stage import Stage, after, read_response, saying
from tests.side_by_side import free_ports


def value(text: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have all these labels."""
    wanted = [f'{label}="{text}"' for label, text in labels.items()]
    lines = [line for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == f"hostess_proxy_{name}"]
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(each in line for each in wanted))


async def metric(proxy: Proxy, name: str, **labels: str) -> float:
    """Return a metric of a proxy as it is now."""
    return value(await proxy.client.metrics(), name, **labels)


async def test_requests_are_counted_by_service_and_class(tmp_path: Path) -> None:
    """Requests of all workers are summed by project, service, release, method and class; unknown methods are OTHER (scenario 99)."""
    ill_words = saying(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    async with a_backend() as backend, a_backend("B", ill_words) as ill, a_proxy(tmp_path) as proxy:
        routes = [
            {"host": "a.x", "project": "p", "service": "web", "release": "7", "targets": [backend.address]},
            {"host": "b.x", "project": "p", "service": "ill", "release": "7", "targets": [ill.address]},
        ]
        await proxy.client.publish({"routes": routes})
        for _ in range(6):
            await proxy.get()
        await proxy.get(b"WEIRD / HTTP/1.1\r\nHost: a.x\r\n\r\n")
        await proxy.get(b"POST / HTTP/1.1\r\nHost: b.x\r\nContent-Length: 3\r\n\r\nabc")
        for number in range(20):
            await proxy.get(b"GET / HTTP/1.1\r\nHost: random%d.x\r\n\r\n" % number)
        await proxy.get(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")

        text = await proxy.client.metrics()
        bounds, answered = await proxy.client.answers()

    told = {each.service: each for each in answered}
    assert (told["web"].release, told["web"].count, told["web"].errors) == ("7", 7, 0)
    assert (told["ill"].count, told["ill"].errors) == (1, 1)
    assert (sum(told["web"].within), len(told["web"].within)) == (7, len(bounds) + 1)
    web = {"project": "p", "service": "web", "release": "7", "code": "2xx"}
    assert value(text, "requests_total", method="GET", **web) == 6
    assert value(text, "requests_total", method="OTHER", **web) == 1
    assert value(text, "requests_total", service="ill", method="POST", code="5xx") == 1
    assert value(text, "received_bytes_total", service="ill") == 3
    assert value(text, "requests_total", project="", service="", release="", code="4xx") == 21
    assert value(text, "requests_refused_total", reason="bad-field") == 1
    assert value(text, "request_seconds_count", service="web") == 7
    assert value(text, "first_byte_seconds_count", service="web") == 7
    assert 1 <= value(text, "connect_seconds_count", service="web") <= 7
    assert value(text, "connections_accepted_total", listener="http") == 29
    assert "random" not in text


async def test_environments_are_told_apart(tmp_path: Path) -> None:
    """Two environments whose releases have the same number are counted apart for who compares releases, canaries included."""
    async with a_backend() as backend, a_backend("B") as other, a_proxy(tmp_path) as proxy:
        canary = {"release": "8", "targets": [other.address], "header": "X-Canary", "values": ["yes"]}
        names = {"project": "p", "service": "web", "release": "7", "targets": [backend.address]}
        staging = {"host": "b.x", "environment": "staging", **names}
        await proxy.client.publish(
            {"routes": [{"host": "a.x", "environment": "production", **names, "canary": canary}, staging]}
        )
        for head in (b"Host: a.x\r\nX-Canary: yes", b"Host: a.x\r\nX-Canary: yes", b"Host: a.x", b"Host: b.x"):
            await proxy.get(b"GET / HTTP/1.1\r\n%b\r\n\r\n" % head)
        _, answered = await proxy.client.answers()

        assert {(each.environment, each.release): each.count for each in answered if each.project} == {
            ("production", "7"): 1,
            ("production", "8"): 2,
            ("staging", "7"): 1,
        }
        assert await metric(proxy, "requests_total", project="p", service="web") == 4


async def test_numbers_survive_a_worker(tmp_path: Path) -> None:
    """What a worker counted is kept when it ends, so no counter falls; its replacement is counted, too."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        for _ in range(20):
            await proxy.get()
        assert await metric(proxy, "requests_total", service="web") == 20

        os.kill(proxy.state.workers[0], signal.SIGKILL)
        await until(lambda: worker_is_replaced(proxy))

        assert await metric(proxy, "requests_total", service="web") == 20
        assert await metric(proxy, "table_swaps_total") == 1
        assert await metric(proxy, "workers") == 2


async def worker_is_replaced(proxy: Proxy) -> bool:
    """Whether one replacement was counted and serves."""
    return await metric(proxy, "worker_restarts_total") == 1 and len(await proxy.client.workers()) == 2


async def test_metrics_have_a_listener_of_their_own(tmp_path: Path) -> None:
    """Where a listener for metrics is set, GET /metrics there is answered by the supervisor, and nothing else is."""
    [port] = free_ports()
    async with a_proxy(tmp_path, METRICS=f"127.0.0.1:{port}"):
        answers = []
        for line in (b"GET /metrics", b"HEAD /metrics", b"GET /other", b"POST /metrics"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(line + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(await read_response(reader, bodyless=line.startswith(b"HEAD")))
            writer.close()

    assert [answer.status for answer in answers] == [200, 200, 404, 404]
    assert b"hostess_proxy_workers 2\n" in answers[0].body
    assert answers[0].values("content-type") == ["text/plain; version=0.0.4; charset=utf-8"]


async def test_what_is_open_is_counted(tmp_path: Path) -> None:
    """Requests in flight and open connections are told as they are now."""
    finish = asyncio.Event()

    async with a_backend("A", after(finish)) as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        asking = [asyncio.create_task(proxy.get()) for _ in range(3)]
        await until(lambda: len(backend.heads) == 3)

        assert await metric(proxy, "requests_in_flight", service="web", release="1") == 3
        assert await metric(proxy, "connections_open") == 3

        finish.set()
        await asyncio.gather(*asking)
        assert await metric(proxy, "requests_in_flight", service="web") == 0


async def test_faults_of_backends_are_counted_by_kind(stage: Stage) -> None:
    """A refused connection, an early close, a broken answer and a broken-off one are told apart."""
    closes = await stage.backend(saying(b"", close=True))
    invalid = await stage.backend(saying(b"HTTP/9 what\r\n\r\n"))
    breaks = await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", close=True))
    for target in ("127.0.0.1:1", closes, invalid, breaks):
        stage.route(target)
        reader, writer = await stage.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()

    (counted,) = stage.traffic.counted()["services"].values()

    assert counted["errors"] == {"connect": 1, "closed": 1, "invalid": 1, "truncated": 1}
    assert counted["ends"] == {"connect_failed": 1, "backend_closed": 1, "backend_invalid": 1, "truncated": 1}


async def test_a_tunnel_is_counted_while_it_is_open(stage: Stage) -> None:
    """An upgraded connection is in flight until it ends, and its bytes are those of both ways."""
    backend = await stage.backend(
        saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
    )
    stage.route(backend)
    reader, writer = await stage.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    assert (await read_response(reader)).status == 101
    assert [exchange.upgraded for exchange in stage.traffic.targets.busy()] == [True]

    writer.write(b"12345")
    writer.write_eof()
    backend.writers[0].close()
    await stage.until(lambda: not list(stage.traffic.targets.busy()))

    (counted,) = stage.traffic.counted()["services"].values()
    assert counted["requests"] == {"GET 1xx": 1}
