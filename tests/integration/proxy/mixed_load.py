"""Clients of every kind at once, which miss nothing: each answer must come, be 200, whole, and the one to its own question.

A client leaves a connection where it is told to (`Connection: close`, GOAWAY, Close 1001) and comes back on another one. The app
behind answers as the tests' own image does: a body at /echo, events at /sse, a WebSocket at /ws.
"""

import asyncio
import itertools
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hyperframe.frame import GoAwayFrame
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from hostess_proxy.client import Running
from tests.integration.proxy.http2_peer import PREFACE, Peer, asking, body, head, raw
from tests.integration.proxy.processes import a_backend, until
from tests.integration.proxy.stage import SOON, Backend, Reader, Writer, ok, read_response

EACH = 2
EVENTS = 10
PATIENCE = 60.0
STREAMS = 3
ROUNDS = 20


class LostError(Exception):
    """An answer that did not come, or was not the one."""


async def echo(backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
    """Answer with the body, or with some events at /sse."""
    if not head.startswith(b"GET /sse"):
        await ok(backend, head, reader, writer)
        return
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(EVENTS):
        data = b"data: %d\n\n" % number
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await asyncio.sleep(0.03)
        if writer.is_closing():
            raise ConnectionResetError
    writer.write(b"0\r\n\r\n")


async def _chat(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the proxy: addresses of the app, and of its WebSockets."""

    app: str
    chat: str

    def table(self, **options: Any) -> dict[str, Any]:
        """Return a table that leads there."""
        one = {"host": "*", "project": "p", "service": "web", "release": "1", **options}
        return {"routes": [{**one, "targets": [self.app]}, {**one, "path": "/ws", "targets": [self.chat]}]}


@asynccontextmanager
async def backends(name: str = "A") -> AsyncIterator[Behind]:
    """Give an app that echoes, and its WebSockets."""
    async with a_backend(name, echo) as app, serve(_chat, "127.0.0.1", 0) as chat:
        yield Behind(app.address, f"127.0.0.1:{chat.sockets[0].getsockname()[1]}")


@dataclass(frozen=True, slots=True)
class Place:
    """Whom clients ask: addresses of the proxy, and the host. They may change."""

    proxy: Callable[[], Running]
    host: str


@dataclass(slots=True)
class MixedLoad:
    """*answered* counts by kind of client, and *moved* who was told to go elsewhere; *failed* says what was lost.

    *tls* are contexts by what they name in ALPN. Without TLS, clients of HTTP/2 know beforehand that it is spoken.
    """

    place: Place
    tls: Mapping[str, ssl.SSLContext]
    answered: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def more(self, count: int = 5) -> None:
        """Return when clients of every kind have had so many more answers."""
        goal = {kind: self.answered[kind] + count for kind in self.clients()}
        try:
            await until(lambda: all(self.answered[kind] >= least for kind, least in goal.items()))
        except TimeoutError:
            raise AssertionError(f"{self.answered} of {goal}; lost: {self.failed[:10]}") from None

    def clients(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        """Return the kinds of clients, each with what it does for the time of one connection; by TLS where that is served."""
        kinds: dict[str, Callable[[str], Awaitable[None]]] = {
            "kept": lambda kind: self._one_by_one(kind, kept=True),
            "kept by TLS": lambda kind: self._one_by_one(kind, kept=True, secure=True),
            "fresh": lambda kind: self._one_by_one(kind, kept=False),
            "fresh by TLS": lambda kind: self._one_by_one(kind, kept=False, secure=True),
            "events": self._events,
            "HTTP/2": self._streams,
            "WebSocket": self._talk,
            "WebSocket by TLS": lambda kind: self._talk(kind, secure=True),
        }
        return {kind: client for kind, client in kinds.items() if self._by_tls or "TLS" not in kind}

    @property
    def _by_tls(self) -> bool:
        return bool(self.place.proxy().https)

    async def keep_asking(self, kind: str, client: Callable[[str], Awaitable[None]]) -> None:
        """Ask until stopped, on one connection after another."""
        while not self.stop.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    await client(kind)
            except (
                LostError,
                OSError,
                EOFError,
                TimeoutError,
                ssl.SSLError,
                ConnectionClosed,
                InvalidHandshake,
            ) as error:
                self.failed.append(f"{kind}: {error!r}")
                await asyncio.sleep(0.05)

    def question(self) -> tuple[bytes, bytes]:
        """Return the method and the body of the next request; each body is another one."""
        number = next(self._numbers)
        return (b"POST", b"%d." % number * 2000) if number % 2 else (b"GET", b"")

    async def _connect(self, *, secure: bool, alpn: str = "http/1.1") -> tuple[Reader, Writer]:
        address, _, port = (self.place.proxy().https if secure else self.place.proxy().http).rpartition(":")
        chosen, name = (self.tls[alpn], self.place.host) if secure else (None, None)
        return await asyncio.open_connection(address, int(port), ssl=chosen, server_hostname=name)

    async def _one_by_one(self, kind: str, *, kept: bool, secure: bool = False) -> None:
        reader, writer = await self._connect(secure=secure)
        try:
            while not self.stop.is_set():
                method, body = self.question()
                framing = b"Transfer-Encoding: chunked" if len(body) % 3 else b"Content-Length: %d" % len(body)
                sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if len(body) % 3 else body
                fields = framing + b"\r\n" if body else b""
                writer.write(
                    b"%b /echo HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, self.place.host.encode(), fields) + sent
                )
                response = await read_response(reader)
                if response.status != 200 or body not in response.body:
                    raise LostError(response.head)
                self.answered[kind] += 1
                if not kept:
                    return
                if response.values("connection") == ["close"]:
                    self.moved[kind] += 1
                    return
        finally:
            writer.close()

    async def _events(self, kind: str) -> None:
        reader, writer = await self._connect(secure=False)
        writer.write(b"GET /sse?n=%d&ms=30 HTTP/1.1\r\nHost: %b\r\n\r\n" % (EVENTS, self.place.host.encode()))
        try:
            response = await read_response(reader)
        finally:
            writer.close()
        if response.body.count(b"data: ") != EVENTS:
            raise LostError(response.head + response.body)
        self.answered[kind] += 1

    async def _talk(self, kind: str, *, secure: bool = False) -> None:
        where = self.place.proxy().https if secure else self.place.proxy().http
        address, _, port = where.rpartition(":")
        more: dict[str, Any] = {"ssl": self.tls["http/1.1"]} if secure else {}
        url = f"{'wss' if secure else 'ws'}://{self.place.host}/ws"
        async with connect(url, host=address, port=int(port), proxy=None, **more) as socket:
            while not self.stop.is_set():
                text = str(next(self._numbers))
                try:
                    await socket.send(text)
                    heard = await asyncio.wait_for(socket.recv(), SOON)
                except ConnectionClosed as closed:
                    if closed.rcvd is None or closed.rcvd.code != 1001:
                        raise
                    self.moved[kind] += 1
                    return
                if heard != text:
                    raise LostError(heard)
                self.answered[kind] += 1
                await asyncio.sleep(0.01)

    async def _streams(self, kind: str) -> None:
        peer = Peer(*await self._connect(secure=self._by_tls, alpn="h2"))
        peer.send(PREFACE, raw(4, 0, 0))
        try:
            for first in range(1, 2 * STREAMS * ROUNDS, 2 * STREAMS):
                asked = {number: self.question() for number in range(first, first + 2 * STREAMS, 2)}
                for number, (method, content) in asked.items():
                    fields = asking(method.decode(), "/echo", host=self.place.host)
                    if content:
                        peer.send(head(number, fields, "END_HEADERS"), body(number, content, ended=True))
                    else:
                        peer.send(head(number, fields))
                await peer.until(partial(are_settled, peer, asked))
                for number, (_, content) in asked.items():
                    if not is_unasked(peer, number):
                        check_answer(peer, number, content)
                        self.answered[kind] += 1
                if peer.got(GoAwayFrame):
                    self.moved[kind] += 1
                    return
        finally:
            await peer.close()


def is_unasked(peer: Peer, number: int) -> bool:
    """Whether the other side says that it has not looked at a stream, and will not: it may be asked elsewhere."""
    return any(frame.last_stream_id < number and not frame.error_code for frame in peer.got(GoAwayFrame))  # type: ignore[attr-defined]


def are_settled(peer: Peer, numbers: Iterable[int]) -> bool:
    """Whether nothing more comes in these streams."""
    return peer.closed or all(
        peer.ended(number) or peer.reset_code(number) is not None or is_unasked(peer, number) for number in numbers
    )


def check_answer(peer: Peer, number: int, content: bytes) -> None:
    """LostError where a stream has not the answer to what was asked."""
    if not peer.ended(number) or peer.head(number)[":status"] != "200" or content not in peer.data(number):
        raise LostError(f"stream {number}: {peer.reset_code(number)}, {peer.goaway_code()}, {peer.closed}")


@asynccontextmanager
async def mixed_load(place: Place, authority: bytes | None = None) -> AsyncIterator[MixedLoad]:
    """Give load of some clients of each kind, who believe this authority; it is over afterwards."""
    tls = {}
    for name in ("http/1.1", "h2") if authority else ():
        tls[name] = ssl.create_default_context(cadata=(authority or b"").decode())
        tls[name].set_alpn_protocols([name])
    load = MixedLoad(place, tls)
    clients = [
        asyncio.create_task(load.keep_asking(kind, client))
        for kind, client in load.clients().items()
        for _ in range(EACH)
    ]
    try:
        await load.more()
        yield load
        await load.more()
    finally:
        load.stop.set()
        await asyncio.gather(*clients)
