"""Requests that wait for services that sleep, and bodies that are read wholly before they go on."""

import asyncio
from time import monotonic

import pytest

from hostess_proxy.routes.holding import Sleeper
from tests.integration.proxy.stage import EMPTY, SOON, Backend, Reader, Stage, Writer, read_response
from tests.integration.proxy.waiting import asked, held

PAUSE = {"requests": 100, "seconds": 30}


async def test_wake(stage: Stage) -> None:
    """Requests for a service that sleeps are held and called out, and answered when a table with targets comes."""
    calls: list[Sleeper] = []
    stage.traffic.holding.call = calls.extend
    stage.route(wake={}, project="shop")
    tasks = await asked(stage, 3)
    assert calls == [Sleeper("shop", "web", "*", "/")]

    stage.route(wake={}, project="shop")
    assert held(stage) == 3
    backend = await stage.backend()
    stage.route(backend, wake={}, project="shop")

    assert [response.body for response in await asyncio.gather(*tasks)] == [b"A"] * 3
    assert (await stage.get()).body == b"A"


async def test_calls_again(stage: Stage) -> None:
    """While somebody waits the service is called out about once a second, and not when nobody does any more."""
    calls: list[Sleeper] = []
    stage.traffic.holding.call = calls.extend
    stage.route(wake={})
    tasks = await asked(stage, 2)
    now = stage.traffic.now
    for seconds in (0.5, 1.5, 2.0, 3.0):
        stage.traffic.holding.sweep(now + seconds)
    assert len(calls) == 3

    stage.advance(100)
    for response in await asyncio.gather(*tasks):
        assert (response.status, response.values("x-hostess-error")) == (503, ["asleep"])
        assert response.values("retry-after") == ["1"]
        assert b"was asleep" in response.body
    stage.traffic.holding.sweep(now + 10)
    assert len(calls) == 3


async def test_pause_of_what_sleeps(stage: Stage) -> None:
    """What pauses is not woken."""
    calls: list[Sleeper] = []
    stage.traffic.holding.call = calls.extend
    stage.route(wake={}, pause=PAUSE)
    tasks = await asked(stage, 1)
    assert calls == []

    stage.route(wake={})
    assert len(calls) == 1
    stage.route(await stage.backend())
    assert (await tasks[0]).status == 200


async def test_target_that_fell_asleep(stage: Stage) -> None:
    """A request whose target could not be reached any more is held when the table has put the service to sleep meanwhile."""
    refusing = "127.0.0.1:1"
    stage.route(refusing)
    pending = asyncio.create_task(stage.get())
    async with asyncio.timeout(SOON):
        while stage.traffic.targets.in_flight().get(refusing) != 1:
            await asyncio.sleep(0)  # the refusal comes a few turns of the loop later
    stage.route(wake={})
    await stage.until(lambda: held(stage) == 1)

    stage.route(await stage.backend())

    assert (await pending).status == 200


async def test_loads(stage: Stage) -> None:
    """What each target has to do is counted: what is in flight, what was begun, and how long all of that took."""
    may_end = asyncio.Event()

    async def slow(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        await may_end.wait()
        writer.write(EMPTY)

    backend = await stage.backend(slow)
    stage.route(backend)
    target = f"127.0.0.1:{backend.port}"
    assert stage.traffic.targets.loads()[target] == (0, 0, 0.0)
    pending = [asyncio.create_task(stage.get()) for _ in range(3)]
    await stage.until(lambda: stage.traffic.targets.loads()[target][:2] == (3, 3))
    began = stage.traffic.targets.loads()[target][2]
    stage.traffic.targets.sweep(monotonic() + 10)
    may_end.set()
    await asyncio.gather(*pending)

    in_flight, begun, seconds = stage.traffic.targets.loads()[target]
    assert (in_flight, begun) == (0, 3)
    assert 30 <= seconds - began < 60


BUFFER = {"memory": 1000, "disk": 1_000_000}
BEGUN = b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 5000\r\n\r\n" + b"a" * 2000


async def test_buffered_after_the_pause(stage: Stage) -> None:
    """What has come of a body in the pause is the beginning of what is buffered after it."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE, buffer=BUFFER)
    reader, writer = await stage.connect()
    writer.write(BEGUN)
    await stage.until(lambda: held(stage) == 1)

    stage.route(backend, buffer=BUFFER)
    stage.traffic.tick()
    assert backend.connections == 0
    writer.write(b"b" * 3000)

    response = await read_response(reader)
    assert (response.status, response.body) == (200, b"A" + b"a" * 2000 + b"b" * 3000)


@pytest.mark.parametrize("length", [b"Content-Length: 3000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nbb8\r\n"])
async def test_pause_while_a_body_is_buffered(stage: Stage, length: bytes) -> None:
    """A request whose body is complete only in the pause is held, and arrives whole after it, more than once if need be."""
    backend = await stage.backend()
    stage.route(backend, buffer=BUFFER)
    reader, writer = await stage.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\n" + length + b"a" * 2000)
    await stage.until(lambda: any(client.exchange and client.exchange.received for client in stage.clients()))

    stage.route(backend, buffer=BUFFER, pause=PAUSE)
    writer.write(b"b" * 1000 + (b"\r\n0\r\n\r\n" if b"chunked" in length else b""))
    await stage.until(lambda: held(stage) == 1)
    assert backend.connections == 0
    stage.route("127.0.0.1:1", backend, buffer=BUFFER)

    response = await read_response(reader)
    assert (response.status, response.body) == (200, b"A" + b"a" * 2000 + b"b" * 1000)
