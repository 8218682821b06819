"""A WebSocket (RFC 6455) to the admin API: standard library only, over TCP, TLS or the unix socket."""

import asyncio
import base64
import json
import os
import ssl
from dataclasses import dataclass
from hashlib import sha1
from urllib.parse import urlsplit

from hostess.cli.failure import UNREACHABLE, Failure
from hostess.cli.server import Server
from hostess.cli.trust import trusted, untrusted

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST = 16 * 1024 * 1024
_SHORT, _MEDIUM = 126, 127
_HEAD = 64 * 1024
_PATIENCE = 30.0
_SWITCHING = 101


@dataclass(frozen=True, slots=True)
class Message:
    """One message; *kind* is TEXT or BINARY."""

    kind: int
    data: bytes


class WebSocket:
    """One connection. It may be read by one task while others write."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes, kind: int = BINARY) -> None:
        """Send a message; it waits while the other side takes nothing. ConnectionError when it is gone."""
        self._writer.write(_framed(kind, data))
        await self._writer.drain()

    async def receive(self) -> Message | None:
        """Return the next message, None when the connection has ended."""
        kind, parts = 0, bytearray()
        try:
            while True:
                final, opcode, data = await self._frame()
                if opcode == CLOSE:
                    self._writer.write(_framed(CLOSE, data[:2]))
                    return None
                if opcode == PING:
                    await self.send(data, PONG)
                elif opcode != PONG:
                    kind, parts = opcode or kind, parts + data
                    if final:
                        return Message(kind, bytes(parts))
        except (OSError, asyncio.IncompleteReadError):
            return None

    def close(self) -> None:
        """End it."""
        if not self._writer.is_closing():
            self._writer.write(_framed(CLOSE, b"\x03\xe8"))
            self._writer.close()

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length == _SHORT:
            length = int.from_bytes(await self._reader.readexactly(2), "big")
        elif length == _MEDIUM:
            length = int.from_bytes(await self._reader.readexactly(8), "big")
        if length > _LONGEST or second & 0x80:
            raise ConnectionResetError("the daemon sent a frame that it may not")
        return bool(first & 0x80), first & 0x0F, await self._reader.readexactly(length)


async def opened(server: Server, path: str) -> WebSocket:
    """Return a WebSocket to *path*; Failure carries the problem that the daemon answers with."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await _connected(server)
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(_request(server, path, key))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, fields = _parsed(head)
            if status != _SWITCHING:
                body = await reader.read(min(int(fields.get("content-length", "0")), _HEAD))
                raise _refused(status, body)
            if fields.get("sec-websocket-accept") != _accept(key):
                raise Failure(f"{server} did not answer as a WebSocket", exit_code=UNREACHABLE)
    except ssl.SSLCertVerificationError as error:
        raise untrusted(server, error) from error
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Failure(
            f"the daemon does not answer at {server}: {str(error) or 'it took too long'}",
            exit_code=UNREACHABLE,
            remedy="is it running? `systemctl status hostess`, `journalctl -u hostess`",
        ) from error
    return WebSocket(reader, writer)


async def _connected(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if server.socket is not None:
        return await asyncio.open_unix_connection(str(server.socket))
    parts = urlsplit(server.url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    return await asyncio.open_connection(parts.hostname or "", port, ssl=trusted() if secure else None)


def _request(server: Server, path: str, key: str) -> bytes:
    parts = urlsplit(server.url)
    lines = [
        f"GET {parts.path.rstrip('/')}{path} HTTP/1.1",
        f"Host: {parts.netloc or 'localhost'}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *([f"Authorization: Bearer {server.token}"] if server.token else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _parsed(head: str) -> tuple[int, dict[str, str]]:
    first, *lines = head.rstrip("\r\n").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ")[1]), fields


def _refused(status: int, body: bytes) -> Failure:
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    return Failure.of_problem(status, found if isinstance(found, dict) else {})


def _accept(key: str) -> str:
    return base64.b64encode(sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()


def _framed(kind: int, data: bytes) -> bytes:
    """Return a frame as clients send it: whole, and masked (section 5.3)."""
    length = len(data)
    if length < _SHORT:
        size = bytes([0x80 | length])
    elif length < 1 << 16:
        size = bytes([0x80 | _SHORT]) + length.to_bytes(2, "big")
    else:
        size = bytes([0x80 | _MEDIUM]) + length.to_bytes(8, "big")
    mask = os.urandom(4)
    # One operation on long numbers: a loop over bytes would be the slowest part of a tunnel.
    whole = (mask * (length // 4 + 1))[:length]
    masked = (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(length, "big")
    return bytes([0x80 | kind]) + size + mask + masked
