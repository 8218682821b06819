"""What happens when backends or clients fail: the retry table, visible truncation, limits and deadlines."""

import asyncio
import json
import os

import pytest

from tests.integration.proxy.stage import EMPTY, Backend, Reader, Stage, Writer, ok, read_response, saying
from tests.side_by_side import free_ports
from tests.unit.proxy.test_http1 import REFUSED, RESPONSES_REFUSED

SCHEMES = ("http", "https")
GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\n\r\nabc"


def unused_address() -> str:
    """Return an address that refuses connections."""
    [port] = free_ports()
    return f"127.0.0.1:{port}"


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_requests_reach_nobody(stage: Stage, name: str) -> None:
    """A request without a single reading is answered and its connection closed; no backend sees a byte of it."""
    backend = await stage.backend()
    stage.route(backend)
    head, status = REFUSED[name]
    reader, writer = await stage.connect()

    writer.write(head + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")

    response = await read_response(reader)
    assert response.status in {status, 400}
    assert response.values("x-hostess-error")
    assert await reader.read() == b""
    assert backend.connections == 0


@pytest.mark.parametrize("name", RESPONSES_REFUSED)
async def test_refused_responses(stage: Stage, name: str) -> None:
    """A response without a single reading is a 502, and its connection is not used again."""
    backend = await stage.backend(saying(RESPONSES_REFUSED[name] + b"\r\n"))
    stage.route(backend)

    response = await stage.get()

    assert (response.status, response.values("x-hostess-error")) == (502, ["backend-invalid-response"])
    await stage.until(lambda: backend.open == 0)


async def test_huge_response_head(stage: Stage) -> None:
    """A backend's endless head is cut at a limit."""
    stage.route(await stage.backend(saying(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000)))

    assert (await stage.get()).status == 502


async def test_unknown_host(stage: Stage) -> None:
    """A host that nobody serves gets the proxy's own page, as HTML or JSON."""
    stage.publish({"routes": []})

    page = await stage.get("/", "Accept: text/html")
    problem = await stage.get("/", "Accept: application/json")

    assert (page.status, page.values("x-hostess-error")) == (404, ["unknown-host"])
    assert b"<html" in page.body
    assert json.loads(problem.body)["code"] == "unknown-host"


async def test_no_backend(stage: Stage) -> None:
    """A route without targets is unavailable for now."""
    stage.route()

    response = await stage.get()

    assert (response.status, response.values("retry-after")) == (503, ["1"])


async def test_own_pages_pass(stage: Stage) -> None:
    """An app's own error page passes untouched and is not marked as ours."""
    stage.route(await stage.backend(saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno")))

    response = await stage.get()

    assert (response.status, response.body, response.values("x-hostess-error")) == (500, b"no", [])


@pytest.mark.parametrize("request_bytes", [GET, POST])
async def test_connect_failure_goes_elsewhere(stage: Stage, request_bytes: bytes) -> None:
    """A target that refuses connections costs nothing: another gets the request, whatever its method, body intact."""
    backend = await stage.backend()
    stage.route(unused_address(), backend)

    answers = [await stage.ask(request_bytes) for _ in range(6)]

    assert {answer.status for answer in answers} == {200}
    assert answers[0].body == (b"Aabc" if request_bytes is POST else b"A")


async def test_all_refuse(stage: Stage) -> None:
    """When every target refuses, the answer is a 502."""
    stage.route(unused_address(), unused_address())

    response = await stage.ask(POST)

    assert (response.status, response.values("x-hostess-error")) == (502, ["backend-unreachable"])
    (line,) = await stage.logged(1)
    assert (line["end"], line["retries"]) == ("connect_failed", 1)


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_backend_dies_mid_body(stage: Stage, beginning: bytes) -> None:
    """A response that breaks off breaks off for the client, too: never a proper end."""
    stage.route(await stage.backend(saying(beginning, close=True)))
    reader, writer = await stage.connect()

    writer.write(GET)

    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await read_response(reader)
    (line,) = await stage.logged(1)
    assert (line["status"], line["end"]) == (200, "truncated")


async def test_bad_chunk_mid_body(stage: Stage) -> None:
    """A chunk that is none ends the response visibly, and the log says that the backend is to blame."""
    go_on = asyncio.Event()

    async def spoil(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await go_on.wait()
        writer.write(b"0x0\r\n\r\n")

    stage.route(await stage.backend(spoil))
    reader, writer = await stage.connect()
    writer.write(GET)
    await reader.readuntil(b"abc\r\n")

    go_on.set()

    assert await reader.read() == b""
    (line,) = await stage.logged(1)
    assert (line["status"], line["end"], line["error"]) == (200, "backend_invalid", "bad-chunk")


async def test_backend_dies_for_an_old_client(stage: Stage) -> None:
    """Where only the end ends a body, a truncated one ends in a reset."""
    stage.route(
        await stage.backend(saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", close=True))
    )
    reader, writer = await stage.connect()

    writer.write(b"GET / HTTP/1.0\r\n\r\n")

    with pytest.raises(ConnectionResetError):
        await reader.read()


async def test_client_leaves(stage: Stage) -> None:
    """When the client leaves, the backend sees the end and the log says 499."""

    async def wait(backend: Backend, _head: bytes, reader: Reader, _writer: Writer) -> None:
        await reader.read()
        backend.closed.set()

    backend = await stage.backend(wait)
    stage.route(backend)
    _, writer = await stage.connect()
    writer.write(GET)
    await stage.until(lambda: len(backend.heads) == 1)

    writer.close()

    async with asyncio.timeout(25):
        await backend.closed.wait()
    (line,) = await stage.logged(1)
    assert (line["status"], line["end"]) == (499, "client_gone")


async def test_one_line_for_each_request(stage: Stage) -> None:
    """Whatever becomes of a request (refused, nowhere to go, odd method, broken off, given up by either side), it leaves one line."""

    async def talk(_backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
        if b"/breaks" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            writer.close()
        elif b"/junk" in head:
            writer.write(b"junk\r\n\r\n")
        elif b"/silent" in head:
            await reader.read()
        else:
            writer.write(EMPTY)

    backend = await stage.backend(talk)
    route = {"host": "a.x", "service": "web", "release": "1", "targets": [backend.address]}
    stage.publish({"routes": [route, {**route, "path": "/none", "targets": []}]})
    asked = [
        (b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n", "ok"),
        (b"WEIRD / HTTP/1.1\r\nHost: a.x\r\n\r\n", "ok"),
        (b"GET /breaks HTTP/1.1\r\nHost: a.x\r\n\r\n", "truncated"),
        (b"GET /junk HTTP/1.1\r\nHost: a.x\r\n\r\n", "backend_invalid"),
        (b"GET /none HTTP/1.1\r\nHost: a.x\r\n\r\n", "no_target"),
        (b"GET / HTTP/1.1\r\nHost: b.x\r\n\r\n", "no_route"),
        (b"GET / HTTP/1.1\r\nHost: a.x\r\nHost: a.x\r\n\r\n", "refused"),
        (b"POST / HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "refused"),
        (b"GET /silent HTTP/1.1\r\nHost: a.x\r\n\r\n", "client_gone"),
    ]

    for number, (request, end) in enumerate(asked, 1):
        reader, writer = await stage.connect()
        writer.write(request)
        if end == "client_gone":
            await stage.until(lambda: b"/silent" in backend.heads[-1])
        else:
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await stage.logged(number)

    assert [line["end"] for line in await stage.logged(len(asked))] == [end for _, end in asked]
    assert stage.traffic.requests == len(asked)


async def test_broken_log_loses_lines_only(stage: Stage) -> None:
    """When the log cannot be written, requests go on and the lost lines are counted."""
    stage.route(await stage.backend())
    stage._log_path.parent.joinpath("access.log").mkdir()

    for _ in range(3):
        assert (await stage.get()).status == 200
    stage.traffic.tick()

    await stage.until(lambda: stage.traffic.log_lines_dropped == 3)


async def test_blocked_log_loses_lines_only(stage: Stage) -> None:
    """When the log takes nothing and gives no error either, requests go on; what waits is bounded, and the rest is counted."""
    stage.route(await stage.backend())
    os.mkfifo(stage._log_path)  # which nobody reads

    for _ in range(100):
        assert (await stage.get()).status == 200
        stage.traffic.tick()

    assert stage.traffic.log_lines_dropped > 0
    os.close(os.open(stage._log_path, os.O_RDONLY | os.O_NONBLOCK))


async def test_dead_replica_costs_nothing(stage: Stage) -> None:
    """One dead replica of two never fails a request, and most requests do not even try it."""
    alive = await stage.backend(ok)
    stage.route(alive, unused_address())

    answers = [await stage.get() for _ in range(50)]

    assert {answer.status for answer in answers} == {200}
    assert sum(line["retries"] for line in await stage.logged(50)) <= 2
