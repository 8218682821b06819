"""Request bodies are read wholly before a target is taken, where a route wants it."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from tests.integration.proxy.http2_backend import Http2Conversation, http2_backend
from tests.integration.proxy.http2_peer import a_peer, asking, body, head
from tests.integration.proxy.stage import (
    EMPTY,
    Backend,
    Conversation,
    Reader,
    Stage,
    Writer,
    gone,
    ok,
    once_then,
    read_request_body,
    read_response,
    saying,
)
from tests.integration.proxy.test_trouble import POST, unused_address

SMALL = {"memory": 100, "disk": 1_000_000}
IN_MEMORY = {"memory": 1_000_000, "disk": 0}
BODY = os.urandom(500_000)
ROOM = 256 * 1024
HUGE = (
    BODY * 24
)  # more than the kernel takes of it: where nobody reads, up to 4 MB on the proxy's side, and so much on the other
LENGTH = b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: %d\r\n\r\n"
CHUNKS = b"POST / HTTP/1.1\r\nHost: a.x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder for temporary files: one for each test, so that none sees what another has not closed yet."""
    folder = tmp_path / "spools"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def open_files(folder: Path) -> int:
    """Return how many files in a folder this process has open."""
    names = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(name.startswith(f"{folder}/") for name in names)


def saying_at_once(data: bytes) -> Conversation:
    """Make a backend that answers before it reads the body, and reads no more."""

    async def talk(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.write(data)
        await asyncio.sleep(3600)

    return talk


@pytest.mark.parametrize("buffer", [SMALL, IN_MEMORY])
@pytest.mark.parametrize("chunked", [True, False])
async def test_bodies_arrive_intact(stage: Stage, spools: Path, buffer: dict[str, int], chunked: bool) -> None:
    """However a body comes, and wherever it is kept, it arrives whole and with its length; requests follow one another."""
    backend = await stage.backend()
    stage.route(backend, buffer=buffer)
    reader, writer = await stage.connect()

    for size in (0, 1, 99, 100, 101, len(BODY)):
        body = BODY[:size]
        if chunked:
            writer.write(CHUNKS + (b"%x\r\n%b\r\n" % (size, body) if size else b"") + b"0\r\n\r\n")
        else:
            writer.write(LENGTH % size + body)
        assert (await read_response(reader)).body == b"A" + body

    assert all(b"\r\nContent-Length: " in head and b"chunked" not in head for head in backend.heads)
    await stage.until(lambda: not open_files(spools))


@pytest.mark.parametrize("buffer", [SMALL, IN_MEMORY])
async def test_slow_upload_holds_no_backend(stage: Stage, buffer: dict[str, int]) -> None:
    """While a body comes no connection to a backend is made, and the table may change."""
    old, new = await stage.backend(ok, "old"), await stage.backend(ok, "new")
    stage.route(old, buffer=buffer)
    reader, writer = await stage.connect()
    writer.write(LENGTH % 1000 + BODY[:999])
    await stage.until(lambda: any(client.exchange and client.exchange.received == 999 for client in stage.clients()))
    assert stage.traffic.targets.in_flight() == {old.address: 0}

    stage.route(new, buffer=buffer)
    writer.write(BODY[999:1000])

    assert (await read_response(reader)).body == b"new" + BODY[:1000]
    assert old.connections == 0


async def test_too_long(stage: Stage, spools: Path) -> None:
    """A body above the limits is a 413, announced or not, and no backend hears of it."""
    backend = await stage.backend()
    stage.route(backend, buffer={"memory": 100, "disk": 1000})

    announced = await stage.ask(LENGTH % 1001)
    counted = await stage.ask(CHUNKS + b"3e8\r\n%b\r\n1\r\nx\r\n0\r\n\r\n" % BODY[:1000])

    assert [answer.values("x-hostess-error") for answer in (announced, counted)] == [["body-too-large"]] * 2
    assert backend.connections == 0
    await stage.until(lambda: not open_files(spools))


async def test_body_limit_goes_first(stage: Stage) -> None:
    """A route's own limit holds for what is buffered, too."""
    stage.route(await stage.backend(), buffer=IN_MEMORY, body_limit=10)

    assert (await stage.ask(LENGTH % 11)).status == 413
    assert (await stage.ask(CHUNKS + b"b\r\n12345678901\r\n0\r\n\r\n")).status == 413


async def test_expect_continue(stage: Stage) -> None:
    """A client that waits to be told is told at once to send its body."""
    stage.route(await stage.backend(), buffer=IN_MEMORY)
    reader, writer = await stage.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert (await read_response(reader)).status == 100
    writer.write(b"abc")

    assert (await read_response(reader)).body == b"Aabc"


@pytest.mark.parametrize("buffer", [SMALL, IN_MEMORY])
async def test_buffered_bodies_are_repeated(stage: Stage, buffer: dict[str, int]) -> None:
    """An idempotent request is repeated with its body: on a fresh connection, or on another target; a POST is not."""
    put = (LENGTH % 1000).replace(b"POST", b"PUT") + BODY[:1000]
    stale = await stage.backend(once_then(EMPTY))
    stage.route(stale, buffer=buffer)
    assert (await stage.get()).status == 200
    again = await stage.ask(put)
    stage.route(await stage.backend(gone), await stage.backend(ok, "good"), buffer=buffer)

    answers = [await stage.ask(put) for _ in range(2)]
    posts = [await stage.ask(LENGTH % 1000 + BODY[:1000]) for _ in range(2)]

    assert again.status == 200
    assert [answer.body for answer in answers] == [b"good" + BODY[:1000]] * 2
    assert sorted(post.status for post in posts) == [200, 502]


async def test_lost_in_the_middle(stage: Stage) -> None:
    """A connection that is lost while a big body is being sent costs nothing: another target gets all of it."""

    async def read_a_little(_backend: Backend, _head: bytes, reader: Reader, writer: Writer) -> None:
        await reader.readexactly(1000)
        writer.transport.abort()

    body = BODY * 4
    bad, good = await stage.backend(read_a_little, room=ROOM), await stage.backend(ok, "good")
    stage.route(bad, good, buffer={"memory": 100, "disk": 100_000_000})

    for _ in range(2):
        answer = await stage.ask((LENGTH % len(body)).replace(b"POST", b"PUT") + body)
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(b"good" + body).digest()
    assert len(bad.heads) == 1


async def test_refused_connections(stage: Stage) -> None:
    """A target that lets nobody connect costs nothing, whatever the method."""
    stage.route(unused_address(), await stage.backend(ok), buffer=IN_MEMORY)

    assert {(await stage.ask(POST)).body for _ in range(4)} == {b"Aabc"}


async def test_slow_backend(stage: Stage) -> None:
    """A big body waits in its file for a backend that does not read, not in memory, and arrives whole."""
    go_on = asyncio.Event()

    async def late(_backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
        await go_on.wait()
        digest = hashlib.sha256(await read_request_body(head, reader)).hexdigest().encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + digest)

    backend = await stage.backend(late, room=ROOM)
    stage.route(backend, buffer={"memory": 100_000, "disk": 100_000_000})
    asking = asyncio.create_task(stage.ask(LENGTH % len(HUGE) + HUGE))
    await stage.until(lambda: len(backend.heads) == 1)
    [client] = stage.clients()
    exchange = client.exchange
    assert exchange is not None
    assert exchange.spool is not None
    spool = exchange.spool
    await stage.until(lambda: spool._held)

    assert spool._at < len(HUGE) / 2
    assert not spool._pieces
    go_on.set()

    assert (await asking).body == hashlib.sha256(HUGE).hexdigest().encode()


async def test_answer_before_the_end(stage: Stage, spools: Path) -> None:
    """A backend that answers without reading is heard; its connection, which got half a body, is not used again."""
    backend = await stage.backend(saying_at_once(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), room=ROOM)
    stage.route(backend, buffer={"memory": 100, "disk": 100_000_000})

    for number in range(1, 4):
        assert (await stage.ask(LENGTH % len(HUGE) + HUGE)).body == b"ok"
        assert backend.connections == number
    await stage.until(lambda: not open_files(spools))


async def test_client_leaves(stage: Stage, spools: Path) -> None:
    """When the client leaves, its body is dropped and no backend hears of it."""
    backend = await stage.backend()
    stage.route(backend, buffer=SMALL)
    _, writer = await stage.connect()
    writer.write(LENGTH % len(BODY) + BODY[:-1])
    await stage.until(lambda: open_files(spools) == 1)

    writer.close()

    [line] = await stage.logged(1)
    assert (line["status"], line["end"]) == (499, "client_gone")
    await stage.until(lambda: not open_files(spools))
    assert backend.connections == 0


async def test_no_room(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that cannot be written is a 503, and the next request is served."""
    backend = await stage.backend()
    stage.route(backend, buffer=SMALL)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    answer = await stage.ask(LENGTH % 1000 + BODY[:1000])

    assert (answer.status, answer.values("x-hostess-error")) == (503, ["body-not-buffered"])
    assert (await stage.ask(POST)).body == b"Aabc"


async def test_stalled_upload(stage: Stage) -> None:
    """An upload that makes no progress for half a minute is a 408."""
    backend = await stage.backend()
    stage.route(backend, buffer=IN_MEMORY)
    reader, writer = await stage.connect()
    writer.write(LENGTH % 10 + b"x")
    await stage.until(lambda: any(client.exchange and client.exchange.received for client in stage.clients()))

    stage.advance(31)

    assert (await read_response(reader)).status == 408
    assert backend.connections == 0


async def test_upgrades_pass(stage: Stage) -> None:
    """Upgrades, which have no body, work where bodies are buffered."""
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello"
    stage.route(await stage.backend(saying(switch)), buffer=SMALL)
    reader, writer = await stage.connect()

    writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")

    assert (await read_response(reader)).status == 101
    assert await reader.readexactly(5) == b"hello"


@pytest.mark.parametrize("buffer", [SMALL, IN_MEMORY])
async def test_http2(stage: Stage, buffer: dict[str, int]) -> None:
    """A body of HTTP/2 is buffered like any other, and its length told to the backend."""
    backend = await stage.backend()
    stage.route(backend, buffer=buffer)

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("POST"), "END_HEADERS"))
        for at in range(0, 40_000, 10_000):
            peer.send(body(1, BODY[at : at + 10_000]))
        await peer.settled()
        assert backend.connections == 0
        peer.send(body(1, b"", ended=True))
        await peer.answered()

    assert peer.data(1) == b"A" + BODY[:40_000]
    assert b"\r\nContent-Length: 40000\r\n" in backend.heads[0]


@pytest.mark.parametrize("buffer", [SMALL, IN_MEMORY])
async def test_backend_of_http2(stage: Stage, spools: Path, buffer: dict[str, int]) -> None:
    """A backend of HTTP/2 gets buffered bodies as fast as it takes them, and may answer before their end."""

    def echo(conversation: Http2Conversation, number: int, _fields: dict[str, str], seen: bytes) -> None:
        conversation.answer(number, body=hashlib.sha256(seen).hexdigest().encode())

    def at_once(conversation: Http2Conversation, number: int, _fields: dict[str, str], _seen: bytes) -> None:
        conversation.answer(number, body=b"early")

    patient = await http2_backend(stage, echo)
    stage.route(patient.address, protocol="h2c", buffer=buffer)
    for size in (1, 200, len(BODY)):
        answer = await stage.ask(LENGTH % size + BODY[:size])
        assert answer.body == hashlib.sha256(BODY[:size]).hexdigest().encode()
    hasty = await http2_backend(stage, at_once, at_head=True, reads=False)
    stage.route(hasty.address, protocol="h2c", buffer=buffer)
    for _ in range(3):
        assert (await stage.ask(LENGTH % len(BODY) + BODY)).body == b"early"

    assert [len(backend.conversations) for backend in (patient, hasty)] == [1, 1]
    await stage.until(lambda: not open_files(spools))


async def test_stalled_upload_to_http2(stage: Stage) -> None:
    """What is buffered for a backend of HTTP/2 must come, too: the patience of gRPC is not for it."""
    stage.route(unused_address(), protocol="h2c", buffer=IN_MEMORY)
    reader, writer = await stage.connect()
    writer.write(LENGTH % 10 + b"x")
    await stage.until(lambda: any(client.exchange and client.exchange.received for client in stage.clients()))

    stage.advance(31)

    assert (await read_response(reader)).status == 408
