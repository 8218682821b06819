"""Callers inside a stack: led to one listener by a real firewall, they reach the service that they called, and no other network's."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostess_proxy.draining import drain
from hostess_proxy.inside.listener import Doorway
from hostess_proxy.routes.holding import Sleeper
from tests.integration.proxy.inside import (
    API,
    ELSEWHERE,
    FIRST,
    GET,
    NETWORK,
    NOBODY,
    OTHER_NETWORK,
    SECOND,
    Led,
    firewall,
)
from tests.integration.proxy.stage import (
    SOON,
    Reader,
    Writer,
    a_stage,
    read_response,
)
from tests.integration.proxy.test_challenges import CHALLENGES, PATH
from tests.integration.proxy.waiting import held

pytestmark = pytest.mark.docker  # the engine's host has the firewall, and the right to change it


@pytest.fixture
async def led(tmp_path: Path) -> AsyncIterator[Led]:
    """Give a stage that both networks are led to."""
    async with a_stage(tmp_path) as stage:
        server = await asyncio.get_running_loop().create_server(lambda: Doorway(stage.traffic), "127.0.0.1", 0)
        inside = Led(stage, server.sockets[0].getsockname()[1])
        firewall("-A", inside.port)
        try:
            yield inside
        finally:
            firewall("-D", inside.port)
            server.close()
            await inside.close()


async def echoing(reader: Reader, writer: Writer) -> None:
    """Say something first, then repeat what is heard until its end."""
    writer.write(b"hello\n")
    while data := await reader.read(1024 * 64):
        writer.write(data)
        await writer.drain()
    writer.write(b"bye\n")
    writer.close()


async def test_called_by_address(led: Led) -> None:
    """A caller reaches the service that it called, whatever its Host field says."""
    backend = await led.replica(FIRST)
    led.publish(FIRST, ports=[backend.port], http=[backend.port])

    assert (await led.get(API, backend.port, "Host: anything.example:1")).status == 200

    assert b"Host: anything.example:1" in backend.heads[0]
    assert f"X-Forwarded-Port: {backend.port}\r\n".encode() in backend.heads[0]


async def test_gateway_is_believed(led: Led) -> None:
    """What a gateway in the stack says of its own client reaches the service."""
    backend = await led.replica(FIRST)
    led.publish(FIRST, ports=[backend.port])

    await led.get(API, backend.port, "Host: api", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https")

    assert b"X-Forwarded-For: 203.0.113.9, " in backend.heads[0]
    assert b"X-Forwarded-Proto: https\r\n" in backend.heads[0]


@pytest.mark.parametrize("known", [True, False], ids=["http", "found out"])
async def test_kept_connection_follows_switch(led: Led, *, known: bool) -> None:
    """A caller that keeps its connection is answered by the new release from the switch on."""
    port = (await led.replica(FIRST)).port
    await led.replica(SECOND, port=port)
    http = [port] if known else []
    led.publish(FIRST, ports=[port], http=http)
    reader, writer = await led.call(API, port)
    seen = []

    for replica in (FIRST, FIRST, SECOND, SECOND):
        led.publish(replica, ports=[port], http=http)
        writer.write(GET)
        seen.append((await read_response(reader)).body.decode())

    assert seen == [FIRST, FIRST, SECOND, SECOND]


async def test_balanced(led: Led) -> None:
    """Requests of one connection go to all replicas in turn."""
    first = await led.replica(FIRST)
    second = await led.replica(SECOND, port=first.port)
    led.publish(FIRST, SECOND, ports=[first.port])
    reader, writer = await led.call(API, first.port)

    for _ in range(4):
        writer.write(GET)
        await read_response(reader)

    assert (len(first.heads), len(second.heads)) == (2, 2)


async def test_other_network(led: Led) -> None:
    """A caller of another network is let in nowhere, not even with the right address."""
    backend = await led.replica(FIRST)
    led.publish(FIRST, network=OTHER_NETWORK, address=ELSEWHERE, ports=[backend.port])

    assert await led.refuses(ELSEWHERE, backend.port, caller=API)
    assert (await led.get(ELSEWHERE, backend.port)).status == 200

    assert len(backend.heads) == 1


async def test_nobody_there(led: Led) -> None:
    """An address that no service has, and a connection that was not led here, end without a word."""
    backend = await led.replica(FIRST)
    led.publish(FIRST, ports=[backend.port])

    assert await led.refuses(NOBODY, backend.port)
    assert await led.refuses("127.0.0.1", led.port)


async def test_no_replica(led: Led) -> None:
    """A service without a ready replica answers HTTP with 503, and hangs up on what is no HTTP."""
    led.publish(ports=[8000], http=[8000])

    answer = await led.get(API, 8000)

    assert (answer.status, answer.values("x-hostess-error")) == (503, ["no-backend"])
    reader, writer = await led.call(API, 9000)
    writer.write(b"\x00\x01")
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""


async def test_asleep(led: Led) -> None:
    """A caller of a service that sleeps waits, and is answered by the replica that comes; the service is called out by its address."""
    calls: list[Sleeper] = []
    led.stage.traffic.holding.call = calls.extend
    backend = await led.replica(FIRST)
    led.publish(ports=[backend.port], http=[backend.port], wake={}, project="shop")
    waiting = asyncio.create_task(led.get(API, backend.port, "Host: whatever.it.says"))
    await led.stage.until(lambda: held(led.stage) == 1)
    assert calls == [Sleeper("shop", "api", API, "/")]

    led.publish(FIRST, ports=[backend.port], http=[backend.port], project="shop")

    assert (await waiting).status == 200


async def test_loads_of_relays(led: Led) -> None:
    """A connection that is no HTTP is somebody who asks as long as it is open."""
    port = await led.serve(FIRST, echoing)
    led.publish(FIRST, ports=[port])
    reader, writer = await led.call(API, port)
    assert await reader.readline() == b"hello\n"

    assert led.stage.traffic.targets.loads()[f"{FIRST}:{port}"][:2] == (1, 1)
    writer.write_eof()
    assert await reader.read() == b"bye\n"
    await led.stage.until(lambda: led.stage.traffic.targets.loads()[f"{FIRST}:{port}"][:2] == (0, 1))


async def test_other_protocols(led: Led) -> None:
    """What is no HTTP is relayed as it is, the server's first word too, and each direction ends by itself."""
    port = await led.serve(FIRST, echoing)
    led.publish(FIRST)  # the service does not list this port
    reader, writer = await led.call(API, port)

    assert await reader.readline() == b"hello\n"
    writer.write(b"\x16\x03 not HTTP\n")
    assert await reader.readline() == b"\x16\x03 not HTTP\n"
    writer.write_eof()

    assert await reader.read() == b"bye\n"


async def test_first_word_of_a_quick_server(led: Led) -> None:
    """What a server says as soon as it is connected arrives, however quick it is."""
    listener = socket.create_server((FIRST, 0), backlog=100)
    open_ones = []

    def greet() -> None:
        with contextlib.suppress(OSError):
            while True:
                open_ones.append(listener.accept()[0])
                open_ones[-1].sendall(b"220 ready\n")

    greeting = threading.Thread(target=greet)
    greeting.start()
    port = int(listener.getsockname()[1])
    led.publish(FIRST, ports=[port])

    calls = [await led.call(API, port) for _ in range(100)]
    try:
        async with asyncio.timeout(SOON):
            said = [await reader.readline() for reader, _ in calls]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        greeting.join(SOON)
        for one in (listener, *open_ones):
            one.close()

    assert said == [b"220 ready\n"] * 100


async def test_end_before_anything_is_known(led: Led) -> None:
    """A caller that ends its side before its protocol can be told, or without a word, gets the replica's answer."""
    port = await led.serve(FIRST, echoing)
    led.publish(FIRST, ports=[port])

    said = []
    for word in (b"PING", b""):
        reader, writer = await led.call(API, port)
        writer.write(word)
        writer.write_eof()
        async with asyncio.timeout(SOON):
            said.append(await reader.read())

    assert said == [b"hello\nPINGbye\n", b"hello\nbye\n"]


async def test_late_request_follows_switch(led: Led) -> None:
    """A caller that opens its connection ahead of its first request (a pool) is served request by request, too."""
    port = (await led.replica(FIRST)).port
    await led.replica(SECOND, port=port)
    led.publish(FIRST, ports=[port])
    reader, writer = await led.call(API, port)
    await led.stage.until(lambda: bool(led.stage.traffic.targets.in_flight().get(f"{FIRST}:{port}")))
    seen = []

    for replica in (FIRST, SECOND):
        led.publish(replica, ports=[port])
        writer.write(GET)
        seen.append((await read_response(reader)).body.decode())

    assert seen == [FIRST, SECOND]


async def test_first_bytes_are_kept(led: Led) -> None:
    """Bytes by which a protocol is found out reach the replica, in order, however they are cut."""
    port = await led.serve(FIRST, echoing)
    led.publish(FIRST, ports=[port])
    reader, writer = await led.call(API, port)

    writer.write(b"PRI * HT")
    await writer.drain()
    writer.write(b"TP/2.0\r\n\r\nSM")

    assert await reader.readline() == b"hello\n"
    assert await reader.readuntil(b"SM") == b"PRI * HTTP/2.0\r\n\r\nSM"


async def test_large_relay(led: Led) -> None:
    """Megabytes that one side takes slowly arrive whole."""
    port = await led.serve(FIRST, echoing)
    led.publish(FIRST, ports=[port])
    reader, writer = await led.call(API, port)
    assert await reader.readline() == b"hello\n"
    sent = bytes(range(256)) * 4096 * 8

    async def send() -> None:
        for start in range(0, len(sent), 65536):
            writer.write(sent[start : start + 65536])
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    received = await reader.read(-1)
    await sending

    assert received == sent + b"bye\n"


async def test_refused_replica(led: Led) -> None:
    """A relay goes to another replica when the first one does not let it connect."""
    port = await led.serve(SECOND, echoing)
    led.publish(FIRST, SECOND, ports=[port])

    said = []
    for _ in range(3):
        reader, _writer = await led.call(API, port)
        said.append(await reader.readline())

    assert said == [b"hello\n"] * 3


async def test_relay_is_drained(led: Led) -> None:
    """A relay counts as in flight at its replica until it ends, and is cut when its time is over."""
    port = await led.serve(FIRST, echoing)
    led.publish(FIRST, ports=[port])
    reader, _writer = await led.call(API, port)
    await reader.readline()
    targets = led.stage.traffic.targets
    replica = f"{FIRST}:{port}"

    assert targets.in_flight() == {replica: 1}
    assert await drain(targets.at([replica]), 0.0, 0.0) == 1

    assert await reader.read() == b""
    await led.stage.until(lambda: not targets.in_flight().get(replica))


async def test_gone_caller(led: Led) -> None:
    """A caller that hangs up ends the replica's connection, too."""
    ended = asyncio.Event()

    async def listening(reader: Reader, writer: Writer) -> None:
        await reader.read()
        ended.set()
        writer.close()

    port = await led.serve(FIRST, listening)
    led.publish(FIRST, ports=[port])
    _, writer = await led.call(API, port)
    writer.write(b"\x00")
    writer.close()

    async with asyncio.timeout(SOON):
        await ended.wait()


async def test_static_inside(led: Led, tmp_path: Path) -> None:
    """A static service is served to callers in its stack, at its port and no other."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<p>inside</p>")
    led.publish(static={"root": str(tmp_path / "site")}, ports=[8080], http=[8080])

    assert (await led.get(API, 8080)).body == b"<p>inside</p>"
    assert (await led.get(API, 8081)).status == 404


async def test_no_challenges_inside(led: Led) -> None:
    """A certificate authority's challenge is answered to the world; a caller inside reaches the service, whatever the path."""
    replica = await led.replica(FIRST)
    one = {"network": NETWORK, "address": API, "service": "api", "release": "1", "replicas": [FIRST]}
    led.stage.publish({"inside": [one], "challenges": CHALLENGES})

    reader, writer = await led.call(API, replica.port)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: api\r\n\r\n".encode())

    assert (await read_response(reader)).body.decode() == FIRST
