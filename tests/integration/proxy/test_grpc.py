"""gRPC goes through, from its own client to its own server: all kinds of calls, with status, metadata, deadline and cancellation."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from hostess_proxy.http2.upstream import Http2Upstream
from tests.integration.proxy.stage import Stage

BIG = bytes(range(256)) * 4096
Context = Any


class Service:
    """A service that echoes. *waiting* is set when a call waits for ever, *cancelled* when its client gave it up."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.seen: list[tuple[str, str]] = []
        self.server = aio.server(options=[("grpc.so_reuseport", 0)])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
        }
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))

    async def unary(self, request: bytes, context: Context) -> bytes:
        """Return the request."""
        self.seen = [(str(key), str(value)) for key, value in context.invocation_metadata() or ()]
        await context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"),))
        return request

    async def up(self, requests: AsyncIterator[bytes], _context: Context) -> bytes:
        """Return how many bytes came."""
        return b"%d" % sum([len(request) async for request in requests])

    async def down(self, request: bytes, _context: Context) -> AsyncIterator[bytes]:
        """Return the request five times."""
        for _ in range(5):
            yield request

    async def both(self, requests: AsyncIterator[bytes], _context: Context) -> AsyncIterator[bytes]:
        """Return each request as it comes."""
        async for request in requests:
            yield request

    async def fail(self, _request: bytes, context: Context) -> bytes:
        """Fail without a response."""
        await context.abort(grpc.StatusCode.NOT_FOUND, "nothing here: é")
        return b""

    async def wait(self, _request: bytes, _context: Context) -> bytes:
        """Wait for ever."""
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""


@pytest.fixture
async def service(stage: Stage) -> AsyncIterator[Service]:
    """Give a service behind the proxy."""
    one = Service()
    await one.server.start()
    stage.route(f"127.0.0.1:{one.port}", protocol="h2c", project="calls")
    yield one
    await one.server.stop(None)


@pytest.fixture
async def channel(stage: Stage) -> AsyncIterator[aio.Channel]:
    """Give a client's channel to the proxy."""
    async with aio.insecure_channel(f"127.0.0.1:{stage.port}") as one:
        yield one


async def test_unary(stage: Stage, service: Service, channel: aio.Channel) -> None:
    """A call comes back with its metadata, first and last; what the client says, and who it is, comes to the service."""
    call = channel.unary_unary("/test.Echo/Unary")(BIG, metadata=(("x-mine", "3"),))

    assert await call == BIG
    assert dict(await call.initial_metadata())["x-first"] == "1"
    assert dict(await call.trailing_metadata())["x-last"] == "2"
    assert {("x-mine", "3"), ("x-forwarded-for", "127.0.0.1")} <= set(service.seen)
    (line,) = await stage.logged(1)
    assert (line["proto"], line["path"], line["status"], line["end"]) == ("HTTP/2.0", "/test.Echo/Unary", 200, "ok")


@pytest.mark.usefixtures("service")
async def test_streams(channel: aio.Channel) -> None:
    """Calls that stream up, down and both ways at once pass message by message."""

    async def some() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield BIG

    assert await channel.stream_unary("/test.Echo/Up")(some()) == b"%d" % (5 * len(BIG))
    assert [piece async for piece in channel.unary_stream("/test.Echo/Down")(BIG)] == [BIG] * 5
    call = channel.stream_stream("/test.Echo/Both")()
    for number in range(20):
        await call.write(b"%d" % number)
        assert await call.read() == b"%d" % number
    await call.done_writing()
    assert await call.read() == aio.EOF
    assert await call.code() == grpc.StatusCode.OK


@pytest.mark.usefixtures("service")
async def test_silent_call(stage: Stage, channel: aio.Channel) -> None:
    """A call that streams may say nothing for a long time."""
    call = channel.stream_stream("/test.Echo/Both")()
    await call.write(b"first")
    assert await call.read() == b"first"
    stage.advance(600)
    await call.write(b"second")

    assert await call.read() == b"second"
    await call.done_writing()


@pytest.mark.usefixtures("service")
async def test_failure(channel: aio.Channel) -> None:
    """A call that fails without a response has the status and the words of the service."""
    with pytest.raises(aio.AioRpcError) as failed:
        await channel.unary_unary("/test.Echo/Fail")(b"")

    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.NOT_FOUND, "nothing here: é")


async def test_deadline(service: Service, channel: aio.Channel) -> None:
    """A call whose deadline passes ends at the client and at the service."""
    with pytest.raises(aio.AioRpcError) as failed:
        await channel.unary_unary("/test.Echo/Wait")(b"", timeout=2)
    await asyncio.wait_for(service.cancelled.wait(), 25)

    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_cancellation(service: Service, channel: aio.Channel) -> None:
    """A call that its client gives up is given up at the service."""
    call = channel.unary_unary("/test.Echo/Wait")(b"")
    await asyncio.wait_for(service.waiting.wait(), 25)
    call.cancel()

    await asyncio.wait_for(service.cancelled.wait(), 25)


@pytest.mark.usefixtures("service")
async def test_shared_connection(stage: Stage, channel: aio.Channel) -> None:
    """Many calls at once share one connection to the service."""
    ask = channel.unary_unary("/test.Echo/Unary")
    answers = await asyncio.gather(*[ask(b"%d" % number) for number in range(60)])

    assert answers == [b"%d" % number for number in range(60)]
    assert len(connections(stage)) == 1


def connections(stage: Stage) -> list[Http2Upstream]:
    """Return the connections of HTTP/2 to backends."""
    pools = [target.pool for target in stage.traffic.targets._known.values() if target.pool is not None]
    return [connection for pool in pools for connection in pool.connections]


async def test_service_is_away(stage: Stage, channel: aio.Channel) -> None:
    """Where no service listens, a call is told that it is not available."""
    stage.route("127.0.0.1:1", protocol="h2c")
    with pytest.raises(aio.AioRpcError) as failed:
        await channel.unary_unary("/test.Echo/Unary")(b"")

    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_switch(stage: Stage, service: Service, channel: aio.Channel) -> None:
    """A table with another service leaves a call at the old one until it ends; the next call goes to the new one."""
    other = Service()
    await other.server.start()
    call = channel.stream_stream("/test.Echo/Both")()
    await call.write(b"1")
    assert await call.read() == b"1"
    stage.route(f"127.0.0.1:{other.port}", protocol="h2c")
    assert await channel.unary_unary("/test.Echo/Unary")(b"x") == b"x"
    await call.write(b"2")

    assert await call.read() == b"2"
    assert (bool(service.seen), bool(other.seen)) == (False, True)
    await call.done_writing()
    assert await call.read() == aio.EOF
    await stage.until(lambda: {connection.target.port for connection in connections(stage)} == {other.port})
    await other.server.stop(None)
