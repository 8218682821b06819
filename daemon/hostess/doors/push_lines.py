"""The lines that a push says, on their way to its pusher: in order, at once, and never in the way of the push."""

import asyncio
import collections
import contextlib
from collections.abc import Sequence

from hostess_hooks.wire import Answer, End, Line, encode

_WAITING = 2000  # lines that wait for a slow pusher; older ones are left out
_LENGTH = 4000  # characters of one line


class PushLines:
    """Between a push and one hook. `say` may be called from any thread, before and after the pusher has gone."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self._waiting: collections.deque[str] = collections.deque()
        self._left_out = 0
        self._answers: Sequence[Answer] | None = None
        self._news = asyncio.Event()
        self._finished = asyncio.Event()

    def say(self, line: str) -> None:
        """Take a line (several, if it has line breaks) for the pusher; it is cut when it is very long."""
        for part in line.splitlines() or [""]:
            self._waiting.append(part[:_LENGTH])
        while len(self._waiting) > _WAITING:
            # Another thread may have emptied it in between.
            with contextlib.suppress(IndexError):
                self._waiting.popleft()
                self._left_out += 1
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._news.set)

    def finish(self, answers: Sequence[Answer]) -> None:
        """Give the answers that end the conversation; they follow the lines said before."""
        self._answers = answers
        self._finished.set()
        self._news.set()

    async def deliver(self, patience: float) -> None:
        """Send what is said, and at last the answers; once these are given, wait for a slow pusher no longer than *patience* seconds."""
        sender = asyncio.create_task(self._send())
        try:
            await self._finished.wait()
            await asyncio.wait({sender}, timeout=patience)
        finally:
            if sender.done():
                self._writer.close()
            else:  # closing would wait for the pusher to read what is left
                sender.cancel()
                self._writer.transport.abort()

    async def _send(self) -> None:
        with contextlib.suppress(OSError):  # the pusher is gone: what is still said stays here, within bounds
            answers = None
            while answers is None:
                await self._news.wait()
                self._news.clear()
                answers = self._answers
                while self._waiting:
                    self._writer.write(encode(Line(self._next())))
                    await self._writer.drain()
            self._writer.writelines([*map(encode, answers), encode(End())])
            await self._writer.drain()

    def _next(self) -> str:
        if self._left_out:
            count, self._left_out = self._left_out, 0
            return f"({count} lines left out: this connection is too slow for them)"
        return self._waiting.popleft()
