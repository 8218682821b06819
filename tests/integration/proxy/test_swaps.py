"""The table is swapped while requests are on their way."""

import asyncio
from functools import partial

from hostess_proxy.draining import drain
from tests.integration.proxy.stage import Backend, Reader, Stage, Writer, after, ok, read_response

SCHEMES = ("http", "https")
GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\n\r\nabc"


async def test_assigned_request_keeps_its_target(stage: Stage) -> None:
    """A request that was on its way when the table changed is answered by its old target; the next goes to the new one."""
    finish = asyncio.Event()

    old, new = await stage.backend(after(finish), "old"), await stage.backend(ok, "new")
    stage.route(old)
    pending = asyncio.create_task(stage.get())
    await stage.until(lambda: len(old.heads) == 1)

    stage.route(new)
    assert (await stage.get()).body == b"new"
    draining = asyncio.create_task(drain(stage.traffic.targets.at([old.address]), 5, 5))
    assert stage.traffic.targets.in_flight()[old.address] == 1
    finish.set()

    assert (await pending).body == b"old"
    assert await draining == 0
    await stage.until(lambda: old.open == 0)


async def test_no_idle_connection_to_a_target_that_left(stage: Stage) -> None:
    """Right after a swap nothing is connected to the old target, so it may be stopped at once."""
    old, new = await stage.backend(ok, "old"), await stage.backend(ok, "new")
    stage.route(old)
    await asyncio.gather(*(stage.get() for _ in range(5)))

    stage.route(new)

    await stage.until(lambda: old.open == 0)
    stage.traffic.tick()
    assert stage.traffic.targets.at([old.address]) == []


async def test_drain_cuts_what_is_left(stage: Stage) -> None:
    """At the drain's deadline a request without an answer gets 504, one with half an answer is broken off; both are counted."""

    async def never(_backend: Backend, head: bytes, _reader: Reader, writer: Writer) -> None:
        if b"/half" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await asyncio.sleep(60)

    old = await stage.backend(never)
    stage.route(old)
    silent = asyncio.create_task(stage.get())
    reader, writer = await stage.connect()
    writer.write(b"GET /half HTTP/1.1\r\nHost: a.x\r\n\r\n")
    await reader.readuntil(b"abc")
    await stage.until(lambda: len(old.heads) == 2)
    stage.publish({"routes": []})

    cut = await drain(stage.traffic.targets.at([old.address]), 0.05, 0.05)

    assert cut == 2
    assert (await silent).values("x-hostess-error") == ["cut-off"]
    assert await reader.read() == b""


async def test_swaps_under_load(stage: Stage) -> None:
    """Twenty swaps between two backends under mixed load fail no request, and old backends may vanish when drained."""
    stop = asyncio.Event()
    count = 0

    async def client(message: bytes, body: bytes) -> None:
        nonlocal count
        reader, writer = await stage.connect()
        while not stop.is_set():
            writer.write(message)
            response = await read_response(reader)
            assert response.status == 200
            assert response.body.endswith(body)
            count += 1

    def more_than(number: int) -> bool:
        return count > number

    current = await stage.backend(ok, "0")
    stage.route(current)
    clients = [asyncio.create_task(client(message, body)) for message, body in [(GET, b""), (POST, b"abc")] * 4]
    for turn in range(1, 21):
        await stage.until(partial(more_than, count + 20))
        new = await stage.backend(ok, str(turn))
        stage.route(new)
        assert await drain(stage.traffic.targets.at([current.address]), 5, 5) == 0
        for writer in current.writers:
            writer.transport.abort()
        current = new
    stop.set()

    await asyncio.gather(*clients)
    assert count > 400
