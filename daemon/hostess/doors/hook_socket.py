"""The socket that git's hook connects to: a push in; lines and an answer for each ref out."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostess.domain.problem import Problem
from hostess.domain.releases.push import Push, RefUpdate, Say, Verdict
from hostess.doors.push_lines import PushLines
from hostess_hooks.wire import (
    AT_MOST,
    LIMIT,
    SOCKET_VARIABLE,
    TICKET_VARIABLE,
    Answer,
    End,
    Frame,
    FrameError,
    Hello,
    Option,
    Update,
    decode,
)

Handler = Callable[[Push, Say], Coroutine[Any, Any, Sequence[Verdict]]]
"""Decides a push and moves its refs; a Problem refuses all of them."""

_log = logging.getLogger(__name__)
_REASON = 300  # characters of a reason in git's status line


@dataclass(frozen=True, slots=True)
class _Expected:
    project: str
    actor: str


class HookSocket:
    """Serves hooks between `start` and `stop`. A push that has begun is carried to its end whether or not its pusher waits for it.

    *token* makes lower-case hex chance of so many bits. *patience* is how many seconds a hook has to say what it wants, and at the
    end to take what it is told.
    """

    def __init__(self, path: Path, handler: Handler, token: Callable[[int], str], *, patience: float = 10.0) -> None:
        self._path = path
        self._handler = handler
        self._token = token
        self._patience = patience
        self._expected: dict[str, _Expected] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._pushes: set[asyncio.Task[Sequence[Verdict]]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; only this process's user can connect. A socket file that a crash left behind is replaced."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        os.fchmod(listener.fileno(), 0o600)  # before bind: the file is never more open than this
        listener.bind(str(self._path))
        self._server = await asyncio.start_unix_server(self._connected, sock=listener, limit=LIMIT)

    async def stop(self) -> None:
        """Cancel the pushes that run, tell their pushers, and return when that is done."""
        if self._server is None:
            return
        self._server.close()
        for push in self._pushes:
            push.cancel()
        if self._connections:  # each ends with its push
            _, late = await asyncio.wait(self._connections, timeout=2 * self._patience)
            for connection in late:
                connection.cancel()
        await self._server.wait_closed()
        self._server = None
        self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def expecting(self, project: str, actor: str) -> Iterator[Mapping[str, str]]:
        """Give the environment variables that let one git child push to *project* as *actor*, once and inside this block."""
        ticket = self._token(128)
        self._expected[ticket] = _Expected(project, actor)
        try:
            yield {SOCKET_VARIABLE: str(self._path), TICKET_VARIABLE: ticket}
        finally:
            self._expected.pop(ticket, None)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            push = await self._read(reader, writer)
        except (FrameError, OSError, TimeoutError) as error:
            _log.warning("a connection to %s was refused: %s", self._path, error)
            writer.close()
            return
        lines = PushLines(writer, asyncio.get_running_loop())
        async with asyncio.TaskGroup() as group:
            group.create_task(lines.deliver(self._patience))
            lines.finish(await self._answers(push, lines.say))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Push:
        """Return the push that this connection is entitled to hand in; its ticket is used up."""
        peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", peer)
        if uid != os.geteuid():
            raise FrameError(f"user {uid} has no business here")
        updates: list[RefUpdate] = []
        options: list[str] = []
        async with asyncio.timeout(self._patience):
            hello = await _frame(reader)
            expected = self._expected.pop(hello.ticket, None) if isinstance(hello, Hello) else None
            if expected is None:
                raise FrameError("no push is expected with this ticket")
            while not isinstance(frame := await _frame(reader), End):
                if isinstance(frame, Update) and len(updates) < AT_MOST:
                    updates.append(RefUpdate(frame.ref, frame.old, frame.new))
                elif isinstance(frame, Option) and len(options) < AT_MOST:
                    options.append(frame.text)
                else:
                    raise FrameError("a frame that does not belong into a push, or too many of them")
        return Push(self._token(64), expected.project, expected.actor, tuple(updates), tuple(options))

    async def _answers(self, push: Push, say: Say) -> list[Answer]:
        """Run the handler and return one answer per ref, whatever became of it."""
        task = asyncio.create_task(self._handler(push, say))
        self._pushes.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._pushes.discard(task)
        return answers(push, task)


async def _frame(reader: asyncio.StreamReader) -> Frame:
    try:
        return decode(await reader.readline())
    except ValueError as error:  # also of readline: longer than the limit
        raise FrameError(str(error)) from error


def answers(push: Push, outcome: "asyncio.Future[Sequence[Verdict]]") -> list[Answer]:
    """Return one answer per ref of *push*, in its order, from a handler that has ended."""
    if outcome.cancelled():
        return _refused(push, "hostess is stopping, push again")
    error = outcome.exception()
    if isinstance(error, Problem):
        return _refused(push, str(error))
    if error is not None:
        _log.error("push %s to %s failed", push.id, push.project, exc_info=error)
        return _refused(push, "internal error")
    given = {verdict.ref: verdict for verdict in outcome.result()}
    missing = [update.ref for update in push.updates if update.ref not in given]
    if missing:
        _log.error("push %s to %s: no verdict for %s", push.id, push.project, missing)
    verdicts = (
        given.get(update.ref, Verdict(update.ref, accepted=False, reason="internal error")) for update in push.updates
    )
    return [Answer(verdict.ref, verdict.accepted, _reason(verdict.reason)) for verdict in verdicts]


def _refused(push: Push, reason: str) -> list[Answer]:
    return [Answer(update.ref, accepted=False, reason=_reason(reason)) for update in push.updates]


def _reason(text: str) -> str:
    """Return *text* as git can show it: one short line."""
    line = " ".join(text.split())
    return line if len(line) <= _REASON else line[: _REASON - 1] + "…"
