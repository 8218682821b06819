"""What the access log tells, and what becomes of requests when it cannot be written."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from hostess_proxy.telemetry.access_log import MAX_WAITING, AccessLog
from hostess_proxy.telemetry.log_lines import CombinedLines, JsonLines
from tests.integration.proxy.stage import Stage, a_stage, read_response


async def ask_a_lot(stage: Stage, times: int) -> None:
    """Ask on one connection, handing the log over after each answer; all are answered."""
    reader, writer = await stage.connect()
    for _ in range(times):
        writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n")
        assert (await read_response(reader)).status == 404
        stage.traffic.tick()


async def test_fields(stage: Stage) -> None:
    """A line tells route, target, timings, bytes both ways, and how the request ended."""
    backend = await stage.backend()
    stage.route(backend, project="p", service="web", release="7")

    await stage.ask(b"POST /a?b=c HTTP/1.1\r\nHost: a.x\r\nUser-Agent: curl\r\nContent-Length: 3\r\n\r\nabc")

    (line,) = await stage.logged(1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert re.fullmatch(r"[0-9a-f]{32}", line.pop("id"))
    assert 0 < line.pop("connect_ms") < line.pop("upstream_ms") <= line.pop("ms")
    assert line == {
        "client": "127.0.0.1", "method": "POST", "host": "a.x", "path": "/a?b=c", "proto": "HTTP/1.1", "status": 200,
        "in": 3, "out": 4, "tls": False, "project": "p", "service": "web", "release": "7", "target": backend.address,
        "retries": 0, "end": "ok", "error": "", "ua": "curl",
    }  # fmt: skip


async def test_combined(tmp_path: Path) -> None:
    """The combined format is that of Apache and nginx, with the time that the request took; quotes cannot break it."""
    path = tmp_path / "access.log"
    async with a_stage(tmp_path, log=AccessLog(path, CombinedLines())) as stage:
        backend = await stage.backend()
        stage.route(backend)
        await stage.ask(b'GET /a"b HTTP/1.1\r\nHost: a.x\r\nreferer:  http://b.x/ \r\nUser-Agent: "x" \\\r\n\r\n')
        await stage.get("/")
        await stage.ask(b"GET\r\n\r\n")
        await stage.until(lambda: _flushed(stage, path, 3))

    first, second, third = path.read_text().splitlines()
    when = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]"
    assert re.fullmatch(
        rf'127\.0\.0\.1 - - {when} "GET /a\\"b HTTP/1\.1" 200 1 "http://b\.x/" "\\"x\\" \\\\" \d+\.\d{{3}}', first
    )
    assert re.fullmatch(rf'127\.0\.0\.1 - - {when} "GET / HTTP/1\.1" 200 1 "-" "-" \d+\.\d{{3}}', second)
    assert re.fullmatch(rf'127\.0\.0\.1 - - {when} "-" 400 \d+ "-" "-" 0\.000', third)


def _flushed(stage: Stage, path: Path, count: int) -> bool:
    stage.traffic.tick()
    return path.exists() and len(path.read_text().splitlines()) == count


async def test_a_log_that_nobody_reads_costs_no_request(tmp_path: Path) -> None:
    """While nobody reads the pipe that the log is written to, requests are answered, and lines beyond the bound are dropped."""
    pipe = tmp_path / "access.log"
    os.mkfifo(pipe)
    log = AccessLog(pipe)
    async with a_stage(tmp_path, log=log) as stage:
        await ask_a_lot(stage, 20)
        assert log.dropped == 0
        for _ in range(MAX_WAITING):
            log.add("{}\n")
        log.flush()
        assert log.dropped == MAX_WAITING
        await ask_a_lot(stage, 20)
        with pipe.open("rb") as reader:  # or the thread would wait for ever
            assert json.loads(reader.readline())["status"] == 404
            await asyncio.to_thread(log.close)


def test_a_line_that_was_cut_ends_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could be written only in part costs those lines alone; the next one begins on a line of its own."""
    path = tmp_path / "access.log"
    log = AccessLog(path, JsonLines())
    written: list[bytes] = []
    room = 12

    def write(_descriptor: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            room = 1000
            raise OSError(28, "No space left on device")
        taken = bytes(data)[:room]
        room -= len(taken)
        written.append(taken)
        return len(taken)

    monkeypatch.setattr(os, "write", write)
    for lines in (["first\n", "second\n", "third\n"], ["fourth\n"]):
        log._file.write(lines)
    monkeypatch.undo()
    log.close()

    assert b"".join(written) == b"first\nsecond\nfourth\n"
    assert log.dropped == 2
