"""Questions and answers as JSON lines over a stream: between daemon and supervisor, and between supervisor and workers.

A question is `{"id": 1, "op": "publish", ...}`, its answer `{"id": 1, "ok": true, ...}` or
`{"id": 1, "ok": false, "error": {"code": ..., "what": ..., "place": ...}}`. Several may be open at once. The answering side may
say something unasked, a message without an id.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

Message = dict[str, Any]
Handler = Callable[[str, Message], Awaitable[Message]]
Hearer = Callable[[Message], None]

LINE_LIMIT = 64 * 1024 * 1024  # a table with tens of thousands of routes is one line
_UNIX_PATH = 100  # the kernel takes 107 bytes


class RemoteError(Exception):
    """The other side said no. *code* is stable, *what* is for people, *place* is where in the question."""

    def __init__(self, code: str, what: str, place: str = "") -> None:
        super().__init__(f"{place}: {what}" if place else what)
        self.code = code
        self.what = what
        self.place = place


class GoneError(ConnectionError):
    """The other side is gone, or did not answer in time."""


class Caller:
    """The asking end of a stream. *hear* is told what the other side says unasked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Hearer | None = None) -> None:
        self._reader = reader
        self._writer = writer
        self._hear = hear
        self._open: dict[int, asyncio.Future[Message]] = {}
        self._last = 0
        self._listening = asyncio.create_task(self._listen())

    async def ask(self, op: str, within: float, /, **arguments: object) -> Message:
        """Return the answer to a question; RemoteError when it is no, GoneError when there is none *within* so many seconds."""
        if self._listening.done():
            raise GoneError("the other side is gone")
        self._last += 1
        number = self._last
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            async with asyncio.timeout(within):
                self._writer.write(_line({"id": number, "op": op, **arguments}))
                await self._writer.drain()
                message = await answer
        except TimeoutError as error:
            raise GoneError(f"no answer to {op} within {within:g} s") from error
        except GoneError:
            raise
        except OSError as error:
            raise GoneError(f"the other side is gone: {error}") from error
        finally:
            self._open.pop(number, None)
        if message.get("ok"):
            return message
        error_fields = message.get("error", {})
        raise RemoteError(
            str(error_fields.get("code", "error")),
            str(error_fields.get("what", "")),
            str(error_fields.get("place", "")),
        )

    async def closed(self, within: float) -> None:
        """Return when the other side has closed the stream, or after so many seconds."""
        await asyncio.wait([self._listening], timeout=within)

    async def close(self) -> None:
        """Close the stream; open questions end with GoneError."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        try:
            async for message in messages(self._reader):
                waiting = self._open.get(message.get("id", 0))
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
                elif self._hear is not None and "id" not in message:
                    self._hear(message)
        finally:
            for waiting in self._open.values():
                if not waiting.done():
                    waiting.set_exception(GoneError("the other side is gone"))


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    """Answer questions until the other side closes; each in a task of its own, ended here."""
    async with asyncio.TaskGroup() as group:
        tasks: set[asyncio.Task[None]] = set()
        async for message in messages(reader):
            task = group.create_task(_answer(message, writer, handler))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    """Yield the messages of a stream until it ends or is no stream of messages."""
    while True:
        try:
            line = await reader.readline()
            message = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return
        if not isinstance(message, dict):
            return
        yield message


def reply(writer: asyncio.StreamWriter, question: Message, answer: Message) -> None:
    """Write the answer to a question."""
    writer.write(_line({"ok": True, **answer, "id": question.get("id")}))


def say(writer: asyncio.StreamWriter, op: str, /, **arguments: object) -> None:
    """Tell the asking side something that it has not asked for."""
    writer.write(_line({"op": op, **arguments}))


def arguments(message: Message) -> Message:
    """Return what a message says beside its op and number: to pass it on."""
    return {name: value for name, value in message.items() if name not in {"id", "op"}}


def refusal(code: str, what: str, place: str = "") -> Message:
    """Return the answer "no"."""
    return {"ok": False, "error": {"code": code, "what": what, "place": place}}


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a name for a unix socket's path that the kernel takes, however long the path is."""
    if len(os.fsencode(path)) <= _UNIX_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@asynccontextmanager
async def connection(path: Path) -> AsyncIterator[Caller]:
    """Give a caller at the unix socket *path*, closed afterwards; GoneError when nobody listens there."""
    try:
        with short_path(path) as name:
            reader, writer = await asyncio.open_unix_connection(name, limit=LINE_LIMIT)
    except OSError as error:
        raise GoneError(f"nobody answers at {path}: {error.strerror or error}") from error
    caller = Caller(reader, writer)
    try:
        yield caller
    finally:
        await caller.close()


async def _answer(message: Message, writer: asyncio.StreamWriter, handler: Handler) -> None:
    try:
        answer = await handler(str(message.get("op", "")), message)
    except RemoteError as error:
        answer = refusal(error.code, error.what, error.place)
    reply(writer, message, answer)
    with suppress(OSError):
        await writer.drain()


def _line(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
