"""The host's clock is set while the proxy serves."""

import asyncio

import pytest

from tests.integration.proxy.stage import Backend, Reader, Stage, Writer, ok, read_response

DAY = 86400.0
GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
async def test_a_clock_that_jumps(stage: Stage, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    """A day more or less ends nothing early and keeps nothing longer; from then on the log and the backend are told today's time."""
    finish = asyncio.Event()

    async def slow(backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
        await finish.wait()
        await ok(backend, head, reader, writer)

    backend = await stage.backend(slow)
    stage.route(backend, rate_limit={"requests": 2, "seconds": 1000, "burst": 2})
    reader, writer = await stage.connect()
    writer.write(GET)
    await stage.until(lambda: len(backend.heads) == 1)
    [client] = stage.clients()
    deadline, before = client.deadline, stage.traffic.wall

    monkeypatch.setattr("hostess_proxy.traffic.time", lambda: stage.traffic.now + before + jump)
    stage.traffic.tick()

    assert client.deadline == deadline
    finish.set()
    assert (await read_response(reader)).body == b"A"
    assert (await stage.get()).body == b"A"
    assert (await stage.get()).status == 429
    first, second = (int(head.partition(b"X-Request-Start: t=")[2].split(b"\r\n")[0]) / 1000 for head in backend.heads)
    assert abs(second - first - jump) < DAY / 2
