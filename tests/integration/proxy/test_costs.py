"""A client can make a worker busy only by sending much: nothing costs more than its bytes, however odd they are."""

import asyncio
from pathlib import Path

import pytest

from hostess_proxy.access_log import AccessLog
from hostess_proxy.log_lines import CombinedLines
from tests.integration.proxy.stage import SOON, a_stage, read_response, saying

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
