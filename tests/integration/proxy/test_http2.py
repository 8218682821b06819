"""Requests in HTTP/2 are forwarded, bounded and ended like all others; streams of one connection do not wait for each other."""

import asyncio
import hashlib
import resource
import tempfile
from pathlib import Path

from hyperframe.frame import GoAwayFrame, PingFrame, RstStreamFrame, SettingsFrame

from hostess_proxy.http2.downstream import Http2Downstream
from tests.integration.proxy.http2_peer import PREFACE, a_peer, asking, block, body, head, raw
from tests.integration.proxy.stage import SOON, Backend, Reader, Stage, Writer, after, ok, read_request_body, saying

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


async def test_more_than_allowed(stage: Stage) -> None:
    """The stream after 128 open ones is refused, and can be asked again later."""
    go_on = asyncio.Event()

    stage.route(await stage.backend(after(go_on)))

    async with a_peer(stage) as peer:
        peer.send(*[head(number, asking()) for number in range(1, 259, 2)])
        await peer.settled()
        assert peer.reset_code(257) == 7
        go_on.set()
        await peer.until(lambda: all(peer.ended(number) for number in range(1, 257, 2)))
        peer.send(head(259, asking()))

        assert (await peer.answered(259))[":status"] == "200"


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


def connections(stage: Stage) -> list[Http2Downstream]:
    """Return the connections of clients that speak HTTP/2."""
    return [client for client in stage.traffic.clients if isinstance(client, Http2Downstream)]


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


async def test_client_resets(stage: Stage) -> None:
    """A client that resets a stream ends what its backend was doing for it, and nothing else."""
    never = asyncio.Event()

    async def wait(backend: Backend, request: bytes, reader: Reader, writer: Writer) -> None:
        if b"/wait" not in request:
            await ok(backend, request, reader, writer)
            return
        await reader.read()
        never.set()

    stage.route(await stage.backend(wait))

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("GET", "/wait")), head(3, asking()))
        await peer.answered(3)
        peer.send(raw(3, 0, 1, CANCEL.to_bytes(4, "big")))
        async with asyncio.timeout(10):
            await never.wait()
        lines = await stage.logged(2)
        peer.send(head(5, asking()))

        assert (await peer.answered(5))[":status"] == "200"
    assert [(line["status"], line["end"]) for line in lines] == [(200, "ok"), (499, "client_gone")]


async def test_rapid_reset(stage: Stage) -> None:
    """A client that begins requests to reset them at once is made to leave after a hundred."""
    backend = await stage.backend()
    stage.route(backend)

    async with a_peer(stage) as peer:
        for number in range(1, 401, 2):
            peer.send(head(number, asking()), raw(3, 0, number, CANCEL.to_bytes(4, "big")))
        await peer.until_closed()

        assert peer.goaway_code() == CALM
    assert backend.connections <= 101
    assert (await stage.get()).status == 200


async def test_made_to_reset(stage: Stage) -> None:
    """A client that has us reset its streams, by breaking a rule in each, is made to leave likewise."""
    stage.route(await stage.backend())

    async with a_peer(stage) as peer:
        for number in range(1, 401, 2):
            peer.send(head(number, asking("POST"), "END_HEADERS"), raw(8, 0, number, bytes(4)))
        await peer.until_closed()

        assert peer.goaway_code() == CALM
        assert len([frame for frame in peer.frames if isinstance(frame, RstStreamFrame)]) <= 101


FLOODS = {
    "pings": raw(6, 0, 0, bytes(8)),
    "settings": raw(4, 0, 0),
    "priorities": raw(2, 0, 3, bytes(5)),
    "windows": raw(8, 0, 0, b"\0\0\0\1"),
    "unknown frames": raw(99, 0, 0),
    "empty bodies": raw(0, 0, 1),
    "padding alone": raw(0, 8, 1, b"\x04" + bytes(4)),
}


async def test_floods(stage: Stage) -> None:
    """Who sends thousands of frames that carry nothing is made to leave, whatever their kind."""
    never = asyncio.Event()

    async def wait(_backend: Backend, _request: bytes, _reader: Reader, _writer: Writer) -> None:
        await never.wait()

    stage.route(await stage.backend(wait))
    codes = {}
    for name, frame in FLOODS.items():
        async with a_peer(stage) as peer:
            peer.send(head(1, asking("POST"), "END_HEADERS"), frame * 3000)
            await peer.until_closed()
            codes[name] = peer.goaway_code()
    never.set()

    assert codes == dict.fromkeys(FLOODS, CALM)


async def test_bombs(stage: Stage) -> None:
    """A small block that stands for megabytes of fields is refused with 431, and the table is right for what follows."""
    backend = await stage.backend()
    stage.route(backend)
    entry = b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000  # one field of 4,000 bytes enters the table
    again = b"\xbe" * 10_000

    async with a_peer(stage) as peer:
        peer.send(
            head(1, block(asking()) + entry), head(3, block(asking()) + again), head(5, block(asking()) + b"\xbe")
        )
        assert (await peer.answered(3))[":status"] == "431"
        assert (await peer.answered(5))[":status"] == "200"

    assert [request.count(b"v" * 4000) for request in backend.heads] == [1, 1]


async def test_drain(stage: Stage) -> None:
    """A worker that drains says so at once, takes what was on its way, then no more, and closes when the last stream has ended."""
    go_on = asyncio.Event()

    stage.route(await stage.backend(after(go_on)))

    async with a_peer(stage) as peer:
        peer.send(head(1, asking()))
        await peer.settled()
        stage.traffic.drain()
        await peer.until(lambda: len(peer.got(GoAwayFrame)) == 1)
        peer.send(head(3, asking()))
        await peer.settled()
        stage.advance(1)
        await peer.until(lambda: len(peer.got(GoAwayFrame)) == 2)
        peer.send(head(5, asking()))
        await peer.settled()
        assert peer.reset_code(5) == 7
        go_on.set()
        await peer.until_closed()

        assert [frame.last_stream_id for frame in peer.got(GoAwayFrame)][:2] == [2**31 - 1, 3]  # type: ignore[attr-defined]
        assert (peer.ended(1), peer.ended(3)) == (True, True)


async def test_idle(stage: Stage) -> None:
    """A connection without a request is told to go after 75 s, whatever it pings; one that never said a word after 10 s."""
    _, silent = await stage.connect()
    silent.write(b"PRI * HTTP/2.0\r\n")
    async with a_peer(stage) as peer:
        await peer.settled()
        stage.advance(11)
        await stage.until(lambda: not stage.clients())
        assert not peer.closed
        await peer.settled()
        stage.advance(65)
        await peer.until_closed()

        assert peer.goaway_code() == 0


async def test_slow_head(stage: Stage) -> None:
    """A head that is not complete within 10 s ends the connection."""
    async with a_peer(stage) as peer:
        await peer.settled()
        peer.send(raw(1, 1, 1, block(asking())))
        await stage.until(lambda: any(client._begun for client in connections(stage)))
        stage.advance(11)
        await peer.until_closed()

        assert peer.goaway_code() == CALM


async def test_stalled_client(stage: Stage) -> None:
    """A client that takes nothing of a response for 60 s has its stream reset, and the backend is let go."""
    stage.route(await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(500_000))))

    async with a_peer(stage, reads=False) as peer:
        peer.send(head(1, asking()))
        await peer.until(lambda: len(peer.data(1)) == 65535)
        stage.advance(59)
        await peer.settled()
        assert peer.reset_code(1) is None
        stage.advance(2)
        await peer.until(lambda: peer.reset_code(1) is not None)

        assert peer.reset_code(1) == CANCEL


async def test_answers_that_nobody_takes(stage: Stage) -> None:
    """Who asks on and on for answers that are all head, and reads none, is read no more; later each answer comes."""
    stage.route(await stage.backend(), redirect={"host": "b.x", "status": 308})
    count, path = 4000, b"/" + b"p" * 3900
    first = b"\x42\x04HEAD\x44\x7f\xbe\x1d" + path  # both enter the table
    again = b"\xbf\xbe"
    reader, writer = await stage.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(PREFACE + raw(4, 0, 0))
    for number in range(1, 2 * count, 2):
        writer.write(head(number, (first if number == 1 else again) + b"\x86\x01\x03a.x"))
    await stage.until(lambda: any(client.is_overfull for client in connections(stage)))

    (client,) = connections(stage)
    assert client.transport.get_write_buffer_size() < 2 * 1024 * 1024

    writer.transport.resume_reading()  # type: ignore[attr-defined]
    pieces: list[bytes] = []
    while stage.traffic.requests < count or client.transport.get_write_buffer_size():
        pieces.append(await reader.read(1 << 20))
    writer.write_eof()
    pieces.append(await reader.read())
    assert [kind for kind, _ in frames(b"".join(pieces))].count(1) == count


async def test_interim_that_nobody_takes(stage: Stage) -> None:
    """1xx responses of a backend that says nothing else take no memory where their client reads nothing."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </%b>\r\n\r\n" % (b"p" * 4000)
    done = asyncio.Event()

    async def hints(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        for _ in range(100):
            writer.write(hint * 50)
            await writer.drain()
        writer.write(b"HTTP/1.1 204 None\r\n\r\n")
        done.set()

    stage.route(await stage.backend(hints))
    _, writer = await stage.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(PREFACE + raw(4, 0, 0) + head(1, asking()))
    await asyncio.wait_for(done.wait(), SOON)
    await stage.logged(1)

    (client,) = connections(stage)
    assert client.transport.get_write_buffer_size() < 1024 * 1024


async def test_client_that_drips(stage: Stage) -> None:
    """A client that takes a byte of a response now and then has its stream reset all the same."""
    stage.route(await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(500_000))))

    async with a_peer(stage, reads=False) as peer:
        peer.send(head(1, asking()))
        await peer.until(lambda: len(peer.data(1)) == 65535)
        for _ in range(7):
            peer.send(raw(8, 0, 0, b"\0\0\0\1"), raw(8, 0, 1, b"\0\0\0\1"))
            await peer.settled()
            stage.advance(9)

        await peer.until(lambda: peer.reset_code(1) is not None)
        assert len(peer.data(1)) < 65550


async def test_drain_under_a_slow_client(stage: Stage) -> None:
    """A client that is still taking its last response when the worker drains gets all of it."""
    size = 8 * 1024 * 1024
    stage.route(await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))))
    reader, writer = await stage.connect()
    windows = raw(4, 0, 0, b"\0\4\x7f\xff\xff\xff") + raw(8, 0, 0, b"\x7f\0\0\0")
    writer.write(PREFACE + windows + head(1, asking()))
    await stage.until(lambda: any(client.full for client in connections(stage)))
    (client,) = connections(stage)
    stage.traffic.drain()
    stage.advance(1)

    received = b""
    was_late = False
    while piece := await reader.read(1 << 16):
        received += piece
        if client.closing and not was_late:
            was_late = True
            stage.advance(3)

    assert client.closing
    assert sum(size for kind, size in frames(received) if kind == 0) == size


def frames(data: bytes) -> list[tuple[int, int]]:
    """Return type and size of each frame."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        found.append((data[at + 3], size))
        at += 9 + size
    return found


async def test_slow_body(stage: Stage) -> None:
    """A body that does not go on for 30 s is answered with 408, and a backend that is silent for too long with 504."""
    stage.route(await stage.backend(lambda *_: asyncio.sleep(60)), first_byte_timeout=5)

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("POST"), "END_HEADERS"), head(3, asking()))
        await peer.settled()
        stage.advance(6)
        assert (await peer.answered(3))[":status"] == "504"
        stage.advance(25)

        assert (await peer.answered(1))[":status"] == "408"


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
