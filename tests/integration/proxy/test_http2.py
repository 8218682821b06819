"""Requests in HTTP/2 are forwarded, bounded and ended like all others; streams of one connection do not wait for each other."""

import asyncio
import hashlib
import resource
import tempfile
from pathlib import Path

from hyperframe.frame import PingFrame, SettingsFrame

from tests.integration.proxy.http2_peer import a_peer, asking, body, connections, head, raw
from tests.integration.proxy.stage import Backend, Reader, Stage, Writer, ok, read_request_body, saying

CALM = 0xB
CANCEL = 0x8


async def test_round_trip(stage: Stage) -> None:
    """A request reaches a backend as one of HTTP/1, cookies in one line, and its answer comes back with the id; the log says HTTP/2.0."""
    backend = await stage.backend(
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Thing: A b\r\nConnection: X-Drop\r\nX-Drop: 1\r\n\r\nhi")
    )
    stage.route(backend, expose_release=True)

    async with a_peer(stage) as peer:
        peer.send(
            head(1, asking("GET", "/p?a=1", ("cookie", "a=1"), ("te", "trailers"), ("x-a", "b"), ("cookie", "c=2")))
        )
        answer = await peer.answered()
        (line,) = await stage.logged(1)

    assert answer == {
        ":status": "200", "content-length": "2", "x-thing": "A b", "x-request-id": line["id"], "x-hostess-release": "1",
    }  # fmt: skip
    assert peer.data(1) == b"hi"
    (seen,) = backend.heads
    assert seen.startswith(
        b"GET /p?a=1 HTTP/1.1\r\nHost: a.x\r\nx-a: b\r\ncookie: a=1; c=2\r\nX-Forwarded-For: 127.0.0.1\r\n"
    )
    assert (line["proto"], line["path"], line["out"], line["end"]) == ("HTTP/2.0", "/p?a=1", 2, "ok")


async def test_curl(stage: Stage) -> None:
    """curl, which has another implementation of HTTP/2, posts and gets its answer."""
    stage.route(await stage.backend())
    url = f"http://127.0.0.1:{stage.port}/"

    assert await run("curl", "-s", "--http2-prior-knowledge", "-d", "hello", url) == b"Ahello"


async def run(*command: str) -> bytes:
    """Run a program, and return what it says."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said


async def test_many_at_once(stage: Stage) -> None:
    """A hundred requests on one connection are all at the backend before the first is answered, and each gets its own answer."""
    all_there = asyncio.Event()

    async def wait(backend: Backend, request: bytes, _reader: Reader, writer: Writer) -> None:
        if len(backend.heads) == 100:
            all_there.set()
        await all_there.wait()
        path = request.split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    stage.route(await stage.backend(wait))

    async with a_peer(stage) as peer:
        numbers = range(1, 201, 2)
        peer.send(*[head(number, asking("GET", f"/{number}")) for number in numbers])
        await peer.until(lambda: all(peer.ended(number) for number in numbers))

        assert [peer.data(number) for number in numbers] == [b"/%d" % number for number in numbers]


async def test_slow_stream(stage: Stage) -> None:
    """A response that its client does not take stops its own backend, and no other stream of the connection."""
    written = 0

    async def pour(backend: Backend, request: bytes, reader: Reader, writer: Writer) -> None:
        nonlocal written
        if b"/big" not in request:
            await ok(backend, request, reader, writer)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        while True:
            writer.write(bytes(1 << 18))
            await writer.drain()
            written += 1 << 18

    stage.route(await stage.backend(pour))

    async with a_peer(stage, reads=False) as peer:
        peer.send(raw(8, 0, 0, (1 << 20).to_bytes(4, "big")), head(1, asking("GET", "/big")))
        await peer.until(lambda: len(peer.data(1)) == 65535)
        for number in range(3, 203, 2):
            peer.send(head(number, asking()))
            assert (await peer.answered(number))[":status"] == "200"

        assert len(peer.data(1)) == 65535
        assert written < 32 * 1024 * 1024
        peer.send(raw(8, 0, 1, (1 << 17).to_bytes(4, "big")))
        await peer.until(lambda: len(peer.data(1)) == 65535 + (1 << 17))


async def test_fair_shares(stage: Stage) -> None:
    """While a large response uses the window of the connection, small ones are sent between its frames."""

    async def talk(backend: Backend, request: bytes, reader: Reader, writer: Writer) -> None:
        if b"/big" in request:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 22) + bytes(1 << 22))
        else:
            await ok(backend, request, reader, writer)

    stage.route(await stage.backend(talk))

    async with a_peer(stage, reads=False, settings=b"\0\4\x00\x7f\xff\xff") as peer:
        peer.send(head(1, asking("GET", "/big")))
        await peer.until(lambda: len(peer.data(1)) == 65535)
        peer.send(head(3, asking()))
        await peer.until(lambda: peer.heads(3) == 1)
        peer.send(raw(8, 0, 0, (1 << 15).to_bytes(4, "big")))
        await peer.until(lambda: peer.ended(3))

        assert not peer.ended(1)


async def test_upload(stage: Stage) -> None:
    """An upload of 50 MB arrives whole at a backend that is slow to take it, in bounded memory."""
    size, go_on, digest = 50 * 1024 * 1024, asyncio.Event(), hashlib.sha256()

    async def swallow(_backend: Backend, _request: bytes, reader: Reader, writer: Writer) -> None:
        await go_on.wait()
        left = size
        while left:
            data = await reader.read(1 << 20)
            digest.update(data)
            left -= len(data)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    stage.route(await stage.backend(swallow))
    with tempfile.NamedTemporaryFile() as file:
        piece = bytes(range(256)) * 4096
        await asyncio.to_thread(Path(file.name).write_bytes, piece * 50)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        url = f"http://127.0.0.1:{stage.port}/"
        sending = asyncio.create_task(
            run("curl", "-s", "--http2-prior-knowledge", "-T", file.name, "-w", "%{http_code}", url)
        )
        await stage.until(
            lambda: any(stream.held for client in connections(stage) for stream in client.streams.values())
        )
        go_on.set()

        assert await sending == b"200"
    assert digest.digest() == hashlib.sha256(piece * 50).digest()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 96 * 1024


async def test_bodyless_and_unframed(stage: Stage) -> None:
    """HEAD, 204 and 304 end with their fields; a body in chunks, or up to the connection's end, ends the stream where it ends."""

    async def talk(_backend: Backend, request: bytes, _reader: Reader, writer: Writer) -> None:
        path = request.split(b" ")[1]
        if path == b"/length":
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + (b"" if request.startswith(b"HEAD") else b"hello")
            )
        elif path == b"/chunks":
            writer.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n"
            )
        elif path == b"/close":
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nall")
            writer.close()
        else:
            writer.write(b"HTTP/1.1 %b What\r\nETag: x\r\n\r\n" % path[1:])

    stage.route(await stage.backend(talk))
    asked = [
        ("HEAD", "/length"),
        ("GET", "/length"),
        ("GET", "/204"),
        ("GET", "/304"),
        ("GET", "/chunks"),
        ("GET", "/close"),
    ]

    async with a_peer(stage) as peer:
        seen = []
        for number, (method, path) in enumerate(asked):
            peer.send(head(2 * number + 1, asking(method, path)))
            fields = await peer.answered(2 * number + 1)
            seen.append((fields[":status"], fields.get("content-length"), peer.data(2 * number + 1)))

    assert seen == [
        ("200", "5", b""), ("200", "5", b"hello"), ("204", None, b""), ("304", None, b""), ("200", None, b"abc"), ("200", None, b"all"),
    ]  # fmt: skip


async def test_interim(stage: Stage) -> None:
    """103 passes, 100 comes where the client waits for it, and then its body goes on."""

    async def talk(backend: Backend, request: bytes, reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        await ok(backend, request, reader, writer)

    stage.route(await stage.backend(talk))

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("POST", "/", ("expect", "100-continue"), ("content-length", "2")), "END_HEADERS"))
        await peer.until(lambda: peer.heads(1) == 2)
        peer.send(body(1, b"hi", ended=True))
        await peer.answered()

        assert [peer.head(1, index)[":status"] for index in range(3)] == ["103", "100", "200"]
        assert peer.data(1) == b"Ahi"


async def test_answer_before_the_body(stage: Stage) -> None:
    """A backend that answers before it has the body has its answer passed on, and the client is asked to send no more."""
    stage.route(await stage.backend(talk_early), body_limit=1 << 20)

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("POST"), "END_HEADERS"), body(1, b"x"))
        assert (await peer.answered())[":status"] == "403"
        await peer.until(lambda: peer.reset_code(1) == 0)
        peer.send(
            body(1, bytes(1000)),
            body(1, b"", ended=True),
            head(3, asking("POST", "/", ("content-length", "9999999")), "END_HEADERS"),
        )

        assert (await peer.answered(3))[":status"] == "413"


async def talk_early(_backend: Backend, _request: bytes, reader: Reader, writer: Writer) -> None:
    """Answer as soon as the first bytes of a body are there."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def test_broken_backend(stage: Stage) -> None:
    """A response that breaks off resets its stream; one that never began is 502; the connection goes on."""

    async def talk(_backend: Backend, request: bytes, _reader: Reader, writer: Writer) -> None:
        if b"/half" in request:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        writer.close()

    stage.route(await stage.backend(talk))

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("GET", "/half")))
        await peer.until(lambda: peer.reset_code(1) is not None)
        peer.send(head(3, asking("POST", "/none")))

        assert (await peer.answered(3))[":status"] == "502"
        assert (peer.data(1), peer.ended(1), peer.reset_code(1)) == (b"half", False, 2)


async def test_cut(stage: Stage) -> None:
    """What is cut off is answered with 504 where nothing was sent, and reset where something was."""

    async def talk(_backend: Backend, request: bytes, reader: Reader, writer: Writer) -> None:
        if b"/begun" in request:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await read_request_body(request, reader)
        await reader.read()

    stage.route(await stage.backend(talk))

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("GET", "/begun")), head(3, asking("GET", "/silent")))
        await peer.until(lambda: peer.data(1) == b"half")
        stage.traffic.cut_all()

        await peer.until_closed()
        assert (peer.reset_code(1), peer.head(3)[":status"]) == (2, "504")


async def test_settings_that_shrink(stage: Stage) -> None:
    """A client that allows no table is told at the next head that there is none; one whose window shrinks is not overrun."""
    stage.route(await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + bytes(70_000))))

    async with a_peer(stage, reads=False, settings=b"\0\1\0\0\0\0\0\4\0\0\0\x64") as peer:
        peer._decoder.max_allowed_table_size = 0
        peer.send(head(1, asking()))
        await peer.until(lambda: len(peer.data(1)) == 100)
        peer.send(raw(4, 0, 0, b"\0\4\0\0\0\x0a"), raw(8, 0, 1, b"\0\0\0\x50"), raw(8, 0, 1, b"\0\0\0\x14"))
        await peer.settled()

        assert len(peer.data(1)) == 110
        assert [frame.settings.get(3) for frame in peer.got(SettingsFrame) if frame.settings] == [128]  # type: ignore[attr-defined]


async def test_ping(stage: Stage) -> None:
    """A ping is answered with its own bytes."""
    async with a_peer(stage) as peer:
        peer.send(raw(6, 0, 0, b"whatever"))
        await peer.until(lambda: bool(peer.got(PingFrame)))

        assert [frame.opaque_data for frame in peer.got(PingFrame)] == [b"whatever"]  # type: ignore[attr-defined]
