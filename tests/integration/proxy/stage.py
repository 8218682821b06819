"""A proxy's data plane in this process, on real sockets, between backends and clients that say exactly what a test wants."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from hostess_proxy.crowd import Crowd
from hostess_proxy.downstream import Downstream
from hostess_proxy.http1.headers import Networks
from hostess_proxy.http2.downstream import Http2Downstream
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.telemetry.access_log import AccessLog
from hostess_proxy.tls.handshake import Handshake, Tls
from hostess_proxy.traffic import TICK_SECONDS, Traffic
from tests.integration.proxy.papers import Papers

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SOON = 25.0
ONLY_HTTP = pytest.mark.parametrize("stage", ["http"], indirect=True)
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Conversation = Callable[["Backend", bytes, Reader, Writer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Response:
    """A response as a client saw it."""

    status: int
    head: bytes
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return the values of a field, in order."""
        lines = [line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:]]
        return [value.strip() for key, _, value in lines if key.lower() == name.lower()]


async def read_response(reader: Reader, *, bodyless: bool = False) -> Response:
    """Read one response, framed as its head says; IncompleteReadError when it is cut short."""
    async with asyncio.timeout(SOON):
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        response = Response(int(head[9:12]), head, b"")
        if bodyless or response.status < 200 or response.status in {204, 304}:
            return response
        if response.values("transfer-encoding") == ["chunked"]:
            body = await read_chunks(reader)
        elif lengths := response.values("content-length"):
            body = await reader.readexactly(int(lengths[0]))
        else:
            body = await reader.read()
        return Response(response.status, head, body)


async def read_chunks(reader: Reader) -> bytes:
    """Read a chunked body to its end."""
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).strip(), 16)
        data = await reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        if not size:
            return body
        body += data[:-2]


async def gone(_backend: "Backend", _head: bytes, _reader: Reader, writer: Writer) -> None:
    """Close without an answer."""
    writer.close()


def once_then(first: bytes, then: bytes = b"") -> Conversation:
    """Answer a connection's first request, close at its second (after saying *then*)."""
    served: set[int] = set()

    async def talk(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        if id(writer) in served:
            writer.write(then)
            writer.close()
        else:
            served.add(id(writer))
            writer.write(first)

    return talk


async def ok(backend: "Backend", head: bytes, reader: Reader, writer: Writer) -> None:
    """Answer 200 with the backend's name, after having read the body."""
    body = await read_request_body(head, reader)
    text = backend.name.encode() + body
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))


async def read_request_body(head: bytes, reader: Reader) -> bytes:
    """Read the body of a request whose head was read."""
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return await read_chunks(reader)
    if b"content-length:" in lower:
        return await reader.readexactly(int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0]))
    return b""


def after(event: asyncio.Event) -> Conversation:
    """Make a backend that answers as `ok` does, once this has happened."""

    async def talk(backend: Backend, head: bytes, reader: Reader, writer: Writer) -> None:
        await event.wait()
        await ok(backend, head, reader, writer)

    return talk


def saying(data: bytes, *, close: bool = False) -> Conversation:
    """Make a backend that answers every request with these bytes."""

    async def talk(_backend: "Backend", head: bytes, reader: Reader, writer: Writer) -> None:
        await read_request_body(head, reader)
        writer.write(data)
        if close:
            writer.close()

    return talk


@dataclass(slots=True)
class Backend:
    """A backend on a real socket. *heads* are the requests it got, *open* how many connections it has."""

    name: str
    talk: Conversation
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    port: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[Writer] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Serve one connection."""
        self.connections += 1
        self.open += 1
        self.writers.append(writer)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self.talk(self, head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self.closed.set()
            writer.close()


class Stage:
    """The proxy under test and what stands around it."""

    def __init__(self, traffic: Traffic, log_path: Path, log: AccessLog, papers: Papers | None = None) -> None:
        self.traffic = traffic
        self.tls = Tls(traffic)
        self.host, self.port = "127.0.0.1", 0
        self.papers = papers
        self._log_path = log_path
        self._log = log
        self._servers: list[asyncio.Server] = []
        self._backends: list[Backend] = []
        self._writers: list[Writer] = []

    async def backend(self, talk: Conversation = ok, name: str = "A", *, room: int = 0) -> Backend:
        """Start a backend. With *room* its side of a connection takes about so many bytes before they are read, and no more."""
        backend = Backend(name, talk)
        server = await asyncio.start_server(backend.serve, "127.0.0.1", 0, limit=room or 1024 * 1024)
        backend.port = server.sockets[0].getsockname()[1]
        if room:
            server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self._servers.append(server)
        self._backends.append(backend)
        return backend

    def route(self, *backends: Backend | str, **options: Any) -> None:
        """Make one route for every host the whole table."""
        targets = [backend if isinstance(backend, str) else backend.address for backend in backends]
        one = {"host": "*", "service": "web", "release": "1", "targets": targets, **options}
        self.publish({"routes": [one]})

    def publish(self, raw: dict[str, Any]) -> None:
        """Swap the table."""
        if self.papers is not None:
            raw = {"certificates": [self.papers.certificate("*")], **raw}
        table = parse_table(raw)
        self.tls.swap(table)
        self.traffic.swap(table)

    @property
    def websocket(self) -> dict[str, Any]:
        """What a WebSocket client has to know to connect."""
        if self.papers is None:
            return {"uri": f"ws://127.0.0.1:{self.port}/"}
        return {"uri": f"wss://127.0.0.1:{self.port}/", "ssl": self.papers.client(), "server_hostname": "a.x"}

    async def connect(self, name: str = "a.x") -> tuple[Reader, Writer]:
        """Connect as a client; by TLS as one that asks for *name*."""
        papers = self.papers
        chosen, asked = (None, None) if papers is None else (papers.client(), name)
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=chosen, server_hostname=asked)
        self._writers.append(writer)
        return reader, writer

    async def ask(self, request: bytes, *, bodyless: bool = False) -> Response:
        """Send bytes on a connection of their own and read one response."""
        reader, writer = await self.connect()
        writer.write(request)
        return await read_response(reader, bodyless=bodyless)

    async def get(self, path: str = "/", *lines: str) -> Response:
        """GET a path."""
        fields = "".join(f"{line}\r\n" for line in lines)
        return await self.ask(f"GET {path} HTTP/1.1\r\nHost: a.x\r\n{fields}\r\n".encode())

    def protocol(self) -> asyncio.Protocol:
        """Return what takes a connection of a client."""
        if self.papers is not None:
            return Handshake(self.tls)
        return cast("asyncio.Protocol", Downstream(self.traffic, secure=False))

    def clients(self) -> list[Downstream]:
        """Return the connections of HTTP clients."""
        return [client for client in self.traffic.clients if isinstance(client, Downstream)]

    async def logged(self, count: int) -> list[dict[str, Any]]:
        """Return the access log's lines once there are *count* of them."""
        async with asyncio.timeout(SOON):
            while True:
                self._log.flush()
                if self._log_path.exists():
                    lines = self._log_path.read_text().splitlines()
                    if len(lines) >= count:
                        return [json.loads(line) for line in lines]
                await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when a condition holds."""
        async with asyncio.timeout(SOON):
            while not condition():
                await asyncio.sleep(0.01)

    def advance(self, seconds: float) -> None:
        """Let the proxy's deadlines be *seconds* nearer: what waits for less is due at the next tick."""
        for client in self.traffic.clients:
            client.deadline -= seconds
            if isinstance(client, Http2Downstream):
                for name in ("head_by", "_idle_by", "_stalled_by", "_final_at"):
                    setattr(client, name, getattr(client, name) - seconds)
                for stream in client.streams.values():
                    for name in ("deadline", "_stalled_by"):
                        setattr(stream, name, getattr(stream, name) - seconds)
        for room in self.traffic.holding._rooms.values():
            for waiting in room.waiting:
                waiting.deadline -= seconds
        for target in self.traffic.targets._known.values():
            for upstream in [*target.idle, *(target.pool.connections if target.pool is not None else ())]:
                upstream.idle_since -= seconds
        self.traffic.tick()

    async def close(self) -> None:
        """End everything that was started here."""
        for writer in [*self._writers, *(writer for backend in self._backends for writer in backend.writers)]:
            writer.transport.abort()
        for server in self._servers:
            server.close()
        await self.traffic.dialer.close()
        self._log.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def a_stage(
    folder: Path,
    trusted: Networks = (),
    papers: Papers | None = None,
    crowd: Crowd | None = None,
    host: str = "127.0.0.1",
    log: AccessLog | None = None,
) -> AsyncIterator[Stage]:
    """Give a stage with an empty table; with *papers* its clients come by TLS. *host* is where they come from, and arrive."""
    log_path = folder / "access.log"
    log = log or AccessLog(log_path)
    traffic = Traffic(log, trusted, crowd)
    stage = Stage(traffic, log_path, log, papers)
    server = await asyncio.get_running_loop().create_server(stage.protocol, host, 0)
    stage.host, stage.port = server.sockets[0].getsockname()[:2]
    ticking = asyncio.create_task(_tick(traffic))
    try:
        yield stage
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        server.close()
        traffic.cut_all()
        await stage.close()


async def _tick(traffic: Traffic) -> None:
    while True:
        traffic.tick()
        await asyncio.sleep(TICK_SECONDS)
