"""`GET /metrics` at a listener of its own, served by the supervisor, so that it costs no worker anything. There is no sign-in."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final

from hostess_proxy.process.listeners import Listener

HEAD_SECONDS: Final = 5.0
SEND_SECONDS: Final = 10.0
AT_ONCE: Final = 8
_MAX_HEAD = 8 * 1024
_KIND = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """Answers one request for each connection, and only so many connections at once. *metrics* makes the text."""

    def __init__(self, metrics: Callable[[], Awaitable[str]]) -> None:
        self._metrics = metrics
        self._open = 0

    async def listen(self, listeners: Iterable[Listener]) -> list[asyncio.Server]:
        """Accept connections from these sockets."""
        sockets = (one for listener in listeners for one in listener.sockets)
        return [await asyncio.start_server(self._serve, sock=one.dup(), limit=_MAX_HEAD) for one in sockets]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= AT_ONCE:
                await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != b"/metrics" or method not in {b"GET", b"HEAD"}:
            writer.write(_response("404 Not Found", "metrics are at /metrics\n"))
        else:
            answer = _response("200 OK", await self._metrics())
            writer.write(answer if method == b"GET" else answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        async with asyncio.timeout(SEND_SECONDS):
            await writer.drain()


def _response(status: str, text: str) -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {_KIND}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
