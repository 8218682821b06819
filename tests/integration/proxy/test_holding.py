"""Requests that are held while a route pauses, or while what is behind it is being woken, through real sockets."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Stage, a_stage, after, read_response
from tests.integration.proxy.waiting import asked, held

PAUSE = {"requests": 100, "seconds": 30}


async def test_all_are_answered(stage: Stage) -> None:
    """Fifty requests that came in a pause are answered after it, in the order in which they came, each once."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)
    tasks = await asked(stage, 50)
    assert backend.connections == 0

    stage.route(backend)

    assert {(response.status, response.body) for response in await asyncio.gather(*tasks)} == {(200, b"A")}
    assert sorted(int(head.split()[1][1:]) for head in backend.heads) == list(range(50))
    assert held(stage) == 0
    assert {line["retries"] for line in await stage.logged(50)} == {0}


async def test_order(stage: Stage) -> None:
    """On one connection to the backend the requests arrive in the order in which they came."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)
    reader, writer = await stage.connect()
    writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: a.x\r\n\r\n" % number for number in range(20)))
    await stage.until(lambda: held(stage) == 1)

    stage.route(backend)

    assert [(await read_response(reader)).status for _ in range(20)] == [200] * 20
    assert [head.split()[1] for head in backend.heads] == [b"/%d" % number for number in range(20)]


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
async def test_bodies(stage: Stage, size: int) -> None:
    """A body waits with its request, most of it at the client, and arrives whole."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for head in (
        b"Content-Length: %d\r\n\r\n%b" % (size, body),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, body),
    ):
        reader, writer = await stage.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\n" + head)
        await stage.until(lambda: held(stage) == 1)
        [client] = [client for client in stage.clients() if client.exchange is not None]
        for _ in range(5):
            stage.traffic.tick()
            await asyncio.sleep(0)
        assert client.exchange is not None
        assert sum(map(len, client.exchange.pending)) <= 512 * 1024

        stage.route(backend)

        response = await read_response(reader)
        assert (response.status, response.body) == (200, b"A" + body)
        stage.route(backend, pause=PAUSE)


async def test_continue(stage: Stage) -> None:
    """A client that waits for 100 before it sends its body is told to after the pause."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)
    reader, writer = await stage.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    await stage.until(lambda: held(stage) == 1)
    stage.advance(5)
    assert held(stage) == 1

    stage.route(backend)
    await stage.until(lambda: len(backend.heads) == 1)
    stage.advance(2)

    assert (await read_response(reader)).status == 100
    writer.write(b"hi")
    assert (await read_response(reader)).body == b"Ahi"


async def test_too_long(stage: Stage) -> None:
    """When nothing ends the pause in time the answer is 504, whatever came of the body; no backend is asked."""
    backend = await stage.backend()
    stage.route(backend, pause={"requests": 100, "seconds": 20})
    tasks = await asked(stage, 2)
    tasks += await asked(stage, 1, "POST /{} HTTP/1.1\r\nHost: a.x\r\nContent-Length: 9\r\n\r\nhi")
    stage.advance(15)
    assert held(stage) == 3

    stage.advance(10)

    for response in await asyncio.gather(*tasks):
        assert (response.status, response.values("x-hostess-error")) == (504, ["paused"])
    assert backend.connections == 0
    assert {line["end"] for line in await stage.logged(3)} == {"timeout"}


async def test_sent_ahead_for_another_room(stage: Stage) -> None:
    """When a request has waited too long, the next one of its connection takes its place, wherever that is."""
    paused = {"host": "*", "service": "web", "release": "1", "targets": [], "pause": PAUSE}
    stage.publish({"routes": [paused, *({**paused, "path": f"/{name}"} for name in "abc")]})
    reader, writer = await stage.connect()
    writer.write(b"".join(b"GET /%b HTTP/1.1\r\nHost: a.x\r\n\r\n" % name for name in (b"a", b"b", b"c", b"")))

    for _ in range(4):
        await stage.until(lambda: held(stage) == 1)
        stage.advance(60)
        assert (await read_response(reader)).values("x-hostess-error") == ["paused"]


@pytest.mark.parametrize("ahead", [b"", b"hi", b"hi" * 10_000])
async def test_by_tls(tmp_path: Path, papers: Papers, ahead: bytes) -> None:
    """By TLS, too, requests are held and answered, and a client that hangs up frees its place."""
    async with a_stage(tmp_path, papers=papers) as stage:
        backend = await stage.backend()
        stage.route(backend, pause=PAUSE)
        [kept] = await asked(stage, 1, "POST /{} HTTP/1.1\r\nHost: a.x\r\nContent-Length: 2\r\n\r\nhi")
        _, writer = await stage.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 1000000\r\n\r\n" + ahead)
        await stage.until(lambda: held(stage) == 2)
        writer.transport.abort()
        await stage.until(lambda: held(stage) == 1)

        stage.route(backend)

        assert (await kept).body == b"Ahi"
        assert len(backend.heads) == 1


async def test_too_many(stage: Stage) -> None:
    """Over their number requests are answered with 503 at once; those that wait are not touched."""
    backend = await stage.backend()
    stage.route(backend, pause={"requests": 2, "seconds": 30})
    tasks = await asked(stage, 2)

    response = await stage.get()
    assert (response.status, response.values("x-hostess-error")) == (503, ["too-many-held"])
    assert response.values("retry-after") == ["1"]

    stage.route(backend)
    assert [response.status for response in await asyncio.gather(*tasks)] == [200, 200]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 9\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 9\r\n\r\n",
    ],
)
async def test_hang_up(stage: Stage, request_bytes: bytes) -> None:
    """A client that hangs up frees its place, and nothing of its request reaches a backend."""
    backend = await stage.backend()
    stage.route(backend, pause={"requests": 1, "seconds": 30})
    _, writer = await stage.connect()
    writer.write(request_bytes)
    await stage.until(lambda: held(stage) == 1)

    writer.close()
    await stage.until(lambda: held(stage) == 0)
    [task] = await asked(stage, 1)
    stage.route(backend)

    assert (await task).status == 200
    assert len(backend.heads) == 1
    [gone, _] = await stage.logged(2)
    assert (gone["status"], gone["end"], gone["target"]) == (499, "client_gone", "")


async def test_hang_up_at_the_last_moment(stage: Stage) -> None:
    """Who has hung up is sent to nobody, even when the pause ends before anybody has looked."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)
    _, writer = await stage.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 2\r\n\r\n")
    await stage.until(lambda: held(stage) == 1)
    writer.close()
    await writer.wait_closed()

    stage.route(backend)

    await stage.until(lambda: not stage.clients())
    assert backend.heads == []


async def test_table_that_pauses_on(stage: Stage) -> None:
    """A deployment in a pause changes nothing for those who wait; after it the new release answers."""
    old, new = await stage.backend(name="old"), await stage.backend(name="new")
    stage.route(old, pause=PAUSE)
    tasks = await asked(stage, 3)
    stage.advance(20)

    stage.route(new, pause=PAUSE, release="2")
    assert held(stage) == 3
    stage.route(new, release="2")

    assert {response.body for response in await asyncio.gather(*tasks)} == {b"new"}
    assert old.connections == 0


async def test_time_goes_on(stage: Stage) -> None:
    """Time counts from when a request came, whatever tables come meanwhile."""
    stage.route("127.0.0.1:1", pause={"requests": 5, "seconds": 0.3})
    [task] = await asked(stage, 1)
    while not task.done():
        stage.route("127.0.0.1:1", pause={"requests": 5, "seconds": 0.3})
        await asyncio.sleep(0.01)

    assert (await task).values("x-hostess-error") == ["paused"]


@pytest.mark.parametrize(
    ("after", "status", "code"),
    [
        ({"maintenance": {"message": "Closed."}}, 503, "maintenance"),
        ({"allow": []}, 403, "not-allowed"),
        ({"redirect": {"host": "www.x"}}, 308, "other-host"),
        ({"host": "b.x"}, 404, "unknown-host"),
        ({"targets": []}, 503, "no-backend"),
    ],
)
async def test_other_ends(stage: Stage, after: dict[str, Any], status: int, code: str) -> None:
    """What the next table says holds for all who wait: maintenance, for one, is told to every one of them."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)
    tasks = await asked(stage, 3)
    tasks += await asked(stage, 1, "POST /{} HTTP/1.1\r\nHost: a.x\r\nContent-Length: 9\r\n\r\nhi")

    stage.route(backend, **after)

    for response in await asyncio.gather(*tasks):
        assert (response.status, response.values("x-hostess-error")) == (status, [code])
    assert backend.connections == 0


async def test_rate_is_counted_once(stage: Stage) -> None:
    """A request that was held is not counted a second time when it goes on."""
    backend = await stage.backend()
    limit = {"requests": 2, "seconds": 1000}
    stage.route(backend, pause=PAUSE, rate_limit=limit)
    tasks = await asked(stage, 2)
    assert (await stage.get()).status == 429

    stage.route(backend, rate_limit=limit)

    assert [response.status for response in await asyncio.gather(*tasks)] == [200, 200]


async def test_what_was_asked_first_is_asked_again(stage: Stage) -> None:
    """A held request is asked for its password again, and has it; its prefix is cut off once."""
    user = {"user": "a", "salt": "00", "digest": sha256(b"\0b").hexdigest()}
    backend = await stage.backend()
    stage.route(backend, path="/app", strip_prefix=True, basic_auth=[user], pause=PAUSE)
    tasks = await asked(stage, 1, "GET /app/app/{} HTTP/1.1\r\nHost: a.x\r\nAuthorization: Basic YTpi\r\n\r\n")
    stage.route(backend, path="/app", strip_prefix=True, basic_auth=[user], pause=PAUSE)

    stage.route(backend, path="/app", strip_prefix=True, basic_auth=[user])

    assert (await tasks[0]).status == 200
    [head] = backend.heads
    assert head.startswith(b"GET /app/0 HTTP/1.1\r\n")
    assert head.count(b"X-Forwarded-Prefix") == 1


async def test_websocket(stage: Stage) -> None:
    """A WebSocket is opened after the pause; one that was open before is not touched by it."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stage.route(address)
        async with connect(f"ws://127.0.0.1:{stage.port}/") as before:
            stage.route(address, pause=PAUSE)
            opening = asyncio.create_task(connect(f"ws://127.0.0.1:{stage.port}/").__aenter__())
            await stage.until(lambda: held(stage) == 1)
            await before.send("still")
            assert await before.recv() == "still"

            stage.route(address)
            after = await opening
            await after.send("there")
            assert await after.recv() == "there"
            await after.close()


async def test_request_that_was_on_its_way(stage: Stage) -> None:
    """A request that was sent before the pause is answered in it."""
    finish = asyncio.Event()

    backend = await stage.backend(after(finish))
    stage.route(backend)
    pending = asyncio.create_task(stage.get())
    await stage.until(lambda: len(backend.heads) == 1)
    stage.route(backend, pause=PAUSE)
    finish.set()

    assert (await pending).status == 200


async def test_drain(stage: Stage) -> None:
    """What still waits when a worker ends is answered, not dropped."""
    stage.route("127.0.0.1:1", pause=PAUSE)
    tasks = await asked(stage, 2)
    stage.traffic.drain()

    assert stage.traffic.cut_all() == 2

    for response in await asyncio.gather(*tasks):
        assert (response.status, response.values("x-hostess-error")) == (504, ["cut-off"])
