"""Lines of apps on their way out: every one of each replica, once, whatever becomes of daemon and drain."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.drains.http import HttpDrain
from hostess.adapters.drains.syslog import SyslogStream
from hostess.domain.drains import target
from hostess.domain.ports.drains import Drain
from hostess.services import draining
from hostess.services.draining import Draining
from tests.integration.drains.receivers import syslog, taker
from tests.side_by_side import free_ports
from tests.world import Bench, web

SECRET = "sentinel-8c1f"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look and try again soon."""
    for name in ("LOOK_AGAIN", "LINGER", "FIRST_PAUSE", "SAVE_EVERY"):
        monkeypatch.setattr(draining, name, 0.02)
    monkeypatch.setattr(draining, "LONGEST_PAUSE", 0.1)


@contextlib.asynccontextmanager
async def draining_to(bench: Bench, *drains: Drain) -> AsyncIterator[None]:
    """Let a daemon drain while the block runs."""
    world = bench.world
    service = Draining(bench.journal, bench.engine, drains, world.replicas.past_logs, world.redactor, SystemClock())
    task = asyncio.create_task(service.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def write(bench: Bench, *texts: str, stream: str = "stdout") -> None:
    """Let each replica of the app write lines."""
    for container in await bench.world.replicas.of_place("shop", "production"):
        for text in texts:
            bench.engine._containers[container.id].write(stream, text)


async def followed(bench: Bench, count: int) -> None:
    """Wait until somebody has begun to follow so many containers."""
    async with asyncio.timeout(30):
        while len({call for call in bench.engine.calls if call[0] == "follow"}) < count:
            await asyncio.sleep(0.01)


async def kinds(bench: Bench) -> list[str]:
    """Return the kinds of what was told of drains."""
    return [event.kind for event in await bench.journal.events() if event.kind.startswith("drain.")]


async def test_every_line_goes_out_once_and_without_secrets(bench: Bench) -> None:
    """Lines of before the drain was set stay; from then on each comes, of later replicas too, with who wrote it, secrets hidden."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    bench.world.redactor.learn([SECRET])
    await write(bench, "of before")
    async with (
        syslog() as receiver,
        draining_to(bench, SyslogStream(target(f"syslog://127.0.0.1:{receiver.port}"), "h")),
    ):
        await followed(bench, 1)
        await write(bench, "one", f"password={SECRET}", stream="stderr")
        first = await receiver.got(2)
        assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted, bench.text()
        await bench.until_containers(1)
        await write(bench, "of the next release")
        async with asyncio.timeout(30):
            while "of the next release" not in receiver.texts():
                await asyncio.sleep(0.01)

    assert first == ["one", "password=[hidden]"]
    assert receiver.texts().count("one") == 1
    assert "of before" not in receiver.texts()
    assert receiver.messages[0].split(" ")[0] == "<11>1"
    assert 'environment="production" service="web" release="1"' in receiver.messages[0]
    assert 'release="2"' in receiver.messages[-1]


async def test_a_new_life_goes_on_where_the_last_one_was(bench: Bench) -> None:
    """What was written while no daemon was there comes when it is back, and nothing of before comes again."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    async with taker() as server:
        async with draining_to(bench, HttpDrain(target(server.url), "h")):
            await followed(bench, 1)
            await write(bench, "one", "two")
            await server.got(2)
        await write(bench, "three", "four")
        bench.engine.calls.clear()
        async with draining_to(bench, HttpDrain(target(server.url), "h")):
            await server.got(4)
            await write(bench, "five")
            said = await server.got(5)

    assert said == ["one", "two", "three", "four", "five"]
    assert server.url not in str(await bench.journal.note(draining.NOTE))


@pytest.mark.parametrize(
    "note", ["not JSON", "[]", '{"WAY": 5}', '{"WAY": {"at": "2026-01-01"}}', '{"WAY": {"at": 7, "done": {}}}']
)
async def test_a_note_that_cannot_be_read_costs_only_what_was_before(bench: Bench, note: str) -> None:
    """Drains go on with what is written from now on, instead of ending in the same error at each attempt."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    async with taker() as server:
        way = sha256(server.url.encode()).hexdigest()[:16]
        await bench.journal.set_note(draining.NOTE, note.replace("WAY", way))
        await write(bench, "of before")
        async with draining_to(bench, HttpDrain(target(server.url), "h")):
            await followed(bench, 1)
            await write(bench, "one")
            said = await server.got(1)
        known = await bench.journal.note(draining.NOTE)

    assert said == ["one"]
    assert "done" in json.loads(known or "")[way]


async def test_a_drain_that_is_away_costs_nobody_else_a_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines wait, as many as fit; back, it gets the newest and a line that counts the others; the other drain has had them all."""
    monkeypatch.setattr(draining, "MOST", 30_000)
    monkeypatch.setattr(draining, "BATCH", 10)
    assert (await bench.push("shop", web())).accepted, bench.text()
    [port] = free_ports()
    away = SyslogStream(target(f"syslog://127.0.0.1:{port}"), "h")
    async with taker() as server, draining_to(bench, away, HttpDrain(target(server.url), "h")):
        await followed(bench, 1)
        await write(bench, "first")
        async with asyncio.timeout(30):
            while await kinds(bench) != ["drain.away"]:
                await asyncio.sleep(0.01)
        for number in range(1000):
            await write(bench, f"line {number}")
            if number % 50 == 0:
                await server.got(number)  # the other one is no faster than HTTP
        everything = await server.got(1001)
        async with syslog(port=port) as back:
            async with asyncio.timeout(30):
                while "line 999" not in back.texts():
                    await asyncio.sleep(0.02)
            said = back.texts()
            told = await kinds(bench)

    dropped = [text for text in said if text.startswith("hostess dropped")]
    lines = [text for text in said if text.startswith("line")]
    assert everything == ["first", *(f"line {number}" for number in range(1000))]
    assert len(dropped) == 1
    assert (
        dropped[0]
        == f"hostess dropped {1000 - len(lines)} lines of all apps: this drain was away, too slow, or refused them"
    )
    assert lines == [f"line {number}" for number in range(1000 - len(lines), 1000)]
    assert len(lines) >= 100
    assert told == ["drain.away", "drain.back"]


async def test_what_a_drain_refuses_is_dropped_and_counted(bench: Bench) -> None:
    """Lines that will never be taken hold up none that follow; those tell how many there were."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    async with taker() as server, draining_to(bench, HttpDrain(target(server.url), "h")):
        await followed(bench, 1)
        server.status = 400
        await write(bench, "too much")
        async with asyncio.timeout(30):
            while not server.batches:
                await asyncio.sleep(0.01)
        server.status = 200
        await write(bench, "fine")
        said = await server.got(2)

    assert said == ["hostess dropped 1 lines of all apps: this drain was away, too slow, or refused them", "fine"]
    assert await kinds(bench) == []


async def test_without_a_drain_nothing_is_read(bench: Bench) -> None:
    """An installation that drains nowhere follows nothing, and remembers nothing."""
    assert (await bench.push("shop", web())).accepted, bench.text()

    await bench.world.draining.run()

    assert not [call for call in bench.engine.calls if call[0] == "follow"]
    assert await bench.journal.note(draining.NOTE) is None
