"""What clients by HTTP/2 may ask of the proxy, how slowly, and what ends their connection."""

import asyncio

from hyperframe.frame import GoAwayFrame, RstStreamFrame

from tests.integration.proxy.http2_peer import PREFACE, a_peer, asking, block, connections, head, raw
from tests.integration.proxy.stage import SOON, Backend, Reader, Stage, Writer, after, ok, saying

CALM = 0xB
CANCEL = 0x8


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
        async with asyncio.timeout(25):
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
