"""A client can make a worker busy only by sending much: nothing costs more than its bytes, however odd they are."""

import asyncio
from pathlib import Path

import pytest

from hostess_proxy.telemetry.access_log import AccessLog
from hostess_proxy.telemetry.log_lines import CombinedLines
from tests.integration.proxy.http2_peer import a_peer, asking, body, head, raw
from tests.integration.proxy.stage import SOON, Backend, Reader, Stage, Writer, a_stage, read_response, saying

TEXT = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2000\r\n\r\n" + bytes(2000)
SPACES = b" " * 15_000


@pytest.mark.parametrize("field", [b"Accept-Encoding", b"Referer"])
async def test_spaces_in_values(tmp_path: Path, field: bytes) -> None:
    """Fifty requests with thousands of spaces inside of a value are answered as quickly as others."""
    log = AccessLog(tmp_path / "combined.log", CombinedLines())
    async with a_stage(tmp_path, log=log) as stage, asyncio.timeout(SOON):
        stage.route(await stage.backend(saying(TEXT)), compress=True)
        reader, writer = await stage.connect()
        for _ in range(50):
            writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\n%b: gzip%bq=1\r\n\r\n" % (field, SPACES))

            assert (await read_response(reader)).status == 200


async def test_body_byte_by_byte(stage: Stage) -> None:
    """A body in tens of thousands of frames of one byte reaches a backend of HTTP/2 as quickly as any other."""
    count = 60_000

    async def talk(reader: Reader, writer: Writer) -> None:
        writer.write(raw(4, 0, 0))
        received = b""
        try:
            while raw(0, 1, 1) not in received:
                received = received[-9:] + await reader.read(1 << 20)
            writer.write(raw(1, 5, 1, b"\x88"))
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    stage._servers.append(server)
    stage.route(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", protocol="h2c")

    async with a_peer(stage) as peer, asyncio.timeout(SOON):
        peer.send(head(1, asking("POST"), "END_HEADERS"), body(1, b"x") * count, body(1, b"", ended=True))

        assert (await peer.answered(1))[":status"] == "200"


async def test_settings_by_the_thousand(stage: Stage) -> None:
    """Who changes the windows of all streams thousands of times in a frame is made to leave before it costs anything."""
    never = asyncio.Event()

    async def wait(_backend: Backend, _head: bytes, _reader: Reader, _writer: Writer) -> None:
        await never.wait()

    stage.route(await stage.backend(wait))
    windows = (b"\0\4\0\0\xff\xff" + b"\0\4\0\0\xff\xfe") * 1300

    async with a_peer(stage) as peer, asyncio.timeout(SOON):
        peer.send(*(head(number, asking()) for number in range(1, 201, 2)), raw(4, 0, 0, windows) * 500)
        await peer.until_closed()

        assert peer.goaway_code() == 0xB  # ENHANCE_YOUR_CALM
    never.set()
