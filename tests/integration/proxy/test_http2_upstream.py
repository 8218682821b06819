"""Backends that speak HTTP/2 are asked as their rules want, shared fairly, and trusted in nothing."""

import asyncio

import pytest
from h2.errors import ErrorCodes

from tests.integration.proxy.http2_backend import Http2Conversation, http2_backend
from tests.integration.proxy.http2_peer import a_peer, asking, body, head, raw
from tests.integration.proxy.stage import Stage, read_response, saying

POST = b"POST / HTTP/1.1\r\nHost: a.x\r\n"


def echo(talk: Http2Conversation, number: int, fields: dict[str, str], sent: bytes) -> None:
    """Answer with the method, the path and the body."""
    talk.answer(number, body=f"{fields[':method']} {fields[':path']} ".encode() + sent)


async def test_client_of_http1(stage: Stage) -> None:
    """A client of HTTP/1 gets the response of a backend of HTTP/2, its body in chunks, without its trailers."""
    seen: list[dict[str, str]] = []

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], sent: bytes) -> None:
        seen.append(fields)
        talk.h2.send_headers(number, [(":status", "200"), ("x-thing", "1")])
        talk.h2.send_data(number, sent)
        talk.h2.send_headers(number, [("grpc-status", "0")], end_stream=True)

    await http2_backend(stage, talk)
    response = await stage.ask(
        POST
        + b"X-Mine: 2\r\nTransfer-Encoding: chunked\r\nConnection: X-Drop\r\nX-Drop: 1\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )

    assert (response.status, response.body, response.values("x-thing")) == (200, b"hello", ["1"])
    assert response.values("transfer-encoding") == ["chunked"]
    (fields,) = seen
    assert (fields[":authority"], fields[":scheme"], fields[":path"], fields["x-mine"]) == ("a.x", "http", "/", "2")
    assert (fields["te"], fields["x-forwarded-for"]) == ("trailers", "127.0.0.1")
    assert not {"host", "connection", "transfer-encoding", "x-drop"} & set(fields)


async def test_bodyless(stage: Stage) -> None:
    """HEAD, 204 and a response of known length keep their framing for a client of HTTP/1, on one connection."""

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], _sent: bytes) -> None:
        if fields[":method"] == "HEAD":
            talk.answer(number, ("content-length", "5"))
        elif fields[":path"] == "/204":
            talk.answer(number, status="204")
        else:
            talk.answer(number, ("content-length", "5"), body=b"hello")

    await http2_backend(stage, talk)
    reader, writer = await stage.connect()
    seen = []
    for line in (b"HEAD /", b"GET /204", b"GET /"):
        writer.write(line + b" HTTP/1.1\r\nHost: a.x\r\n\r\n")
        response = await read_response(reader, bodyless=line == b"HEAD /")
        seen.append((response.status, response.values("content-length"), response.body))

    assert seen == [(200, ["5"], b""), (204, [], b""), (200, ["5"], b"hello")]


@pytest.mark.parametrize("how", ["refused", "goaway"])
async def test_not_looked_at(stage: Stage, how: str) -> None:
    """A request that its backend says it has not looked at is sent again, a POST with its body too; the client notices nothing."""
    asked = 0

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], sent: bytes) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            echo(talk, number, fields, sent)
        elif how == "refused":
            talk.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
        else:
            talk.h2.close_connection(last_stream_id=0)

    backend = await http2_backend(stage, talk)
    response = await stage.ask(POST + b"Content-Length: 5\r\n\r\nhello")

    assert (response.status, response.body, asked) == (200, b"POST / hello", 2)
    assert len(backend.conversations) == (1 if how == "refused" else 2)


async def test_always_refused(stage: Stage) -> None:
    """A backend that refuses every time is asked a few times, then the client is told."""
    asked = 0

    def talk(talk: Http2Conversation, number: int, _fields: dict[str, str], _sent: bytes) -> None:
        nonlocal asked
        asked += 1
        talk.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)

    await http2_backend(stage, talk)

    assert (await stage.get()).status == 502
    assert asked == 4


async def test_reset_before_a_response(stage: Stage) -> None:
    """A POST that its backend broke off is not sent again: it may have been carried out."""
    asked = 0

    def talk(talk: Http2Conversation, number: int, _fields: dict[str, str], _sent: bytes) -> None:
        nonlocal asked
        asked += 1
        talk.h2.reset_stream(number, ErrorCodes.INTERNAL_ERROR)

    await http2_backend(stage, talk)

    assert (await stage.ask(POST + b"Content-Length: 0\r\n\r\n")).status == 502
    assert asked == 1


@pytest.mark.parametrize(
    "fields",
    [
        [(":status", "200"), ("X-Upper", "1")], [(":status", "200"), ("connection", "close")], [(":status", "20")],
        [(":status", "200"), ("transfer-encoding", "chunked")], [("x-a", "1")], [(":status", "200"), ("x-a", "1\r\nSet-Cookie: a=b")],
        [(":status", "200"), ("content-length", "1"), ("content-length", "1")], [("x-b", "1"), (":status", "200")],
        [(":status", "200"), ("x-a", "v" * 35_000)], [(":status", "200"), ("content-length", "5")], [(":status", "200"), (":path", "/")],
    ],
    ids=lambda fields: str(fields)[:60],
)  # fmt: skip
async def test_malformed_response(stage: Stage, fields: list[tuple[str, str]]) -> None:
    """A response that breaks the rules is a 502, not a byte of it is passed on, and the connection serves others."""

    def talk(talk: Http2Conversation, number: int, asked: dict[str, str], _sent: bytes) -> None:
        talk.h2.send_headers(number, fields if asked[":path"] == "/" else [(":status", "200")], end_stream=True)

    backend = await http2_backend(stage, talk)
    response = await stage.get()

    assert (response.status, response.values("x-hostess-error")) == (502, ["backend-invalid-response"])
    assert response.values("set-cookie") == []
    assert (await stage.get("/good")).status == 200
    assert len(backend.conversations) == 1


async def test_longer_than_announced(stage: Stage) -> None:
    """Bytes beyond the announced length never reach a client, who could take them for another response."""

    def talk(talk: Http2Conversation, number: int, _fields: dict[str, str], _sent: bytes) -> None:
        talk.h2.send_headers(number, [(":status", "200"), ("content-length", "3")])
        talk.flush()
        talk.writer.write(body(number, b"xyzHTTP/1.1 200 OK\r\n\r\n", ended=True))

    await http2_backend(stage, talk)
    reader, writer = await stage.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n")

    assert b"xyz" not in await reader.read()


async def test_broken_off(stage: Stage) -> None:
    """A response that its backend resets breaks off for clients of both versions."""

    def talk(talk: Http2Conversation, number: int, _fields: dict[str, str], _sent: bytes) -> None:
        talk.h2.send_headers(number, [(":status", "200")])
        talk.h2.send_data(number, b"half")
        talk.h2.reset_stream(number, ErrorCodes.INTERNAL_ERROR)

    await http2_backend(stage, talk)
    with pytest.raises(asyncio.IncompleteReadError):
        await stage.get()
    async with a_peer(stage) as peer:
        peer.send(head(1, asking()))
        await peer.until(lambda: peer.reset_code(1) is not None)

        assert (peer.data(1), peer.ended(1)) == (b"half", False)


async def test_as_many_as_allowed(stage: Stage) -> None:
    """No connection carries more requests at once than its backend allows: a further one is opened."""
    waiting: list[tuple[Http2Conversation, int]] = []

    def talk(talk: Http2Conversation, number: int, _fields: dict[str, str], _sent: bytes) -> None:
        waiting.append((talk, number))

    backend = await http2_backend(stage, talk, streams=2)
    async with a_peer(stage) as peer:
        peer.send(head(1, asking()))
        await stage.until(lambda: len(waiting) == 1)
        peer.send(*[head(number, asking()) for number in (3, 5, 7, 9)])
        await stage.until(lambda: len(waiting) == 5)
        for conversation, number in waiting:
            conversation.answer(number)
            conversation.flush()
        await peer.until(lambda: all(peer.ended(number) for number in (1, 3, 5, 7, 9)))

    assert len(backend.conversations) == 3


async def test_many_resets(stage: Stage) -> None:
    """Whoever has a backend reset stream after stream ends nothing of others on the same connection."""
    waiting: list[tuple[Http2Conversation, int]] = []

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], _sent: bytes) -> None:
        if fields[":path"] == "/bad":
            talk.h2.reset_stream(number, ErrorCodes.INTERNAL_ERROR)
        else:
            waiting.append((talk, number))

    backend = await http2_backend(stage, talk)
    asking_for_long = asyncio.create_task(stage.get("/long"))
    await stage.until(lambda: bool(waiting))
    reader, writer = await stage.connect()
    for _ in range(200):
        writer.write(POST.replace(b"/", b"/bad", 1) + b"Content-Length: 0\r\n\r\n")
        assert (await read_response(reader)).status == 502
    ((conversation, number),) = waiting
    conversation.answer(number, body=b"late")
    conversation.flush()

    assert (await asking_for_long).body == b"late"
    assert len(backend.conversations) == 1


async def test_answers_to_the_forgotten(stage: Stage) -> None:
    """A backend that answers thousands of requests after their clients have left, all at once, ends nothing of others."""
    asked: list[int] = []

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], _sent: bytes) -> None:
        asked.append(number)
        if fields[":path"] == "/last":
            for one in asked:  # it has not heard yet that they were reset
                talk.writer.write(head(one, b"\x88", "END_HEADERS") + body(one, b"late", ended=True))

    backend = await http2_backend(stage, talk)
    for _ in range(22):
        async with a_peer(stage) as peer:
            before = len(asked)
            peer.send(*[head(number, asking()) for number in range(1, 101, 2)])
            await stage.until(lambda before=before: len(asked) == before + 50)  # type: ignore[misc]
    last = await stage.ask(POST.replace(b"/", b"/last", 1) + b"Content-Length: 0\r\n\r\n")

    assert (last.status, last.body, len(backend.conversations)) == (200, b"late", 1)


async def test_clients_that_take_nothing(stage: Stage) -> None:
    """However many clients take nothing of what a backend sends them, it can send to others."""

    def talk(talk: Http2Conversation, number: int, _fields: dict[str, str], _sent: bytes) -> None:
        talk.h2.send_headers(number, [(":status", "200")])
        begun.append((talk, number))
        for one, each in begun:  # the oldest first, as much as its windows let it
            while one is talk and (room := min(one.h2.local_flow_control_window(each), 16384)):
                one.h2.send_data(each, bytes(room))

    begun: list[tuple[Http2Conversation, int]] = []
    await http2_backend(stage, talk, at_head=True, streams=1000)
    async with a_peer(stage, reads=False) as one, a_peer(stage, reads=False) as other, a_peer(stage) as third:
        for peer in (one, other):
            peer.send(*[head(number, asking()) for number in range(1, 201, 2)])
            await peer.until(lambda peer=peer: all(peer.heads(number) for number in range(1, 201, 2)))  # type: ignore[misc]
            await peer.settled()
        third.send(head(1, asking()))

        await third.until(lambda: len(third.data(1)) >= 65536)


async def test_client_that_leaves(stage: Stage) -> None:
    """A client that leaves has its stream reset at the backend, and the connection goes on."""
    waiting: list[int] = []

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], sent: bytes) -> None:
        if fields[":path"] == "/wait":
            waiting.append(number)
        else:
            echo(talk, number, fields, sent)

    backend = await http2_backend(stage, talk)
    _, writer = await stage.connect()
    writer.write(b"GET /wait HTTP/1.1\r\nHost: a.x\r\n\r\n")
    await stage.until(lambda: bool(waiting))
    writer.transport.abort()
    await stage.until(lambda: backend.conversations[0].resets == waiting)

    assert (await stage.get()).body == b"GET / "
    assert len(backend.conversations) == 1


async def test_slow_backend(stage: Stage) -> None:
    """An upload to a backend that opens no window stops at the client, and stops nobody else."""

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], sent: bytes) -> None:
        if fields[":path"] != "/big":
            echo(talk, number, fields, sent)

    backend = await http2_backend(stage, talk, at_head=True, reads=False)
    async with a_peer(stage) as peer:
        peer.send(head(1, asking("POST", "/big"), "END_HEADERS"))
        for _ in range(16):
            peer.send(body(1, bytes(16384)))
            await peer.settled()
        (client,) = stage.traffic.clients
        assert [stream.held for stream in client.streams.values()] == [True]  # type: ignore[attr-defined]
        peer.send(head(3, asking("GET", "/small")))
        assert (await peer.answered(3))[":status"] == "200"

    assert len(backend.conversations[0].body(1)) <= 65535


async def test_slow_client(stage: Stage) -> None:
    """A response that its client does not take stops at the backend, and stops nobody else."""
    sent = 0

    def talk(talk: Http2Conversation, number: int, fields: dict[str, str], body: bytes) -> None:
        nonlocal sent
        if fields[":path"] != "/big":
            echo(talk, number, fields, body)
            return
        talk.h2.send_headers(number, [(":status", "200")])
        while room := min(talk.h2.local_flow_control_window(number), 16384):
            talk.h2.send_data(number, bytes(room))
            sent += room

    await http2_backend(stage, talk)
    async with a_peer(stage, reads=False) as peer:
        peer.send(raw(8, 0, 0, (1 << 20).to_bytes(4, "big")), head(1, asking("GET", "/big")))
        await peer.until(lambda: len(peer.data(1)) == 65535)
        peer.send(head(3, asking("GET", "/small")))

        assert (await peer.answered(3))[":status"] == "200"
    assert sent == 128 * 1024


async def test_backend_of_another_kind(stage: Stage) -> None:
    """A backend that speaks HTTP/1 where HTTP/2 was said is a 502."""
    backend = await stage.backend(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    stage.route(backend, protocol="h2c")

    assert (await stage.get()).status == 502


async def test_backend_that_pushes(stage: Stage) -> None:
    """A backend that pushes, as it was told not to, loses its connection."""

    def talk(talk: Http2Conversation, number: int, _fields: dict[str, str], _sent: bytes) -> None:
        talk.writer.write(raw(5, 4, number, b"\0\0\0\2\x82"))

    backend = await http2_backend(stage, talk)

    assert (await stage.ask(POST + b"Content-Length: 0\r\n\r\n")).status == 502
    await stage.until(lambda: all(talk.writer.is_closing() for talk in backend.conversations))


async def test_idle_connections(stage: Stage) -> None:
    """A connection that rests is closed, at once when its target leaves the table."""
    backend = await http2_backend(stage, echo)
    await stage.get()
    stage.advance(3)
    await stage.get()
    assert len(backend.conversations) == 1
    stage.route()
    await stage.until(backend.conversations[0].writer.is_closing)
    stage.route(backend.address, protocol="h2c")
    await stage.get()

    assert len(backend.conversations) == 2
