"""The program that is about to take a proxy's place, as the running one sees it.

    started ─► take (sockets, lock, table) ─► ready (its workers accept) ─► done (control socket and proxy.json are its own)
       └── failed, ended, too slow: it is killed, and the running proxy goes on as if nothing had happened

Both accept from the same sockets between its start and *done*, so no connection waits for either. Afterwards the older one finishes
what it holds, and answers what the newer one asks about that over the same socket pair (`elder` is the other end).
"""

import asyncio
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from hostess_proxy.control import wire

VARIABLE: Final = "HOSTESS_PROXY_ELDER"
"""In the environment of an heir: the descriptor by which it talks to the elder."""

Asked = Callable[[str, wire.Message], Awaitable[wire.Message]]


class HeirError(Exception):
    """It did not take over; the text says why."""


class Heir:
    """*estate* is what it is told; *asked* answers its questions once it has taken over."""

    def __init__(self, estate: wire.Message, asked: Asked) -> None:
        self.is_ready = False
        self.pid = 0
        self._estate = estate
        self._asked = asked
        self._why = ""
        self._done = asyncio.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._talk: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def took_over(self) -> bool:
        """Whether it is the proxy now."""
        return self._done.is_set()

    async def start(self, program: Sequence[str], descriptors: Sequence[int]) -> None:
        """Start it; HeirError when that is impossible."""
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = (*descriptors, theirs.fileno())
            environ = {**os.environ, VARIABLE: str(theirs.fileno())}
            try:
                self._process = process = await asyncio.to_thread(_start, program, environ, inherited)
            except OSError as error:
                ours.close()
                raise HeirError(f"{program[0]} cannot be started: {error.strerror or error}") from error
        self.pid = process.pid
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=wire.LINE_LIMIT)
        self._talk = asyncio.create_task(wire.answer_all(reader, self._writer, self._answer))

    async def wait(self, within: float) -> None:
        """Return when it has taken over; HeirError when it has not."""
        if self._talk is None:
            raise HeirError("it was not started")
        done = asyncio.create_task(self._done.wait())
        try:
            await asyncio.wait([done, self._talk], timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
        if self.took_over:
            return
        if self._talk.done():
            raise HeirError(self._why or "it ended before it was ready; what it said is in the log of this proxy")
        raise HeirError(f"it was not ready within {within:g} s")

    async def kill(self) -> None:
        """End it. Its workers, if it has any, stop accepting and finish what they hold."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        if self._talk is not None:
            self._talk.cancel()
            await asyncio.gather(self._talk, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    def say(self, op: str, /, **arguments: object) -> None:
        """Tell it something."""
        if self._writer is not None and not self._writer.is_closing():
            wire.say(self._writer, op, **arguments)

    async def leave(self) -> None:
        """Close the connection to it after what was said: this program ends now, and it goes on."""
        if self._writer is not None:
            try:
                await self._writer.drain()
            except OSError:
                return
            finally:
                self._writer.close()

    async def _answer(self, op: str, question: wire.Message) -> wire.Message:
        match op:
            case "take":
                return self._estate
            case "failed":
                self._why = str(question.get("what", ""))
            case "ready":
                self.is_ready = True
            case "done":
                self._done.set()
            case _:
                return await self._asked(op, question)
        return {}


def _start(program: Sequence[str], environ: Mapping[str, str], inherited: Sequence[int]) -> "subprocess.Popen[bytes]":
    """Start a process that is none of asyncio's: those are killed with the program that started them."""
    return subprocess.Popen(program, env=environ, stdin=subprocess.DEVNULL, pass_fds=inherited)
