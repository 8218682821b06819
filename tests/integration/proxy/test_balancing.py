"""Requests keep away from targets that fail, and are repeated where that does no harm."""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from hostess.adapters.proxy.router_socket import SocketRouter
from hostess_proxy.balancing import FAILURES
from hostess_proxy.draining import drain
from hostess_proxy.retries import FLOOR
from hostess_proxy.targets import Target
from tests.integration.proxy.processes import a_backend, a_proxy
from tests.integration.proxy.stage import (
    Backend,
    Conversation,
    Reader,
    Stage,
    Writer,
    gone,
    ok,
    once_then,
    read_response,
    saying,
)
from tests.integration.proxy.test_trouble import GET, POST, unused_address

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NO_HTTP = b"SSH-2.0-x\r\n\r\n"


def target(stage: Stage, backend: Backend) -> Target:
    """Return a backend's target."""
    [found] = stage.traffic.targets.at([backend.address])
    return found


def end_pause(stage: Stage, backend: Backend) -> None:
    """Let the pause of a target that is out be over."""
    one = target(stage, backend)
    assert one.health is not None
    one.health = replace(one.health, out_until=0.0)


def failing_until(well: asyncio.Event, how: Conversation) -> Conversation:
    """Make a backend that fails in some way until it is well."""

    async def talk(backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
        await (ok if well.is_set() else how)(backend, head, reader, writer)

    return talk


# ---- ejection


@pytest.mark.parametrize("how", [gone, saying(NO_HTTP, close=True)])
async def test_out_and_in_again(stage: Stage, how: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
    """After three failures a target gets nothing more; after the pause one request is its trial, and it is in again."""
    well = asyncio.Event()
    bad, good = await stage.backend(failing_until(well, how), "bad"), await stage.backend(ok, "good")
    stage.route(bad, good)

    answers = [await stage.ask(POST) for _ in range(30)]
    assert [answer.status for answer in answers].count(502) == 3
    assert len(bad.heads) == 3
    assert stage.traffic.ejections == 1
    well.set()
    end_pause(stage, bad)
    answers = [await stage.ask(POST) for _ in range(10)]

    assert [answer.body for answer in answers].count(b"badabc") == 5
    told = capsys.readouterr().err
    assert told.count(f"web: {bad.address} is out after failures\n") == 1
    assert told.count(f"web: {bad.address} is in again\n") == 1


async def test_a_trial_that_fails(stage: Stage) -> None:
    """A trial that fails costs one request, and the target is out for longer."""
    bad, good = await stage.backend(gone, "bad"), await stage.backend(ok, "good")
    stage.route(bad, good)
    for _ in range(10):
        await stage.ask(POST)
    end_pause(stage, bad)

    answers = [await stage.ask(POST) for _ in range(10)]

    assert [answer.status for answer in answers].count(502) == 1
    health = target(stage, bad).health
    assert health is not None
    assert health.pause == 10
    assert stage.traffic.ejections == 1


async def test_own_errors_of_an_app(stage: Stage) -> None:
    """An app's own errors are its answers: they put nobody out."""
    stage.route(
        await stage.backend(saying(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")),
        await stage.backend(saying(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")),
    )

    answers = [await stage.get() for _ in range(10)]

    assert [answer.status for answer in answers].count(500) == 5
    assert stage.traffic.ejections == 0


async def test_the_only_target_stays(stage: Stage) -> None:
    """A route's only target is never put out, however often it fails."""
    bad = await stage.backend(gone)
    stage.route(bad)

    for _ in range(10):
        await stage.ask(POST)

    assert len(bad.heads) == 10
    assert stage.traffic.ejections == 0


async def test_all_fail(stage: Stage) -> None:
    """When all targets fail, all of them are still tried: none is out."""
    bad, worse = await stage.backend(gone), await stage.backend(gone)
    stage.route(bad, worse)

    for _ in range(40):
        await stage.ask(POST)

    assert len(bad.heads) + len(worse.heads) == 40
    assert min(len(bad.heads), len(worse.heads)) >= 10


async def test_swaps_with_a_target_that_is_out(stage: Stage) -> None:
    """Swaps under mixed load fail no request while a target of each table is out."""
    bad = await stage.backend(gone, "bad")
    current = await stage.backend(ok, "0")
    stage.route(bad, current)
    for _ in range(10):
        await stage.ask(POST)
    assert stage.traffic.ejections == 1
    stop = asyncio.Event()
    counts = [0] * 4

    async def client(number: int, message: bytes) -> None:
        reader, writer = await stage.connect()
        while not stop.is_set():
            writer.write(message)
            assert (await read_response(reader)).status == 200
            counts[number] += 1

    def more_than(number: int) -> bool:
        return sum(counts) > number

    clients = [asyncio.create_task(client(number, message)) for number, message in enumerate([GET, POST] * 2)]
    for turn in range(1, 21):
        await stage.until(partial(more_than, sum(counts) + 20))
        new = await stage.backend(ok, str(turn))
        stage.route(bad, new)
        assert await drain(stage.traffic.targets.at([current.address]), 5, 5) == 0
        for writer in current.writers:
            writer.transport.abort()
        current = new
    stop.set()

    await asyncio.gather(*clients)
    assert min(counts) > 50


# ---- repeats


async def test_lost_on_a_fresh_connection(stage: Stage) -> None:
    """A GET whose connection closes without a byte goes once to another target, even when the connection was fresh."""
    bad, good = await stage.backend(gone, "bad"), await stage.backend(ok, "good")
    stage.route(bad, good)

    answers = [await stage.get() for _ in range(10)]

    assert {answer.body for answer in answers} == {b"good"}
    assert sum(line["retries"] for line in await stage.logged(10)) == 3


async def test_reset_is_like_closed(stage: Stage) -> None:
    """A connection that is reset before a byte is as good as one that is closed."""

    async def reset(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.transport.abort()

    stage.route(await stage.backend(reset), await stage.backend(ok, "good"))

    assert {(await stage.get()).body for _ in range(4)} == {b"good"}


async def test_lost_twice(stage: Stage) -> None:
    """A request that two targets lost goes to no third one: it may be what kills them."""
    backends = [await stage.backend(gone) for _ in range(4)]
    stage.route(*backends)

    response = await stage.get()

    assert (response.status, response.values("x-hostess-error")) == (502, ["backend-closed"])
    assert sum(len(backend.heads) for backend in backends) == 2


async def test_stale_and_then_lost(stage: Stage) -> None:
    """A GET whose kept connection was stale and whose fresh one is lost, too, is answered by another target."""
    bad = await stage.backend(once_then(EMPTY), "bad")
    stage.route(bad)
    reader, writer = await stage.connect()
    writer.write(GET)
    await read_response(reader)
    bad.talk = gone
    stage.route(bad, await stage.backend(ok, "good"))

    answers = []
    for _ in range(2):
        writer.write(GET)
        answers.append((await read_response(reader)).body)

    assert answers == [b"good", b"good"]


@pytest.mark.parametrize("request_bytes", [POST, b"PUT" + POST[4:]])
async def test_lost_with_a_body(stage: Stage, request_bytes: bytes) -> None:
    """A request whose body has been passed on cannot be sent again."""
    bad, good = await stage.backend(gone), await stage.backend(ok)
    stage.route(bad, good)

    answers = [await stage.ask(request_bytes) for _ in range(2)]

    assert sorted(answer.status for answer in answers) == [200, 502]


async def test_repeats_are_bounded(stage: Stage) -> None:
    """When many requests are lost at once, few are repeated: an outage is not multiplied."""
    count = 100
    all_there = asyncio.Event()
    heads: list[bytes] = []

    async def lose(_backend: Backend, head: bytes, _reader: Reader, writer: Writer) -> None:
        heads.append(head)
        if len(heads) == count:
            all_there.set()
        await all_there.wait()
        writer.close()

    stage.route(await stage.backend(lose), await stage.backend(lose))

    answers = await asyncio.gather(*(stage.get() for _ in range(count)))

    assert {answer.status for answer in answers} == {502}
    assert count < len(heads) <= count + FLOOR + count // 5
    assert all(live.budget.lent == 0 for live in [stage.traffic.targets.table.find(b"a.x", b"/")] if live)


async def test_race_with_closing_connections(stage: Stage) -> None:
    """A backend that closes resting connections just when the next request comes fails no GET."""
    pauses = itertools.cycle(number / 10_000 for number in range(20))

    async def close_soon(writer: Writer) -> None:
        await asyncio.sleep(next(pauses))
        writer.close()

    closing: set[asyncio.Task[None]] = set()

    async def short_lived(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(EMPTY)
        task = asyncio.create_task(close_soon(writer))
        closing.add(task)
        task.add_done_callback(closing.discard)

    backend = await stage.backend(short_lived)
    stage.route(backend)
    reader, writer = await stage.connect()

    for number in range(1000):
        writer.write(GET)
        assert (await read_response(reader)).status == 200
        await asyncio.sleep(number % 11 / 10_000)

    assert backend.connections > 1
    await asyncio.gather(*closing)


async def test_refusals_need_no_budget(stage: Stage) -> None:
    """Where nothing was sent every request goes elsewhere, however many do at once."""
    good = await stage.backend(ok, "good")
    stage.route(unused_address(), good)

    answers = await asyncio.gather(*(stage.ask(POST) for _ in range(100)))

    assert {answer.body for answer in answers} == {b"goodabc"}


# ---- slow start


async def test_new_target_warms_up(stage: Stage) -> None:
    """A target that joins an older one gets fewer requests at first; where all came at once nobody waits."""
    old = await stage.backend(ok, "old")
    stage.route(old, slow_start=3600)
    assert (await stage.get()).body == b"old"
    new = await stage.backend(ok, "new")

    stage.route(old, new, slow_start=3600)
    answers = [await stage.get() for _ in range(20)]
    target(stage, new).since = target(stage, old).since
    stage.route(old, new, slow_start=3600)
    later = [await stage.get() for _ in range(20)]

    assert [answer.body for answer in answers].count(b"new") <= 1
    assert [answer.body for answer in later].count(b"new") == 10


async def test_who_fails_is_told(tmp_path: Path) -> None:
    """The daemon hears of all workers' failures, how the last one was, and that a target is out; each once, and of none after that."""
    async with a_backend("B", gone) as bad, a_backend() as good, a_proxy(tmp_path, WORKERS="1") as proxy:
        routes = [{"host": "a.x", "service": "web", "release": "1", "targets": [bad.address, good.address]}]
        await proxy.client.publish({"routes": routes})
        router = SocketRouter(tmp_path / "run")
        listening = asyncio.create_task(router.failing(timedelta(seconds=30)))
        for _ in range(10):
            await proxy.get(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 0\r\n\r\n")
        told = list(await listening)
        while sum(each.count for each in told) < FAILURES:
            told += await router.failing(timedelta(seconds=30))

        assert {each.target for each in told} == {bad.address}
        assert sum(each.count for each in told) == FAILURES
        assert (told[-1].kind, told[-1].out) == ("closed", True)
        assert await router.failing(timedelta()) == []
