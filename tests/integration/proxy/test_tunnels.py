"""Upgraded connections are opaque: bytes in, bytes out, both ends close as they like."""

import asyncio

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve

from tests.integration.proxy.stage import ONLY_HTTP, Backend, Reader, Stage, Writer, read_response, saying

SCHEMES = ("http", "https")
ASK = b"GET /ws HTTP/1.1\r\nHost: a.x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"


async def echo(_backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
    """Switch protocols and send back what comes, until the other side ends; then say so."""
    assert b"Connection: Upgrade\r\nUpgrade: echo\r\n" in head
    writer.write(SWITCH % b"echo" + b"hello")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"bye")
    writer.close()


@ONLY_HTTP
async def test_echo_and_half_close(stage: Stage) -> None:
    """Bytes next to the 101, sent ahead by the client, and after its half close all arrive."""
    stage.route(await stage.backend(echo))
    reader, writer = await stage.connect()

    writer.write(ASK % b"echo" + b"ahead")
    response = await read_response(reader)
    writer.write(b"x" * 1_000_000)
    writer.write_eof()

    assert response.values("upgrade") == ["echo"]
    assert await reader.read() == b"hello" + b"ahead" + b"x" * 1_000_000 + b"bye"
    (line,) = await stage.logged(1)
    assert (line["status"], line["end"], line["in"]) == (101, "ok", 1_000_005)


async def test_failed_upgrade(stage: Stage) -> None:
    """A backend that does not switch answers as usual, and the connection lives on."""
    stage.route(await stage.backend(saying(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno")))
    reader, writer = await stage.connect()

    for _ in range(2):
        writer.write(ASK % b"echo")
        response = await read_response(reader)
        assert (response.status, response.body) == (400, b"no")


async def test_unasked_switch(stage: Stage) -> None:
    """A backend that switches though nobody asked is a bad gateway."""
    stage.route(await stage.backend(saying(SWITCH % b"echo")))

    assert (await stage.get()).status == 502


async def test_h2c_is_not_offered(stage: Stage) -> None:
    """An upgrade to HTTP/2 reaches the backend as an ordinary request."""
    backend = await stage.backend()
    stage.route(backend)

    response = await stage.ask(ASK % b"h2c")

    assert response.status == 200
    assert b"pgrade" not in backend.heads[0]


async def test_backend_closes(stage: Stage) -> None:
    """When the backend closes the tunnel, the client sees the end."""
    stage.route(await stage.backend(saying(SWITCH % b"echo" + b"only this", close=True)))
    reader, writer = await stage.connect()
    writer.write(ASK % b"echo")

    await read_response(reader)

    assert await reader.read() == b"only this"


async def mirror(connection: ServerConnection) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


def address_of(server: Server) -> str:
    """Return where a WebSocket server listens."""
    return f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_websocket(stage: Stage) -> None:
    """A real WebSocket works: messages, a big one, ping, close."""
    async with serve(mirror, "127.0.0.1", 0, max_size=None) as server:
        stage.route(address_of(server))
        async with connect(**stage.websocket, max_size=None) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            await client.send(b"x" * 1_000_000)
            assert await client.recv() == b"x" * 1_000_000
            await (await client.ping())


async def test_websocket_is_told_when_its_target_goes(stage: Stage) -> None:
    """A WebSocket at a drained target gets Close 1001, and reconnecting reaches the new one."""
    async with serve(mirror, "127.0.0.1", 0) as server:
        old = address_of(server)
        stage.route(old)
        async with connect(**stage.websocket) as client:
            await client.send("hello")
            await client.recv()
            (target,) = stage.traffic.targets.at([old])
            stage.route(await stage.backend())

            for exchange in list(target.exchanges):
                exchange.cut()

            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(client.recv(), 25)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
