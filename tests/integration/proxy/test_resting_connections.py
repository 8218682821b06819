"""Connections to backends that rest: which are used again, replaced, dropped."""

from tests.integration.proxy.stage import (
    EMPTY,
    Stage,
    gone,
    once_then,
    read_response,
    saying,
)

GET = b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 3\r\n\r\nabc"


async def test_stale_connection_is_replaced(stage: Stage) -> None:
    """A kept connection that closes without a byte costs a GET nothing: it is repeated once on a fresh one."""
    backend = await stage.backend(once_then(EMPTY))
    stage.route(backend)
    reader, writer = await stage.connect()

    for _ in range(3):
        writer.write(GET)
        assert (await read_response(reader)).status == 200

    lines = await stage.logged(3)
    assert [line["retries"] for line in lines] == [0, 1, 1]


async def test_post_is_not_repeated(stage: Stage) -> None:
    """What may have had an effect is not repeated: a POST whose connection closes is a 502."""
    backend = await stage.backend(once_then(EMPTY))
    stage.route(backend)
    reader, writer = await stage.connect()
    writer.write(GET)
    await read_response(reader)

    writer.write(POST)

    response = await read_response(reader)
    assert (response.status, response.values("x-hostess-error")) == (502, ["backend-closed"])
    assert len(backend.heads) == 2


async def test_post_prefers_a_fresh_connection(stage: Stage) -> None:
    """A POST does not take a connection that has rested for more than a second."""
    backend = await stage.backend()
    stage.route(backend)
    await stage.get()
    stage.advance(1.5)

    assert (await stage.ask(POST)).status == 200
    assert backend.connections == 2


async def test_nothing_is_repeated_after_a_byte(stage: Stage) -> None:
    """A connection that closes after part of an answer is not tried again."""
    backend = await stage.backend(once_then(EMPTY, then=b"HTTP/1.1 2"))
    stage.route(backend)
    reader, writer = await stage.connect()
    writer.write(GET)
    await read_response(reader)

    writer.write(GET)

    assert (await read_response(reader)).status == 502
    assert len(backend.heads) == 2


async def test_fresh_connection_closed(stage: Stage) -> None:
    """A backend that closes a fresh connection without an answer is a 502, at once."""
    backend = await stage.backend(gone)
    stage.route(backend)

    assert (await stage.get()).status == 502
    assert len(backend.heads) == 1


async def test_idle_connections_are_dropped(stage: Stage) -> None:
    """A backend connection that rested for four seconds is closed by the proxy before the backend does."""
    backend = await stage.backend()
    stage.route(backend)
    await stage.get()

    stage.advance(4.5)

    await stage.until(lambda: backend.open == 0)


async def test_unsolicited_bytes(stage: Stage) -> None:
    """Bytes after a complete response never become the next client's answer."""
    backend = await stage.backend(saying(EMPTY + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
    stage.route(backend)

    for _ in range(3):
        assert (await stage.get()).body == b""
    assert backend.connections == 3


async def test_late_unsolicited_bytes(stage: Stage) -> None:
    """Bytes on a resting connection end it."""
    backend = await stage.backend()
    stage.route(backend)
    await stage.get()

    backend.writers[0].write(b"HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n")

    await stage.until(lambda: backend.open == 0)
    assert (await stage.get()).status == 200


async def test_end_of_a_resting_connection(stage: Stage) -> None:
    """A resting connection that its backend ends is given to nobody, not even in the same turn of the loop."""
    backend = await stage.backend()
    stage.route(backend)
    await stage.get()
    [target] = stage.traffic.targets.at([backend.address])
    [upstream] = target.idle

    upstream.eof_received()

    assert target.take_idle(stage.traffic.now, fresh=False) is None


async def test_reused_connection_with_short_lived_backend(stage: Stage) -> None:
    """A backend that closes each connection after one answer, without saying so, fails no GET."""
    backend = await stage.backend(saying(EMPTY, close=True))
    stage.route(backend)
    reader, writer = await stage.connect()

    for _ in range(100):
        writer.write(GET)
        assert (await read_response(reader)).status == 200
