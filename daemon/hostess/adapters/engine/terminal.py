"""A command in a container that people talk to: one thread owns its connection, and sends and receives as the two sides are ready.

So neither side waits for the other, and TLS, which two threads must not use at once, is used by one.
"""

import asyncio
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from docker.errors import APIError, NotFound

from hostess.adapters.engine.calls import Api, Calls, Line, checked, reason, url_of
from hostess.adapters.engine.logs import Frames
from hostess.adapters.engine.shell import CONFLICT, MARK, UPGRADE
from hostess.domain.problem import Problem

PIECE = 16 * 1024
ROOM = 32
"""Pieces that wait for a slow reader before the command has to."""
MOST_UNSENT = 1024 * 1024
"""Bytes that wait for a command that does not read, before who writes has to."""
TRIES = 40
PAUSE = 0.05
DOING = "open a terminal"


class ContainerTerminal:
    """Implements `ports.Terminal`."""

    def __init__(self, calls: Calls, execution: str, *, tty: bool) -> None:
        self._calls = calls
        self._execution = execution
        self._tty = tty
        self._loop = asyncio.get_running_loop()
        self._said: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self._room = threading.Semaphore(ROOM)
        self._unsent: deque[bytes] = deque()
        self._taken = asyncio.Event()
        self._taken.set()
        self._ends = False
        self._closed = False
        self._woken, self._wake = socket.socketpair()
        self._woken.settimeout(0)
        self._wake.settimeout(0)

    async def read(self) -> tuple[str, bytes] | None:
        """Return what it wrote next; None when it has ended."""
        said = await self._said.get()
        self._room.release()
        return said

    async def write(self, data: bytes) -> None:
        """Let it read *data*."""
        await self._taken.wait()
        self._unsent.extend(data[start : start + PIECE] for start in range(0, len(data), PIECE))
        if len(self._unsent) * PIECE > MOST_UNSENT:
            self._taken.clear()  # whoever takes all of it meanwhile says so after this
        self._rouse()

    async def end_input(self) -> None:
        """Let it find the end of its input; a connection by TLS has no such end, and is left open."""
        self._ends = True
        self._rouse()

    async def resize(self, rows: int, columns: int) -> None:
        """Tell it the size of the window; right after its start the engine does not know it yet."""
        for _ in range(TRIES):
            with suppress(Problem):
                await self._calls.run("resize", lambda api: api.exec_resize(self._execution, rows, columns))
                return
            await asyncio.sleep(PAUSE)

    async def exit_code(self) -> int:
        """Return how it ended; 137 (killed) where the engine does not know."""
        for _ in range(TRIES):
            details = await self._calls.run("run a command", lambda api: api.exec_inspect(self._execution))
            if not details["Running"] and details["ExitCode"] is not None:
                return int(details["ExitCode"])
            await asyncio.sleep(PAUSE)
        return 137

    def close(self) -> None:
        """Nobody reads or writes any more."""
        self._closed = True
        self._taken.set()
        self._room.release()
        self._rouse()

    def run(self, api: Api, line: Line) -> None:
        """Carry bytes both ways until it ends; on a thread."""
        try:
            order = {"Detach": False, "Tty": self._tty}
            url = url_of(api, f"/exec/{self._execution}/start")
            response = checked(api.post(url, json=order, headers=UPGRADE, stream=True, timeout=(10, None)))
            with line.hold(response), suppress(ConnectionResetError, BrokenPipeError):
                self._carry(response)
        finally:
            with suppress(RuntimeError):  # the loop is gone, and with it who reads
                self._loop.call_soon_threadsafe(self._said.put_nowait, None)

    def _carry(self, response: Any) -> None:  # noqa: ANN401 -- the library has no types
        reader = response.raw._fp.fp  # noqa: SLF001 -- the library has no other way to a connection that has changed its protocol
        connection = reader.raw._sock  # noqa: SLF001 -- the same
        frames = Frames()
        connection.settimeout(0)
        with suppress(ssl.SSLError):
            self._hand(frames, reader.read1(PIECE))  # what came together with the head of the answer
        connection.settimeout(None)
        while not self._closed:
            if not self._is_pending(connection):
                readable, writable, _ = select.select(
                    [connection, self._woken], [connection] if self._unsent else [], []
                )
                if self._woken in readable:
                    with suppress(BlockingIOError):
                        self._woken.recv(PIECE)
                if connection in writable:
                    self._send(connection)
                if self._ends and not self._unsent and not isinstance(connection, ssl.SSLSocket):
                    self._ends = False
                    connection.shutdown(socket.SHUT_WR)
                if connection not in readable:
                    continue
            data = connection.recv(PIECE)
            if not data:
                return
            self._hand(frames, data)

    @staticmethod
    def _is_pending(connection: socket.socket) -> bool:
        return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0

    def _send(self, connection: socket.socket) -> None:
        piece = self._unsent.popleft()
        if not self._unsent:
            self._loop.call_soon_threadsafe(self._taken.set)
        if isinstance(connection, ssl.SSLSocket):
            connection.sendall(piece)
            return
        sent = connection.send(piece, socket.MSG_DONTWAIT)
        if sent < len(piece):
            self._unsent.appendleft(piece[sent:])

    def _hand(self, frames: Frames, data: bytes) -> None:
        said = [("stdout", data)] if self._tty else frames.feed(data)
        for stream, payload in said:
            if payload:
                self._room.acquire()
                self._loop.call_soon_threadsafe(self._said.put_nowait, (stream, payload))

    def _rouse(self) -> None:
        with suppress(OSError):  # it has been roused already
            self._wake.send(b"!")


@asynccontextmanager
async def opened(
    calls: Calls, container: str, command: Sequence[str], mark: str, *, tty: bool
) -> AsyncIterator[ContainerTerminal]:
    """Give a command that runs; whoever leaves has to end what of it still runs."""
    execution = await calls.run(DOING, partial(_prepared, container, command, mark, tty))
    terminal = ContainerTerminal(calls, execution, tty=tty)
    carrying = asyncio.create_task(calls.alone(DOING, terminal.run))
    try:
        yield terminal
    finally:
        terminal.close()
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


def _prepared(container: str, command: Sequence[str], mark: str, tty: bool, api: Api) -> str:  # noqa: FBT001 -- filled in by partial
    env = {MARK: mark, **({"TERM": "xterm-256color"} if tty else {})}
    try:
        return str(api.exec_create(container, list(command), environment=env, stdin=True, tty=tty)["Id"])
    except NotFound as error:
        raise Problem("container-not-running", f"the container {container} is gone") from error
    except APIError as error:
        if error.status_code != CONFLICT:
            raise
        raise Problem("container-not-running", f"no command can be run: {reason(error)}") from error
