"""Responses are compressed on their way where a route wants it."""

import asyncio
import os
import zlib
from collections.abc import Callable

import pytest
import zstandard

from hostess_proxy.routes.encoding import AT_ONCE
from tests.integration.proxy.http2_peer import a_peer, asking, head
from tests.integration.proxy.stage import Backend, Reader, Response, Stage, Writer, ok, read_response, saying
from tests.integration.proxy.test_trouble import GET

TEXT = b"".join(b"line %d of a text\n" % number for number in range(1000))
HEAD = b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: "a"\r\n'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(TEXT), TEXT)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(TEXT), TEXT)
UNTIL_CLOSE = HEAD + b"\r\n" + TEXT


def gunzip(data: bytes) -> bytes:
    """Return what a complete gzip body stands for."""
    decoder = zlib.decompressobj(31)
    text = decoder.decompress(data)
    assert decoder.eof
    assert not decoder.unused_data
    return text


def unzstd(data: bytes) -> bytes:
    """Return what a complete zstd body stands for."""
    decoder = zstandard.ZstdDecompressor().decompressobj()
    text = decoder.decompress(data)
    assert decoder.eof
    assert not decoder.unused_data
    return text


def plain(response: Response) -> bytes:
    """Return the body of a response that is as the backend sent it."""
    assert response.values("content-encoding") == []
    return response.body


@pytest.mark.parametrize(("coding", "decoded"), [("gzip", gunzip), ("zstd", unzstd)])
@pytest.mark.parametrize("answer", [WHOLE, CHUNKED, UNTIL_CLOSE])
async def test_round_trip(stage: Stage, coding: str, decoded: Callable[[bytes], bytes], answer: bytes) -> None:
    """However a body is framed, it arrives compressed and complete, much shorter, and the log counts what was sent."""
    stage.route(await stage.backend(saying(answer, close=answer is UNTIL_CLOSE)), compress=True)

    response = await stage.get("/", f"Accept-Encoding: {coding}")

    assert response.values("content-encoding") == [coding]
    assert response.values("vary") == ["Accept-Encoding"]
    assert response.values("etag") == ['W/"a"']
    assert decoded(response.body) == TEXT
    assert len(response.body) < len(TEXT) / 3
    [line] = await stage.logged(1)
    assert line["out"] == len(response.body)
    assert stage.traffic.encoding == 0


async def test_who_does_not_want_it(stage: Stage) -> None:
    """Without the option, or for a client that takes no coding, the body goes as it is; with the option it varies."""
    backend = await stage.backend(saying(WHOLE))
    stage.route(backend)
    off = await stage.get("/", "Accept-Encoding: gzip")
    stage.route(backend, compress=True)
    unasked = await stage.get()

    assert (plain(off), off.values("vary"), off.values("etag")) == (TEXT, [], ['"a"'])
    assert (plain(unasked), unasked.values("vary"), unasked.values("etag")) == (TEXT, ["Accept-Encoding"], ['"a"'])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 2000\r\n\r\n" + bytes(2000),
        b"HTTP/1.1 404 No\r\nContent-Type: text/plain\r\nContent-Length: 2000\r\n\r\n" + bytes(2000),
    ],
)
async def test_what_is_left_alone(stage: Stage, answer: bytes) -> None:
    """Short bodies, other kinds and errors go as they are."""
    stage.route(await stage.backend(saying(answer)), compress=True)

    response = await stage.get("/", "Accept-Encoding: gzip")

    assert plain(response) in {b"short", bytes(2000)}


@pytest.mark.parametrize("answer", [WHOLE[: -len(TEXT)], b"HTTP/1.1 304 Not Modified\r\n\r\n"])
async def test_without_a_body(stage: Stage, answer: bytes) -> None:
    """HEAD and 304 have no body, and nothing is said of a coding."""
    stage.route(await stage.backend(saying(answer)), compress=True)

    response = await stage.ask(b"HEAD" + GET[3:-2] + b"Accept-Encoding: gzip\r\n\r\n", bodyless=True)

    assert response.values("content-encoding") == []


async def test_each_piece_at_once(stage: Stage) -> None:
    """Each piece can be read as soon as the backend has sent it, while the response goes on."""
    go_on = asyncio.Event()

    async def pieces(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            await go_on.wait()
            go_on.clear()
            writer.write(b"6\r\npiece\n\r\n")
        writer.write(b"0\r\n\r\n")

    stage.route(await stage.backend(pieces), compress=True)
    reader, writer = await stage.connect()
    writer.write(GET[:-2] + b"Accept-Encoding: gzip\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    decoder = zlib.decompressobj(31)

    for _ in range(3):
        go_on.set()
        text = b""
        async with asyncio.timeout(25):
            while not text:
                size = int(await reader.readuntil(b"\r\n"), 16)
                text = decoder.decompress((await reader.readexactly(size + 2))[:-2])
        assert text == b"piece\n"


async def test_events_are_never_compressed(stage: Stage) -> None:
    """An event stream passes as it is, event by event."""
    events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"data: x\n\n" * 1000
    stage.route(await stage.backend(saying(events, close=True)), compress=True)

    response = await stage.get("/", "Accept-Encoding: gzip, zstd")

    assert plain(response) == b"data: x\n\n" * 1000
    assert response.values("vary") == []


async def test_old_client(stage: Stage) -> None:
    """An HTTP/1.0 client gets a compressed body that the connection's end ends."""
    big = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(TEXT) * 100, TEXT * 100)
    stage.route(await stage.backend(saying(big)), compress=True)

    response = await stage.ask(b"GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")

    assert gunzip(response.body) == TEXT * 100


async def test_broken_off(stage: Stage) -> None:
    """A response that breaks off at the backend has no proper end when it is compressed, either."""
    stage.route(await stage.backend(saying(WHOLE[:-1], close=True)), compress=True)
    reader, writer = await stage.connect()
    writer.write(GET[:-2] + b"Accept-Encoding: gzip\r\n\r\n")

    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await read_response(reader)
    assert stage.traffic.encoding == 0


async def test_client_that_leaves(stage: Stage) -> None:
    """When the client leaves, nothing is compressed any more."""

    async def begin(_backend: Backend, _head: bytes, reader: Reader, writer: Writer) -> None:
        writer.write(WHOLE[:-1])
        await reader.read()

    stage.route(await stage.backend(begin), compress=True)
    reader, writer = await stage.connect()
    writer.write(GET[:-2] + b"Accept-Encoding: gzip\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert stage.traffic.encoding == 1

    writer.close()

    await stage.until(lambda: stage.traffic.encoding == 0)


async def test_too_many_at_once(stage: Stage) -> None:
    """When very many responses are being compressed in pieces, further ones go as they are."""
    stage.route(await stage.backend(saying(HEAD + b"\r\n" + TEXT, close=True)), compress=True)
    stage.traffic.encoding = AT_ONCE

    response = await stage.get("/", "Accept-Encoding: gzip")

    assert plain(response) == TEXT


async def test_slow_client(stage: Stage) -> None:
    """A client that does not read holds the backend, and gets everything when it reads."""
    noise = os.urandom(4_000_000)
    count = 4
    sent = 0

    async def pour(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        nonlocal sent
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % (len(noise) * count))
        for _ in range(count):
            writer.write(noise)
            await writer.drain()
            sent += 1

    stage.route(await stage.backend(pour), compress=True)
    reader, writer = await stage.connect()
    writer.write(GET[:-2] + b"Accept-Encoding: zstd\r\n\r\n")
    await stage.until(lambda: any(client._full for client in stage.clients()))
    assert sent < count

    response = await read_response(reader)

    assert unzstd(response.body) == noise * count


async def test_next_request(stage: Stage) -> None:
    """After a compressed response the connection serves on, to routes that compress and others."""
    stage.publish({
        "routes": [
            {"host": "a.x", "service": "a", "release": "1", "compress": True,
             "targets": [(await stage.backend(saying(CHUNKED))).address]},
            {"host": "b.x", "service": "b", "release": "1", "targets": [(await stage.backend(ok)).address]},
        ]
    })  # fmt: skip
    reader, writer = await stage.connect()

    for _ in range(3):
        for host in (b"a.x", b"b.x"):
            writer.write(b"GET / HTTP/1.1\r\nHost: %b\r\nAccept-Encoding: gzip\r\n\r\n" % host)
        assert gunzip((await read_response(reader)).body) == TEXT
        assert (await read_response(reader)).body == b"A"


async def test_http2(stage: Stage) -> None:
    """Clients of HTTP/2 get the same, in pieces and in one."""
    big = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(TEXT) * 100, TEXT * 100)
    for answer, text in ((WHOLE, TEXT), (big, TEXT * 100)):
        stage.route(await stage.backend(saying(answer)), compress=True)

        async with a_peer(stage) as peer:
            peer.send(head(1, asking("GET", "/", ("accept-encoding", "gzip"))))
            fields = await peer.answered()

        assert (fields["content-encoding"], fields["vary"], fields["etag"]) == ("gzip", "Accept-Encoding", 'W/"a"')
        assert gunzip(peer.data(1)) == text
