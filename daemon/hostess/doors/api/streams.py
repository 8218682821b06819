"""Answers that go on: server-sent events with ids, and plain lines. Both end when the daemon stops or the client has gone."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass

from aiohttp import web

from hostess.domain.problem import Problem

CLOSING = web.AppKey("closing", asyncio.Event)
"""Set when the daemon stops."""

QUIET = 15.0
"""Seconds of silence after which a comment is sent, so that nothing on the way takes the connection for dead."""

LOOK = 1.0
"""Seconds after which a silent stream looks whether its client has gone: what runs only for the client ends with it."""

_DIGITS = 15
"""Digits of the largest number that a client can have been given: it is one in JSON and in SQLite."""

_LINE = re.compile(r"\r\n|\r|\n")

_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One server-sent event."""

    data: str
    id: str = ""
    event: str = ""

    def encoded(self) -> bytes:
        """Return it as it is sent. A carriage return ends a line there, too: what is written must not be taken for a field."""
        head = [f"{field}: {value}" for field, value in (("id", self.id), ("event", self.event)) if value]
        return ("\n".join([*head, *(f"data: {line}" for line in _LINE.split(self.data))]) + "\n\n").encode()


def last_number(request: web.Request) -> int | None:
    """Return the number that the client has last (`Last-Event-ID`), None for none that could be one."""
    last = request.headers.get("Last-Event-ID", "")
    return int(last) if last.isascii() and last.isdigit() and len(last) <= _DIGITS else None


def wants_events(request: web.Request) -> bool:
    """Whether the client asks for server-sent events."""
    return "text/event-stream" in request.headers.get("Accept", "")


async def send_events(request: web.Request, events: AsyncGenerator[Sent]) -> web.StreamResponse:
    """Answer with *events* as they come; a Problem on the way is the last of them, as `event: problem`."""

    async def encoded() -> AsyncGenerator[bytes]:
        async with aclosing(events):
            try:
                async for each in events:
                    yield each.encoded()
            except Problem as problem:
                yield Sent(json.dumps({"code": problem.code, "detail": problem.what}), event="problem").encoded()

    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
    return await _pour(request, response, encoded(), pulse=b": still here\n\n")


async def send_lines(request: web.Request, lines: AsyncGenerator[str]) -> web.StreamResponse:
    """Answer with *lines* as plain text; a Problem on the way is the last of them."""

    async def encoded() -> AsyncGenerator[bytes]:
        async with aclosing(lines):
            try:
                async for line in lines:
                    yield f"{line}\n".encode()
            except Problem as problem:
                yield f" !     {problem.what}\n".encode()

    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/plain; charset=utf-8"})
    return await _pour(request, response, encoded(), pulse=b"")


async def _pour(
    request: web.Request, response: web.StreamResponse, source: AsyncGenerator[bytes], *, pulse: bytes
) -> web.StreamResponse:
    with suppress(ConnectionResetError):  # the client has gone: nothing to tell anybody
        await response.prepare(request)
        async with aclosing(_until(request.app[CLOSING], source, pulse)) as chunks:
            async for chunk in chunks:
                if request.transport is None or request.transport.is_closing():
                    return response
                if chunk:
                    await response.write(chunk)
        await response.write_eof()
    return response


async def _until(closing: asyncio.Event, source: AsyncGenerator[bytes], pulse: bytes) -> AsyncGenerator[bytes]:
    """Yield what *source* yields, and *pulse* whenever it was quiet for long; end with it or at *closing*."""
    stop = asyncio.create_task(closing.wait())
    following: asyncio.Task[bytes | None] | None = None
    quiet = 0.0
    try:
        while not stop.done():
            following = following or asyncio.create_task(_next(source))
            done, _ = await asyncio.wait({following, stop}, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
            if following not in done:
                quiet = 0.0 if quiet >= QUIET else quiet + LOOK
                yield b"" if quiet else pulse
                continue
            chunk, following, quiet = following.result(), None, 0.0
            if chunk is None:
                return
            yield chunk
    finally:
        stop.cancel()
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
        await source.aclose()


async def _next(source: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(source, None)


async def send_artefact(
    request: web.Request, pieces: Generator[bytes], headers: Mapping[str, str], begins: Callable[[], Awaitable[object]]
) -> web.StreamResponse:
    """Answer with what a blocking generator yields; a Problem before the first piece is told as one, then *begins* is called."""
    with closing(pieces):
        piece = await asyncio.to_thread(next, pieces, b"")
        await begins()
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        while piece:
            await response.write(piece)
            piece = await asyncio.to_thread(next, pieces, b"")
    await response.write_eof()
    return response
