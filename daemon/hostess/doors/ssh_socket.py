"""The socket that sshd's commands connect to (hostess_hooks.ssh): whose key is this; and git's protocol, served by git's own programs."""

import asyncio
import contextlib
import logging
import os
import pwd
import re
import shlex
import shutil
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from hostess.domain.problem import Problem
from hostess.doors.git_child import Send, converse
from hostess.doors.git_http import ACTIONS, PROTOCOL, EnsureProject, existing, sentence
from hostess.doors.git_limits import GitLimits
from hostess.doors.hook_socket import HookSocket
from hostess_hooks.pktline import packet
from hostess_hooks.ssh_wire import ERR, EXIT, LIMIT, OUT, Command, Known, Shown, SshWireError, decode, encode, frame

LOGIN_USER = "hostess"
"""As whom people come in over SSH; the user that may connect here beside root and the daemon's own."""

Knows = Callable[[str, str], Awaitable[str | None]]
"""Kind and base64 of a key -> its id; None: nobody's."""

Authorize = Callable[[str, str, str], Awaitable[str]]
"""Key's id, project, "push" or "fetch" -> who it is; Problem: not allowed, or the key is gone."""

_log = logging.getLogger(__name__)
_PROJECT = re.compile(r"/?([^/]+?)(?:\.git)?/?")
_NO_SHELL = "Hostess gives no shell, only git: git push ssh://hostess@HOST/PROJECT.git\n"


class SshSocket:
    """Serves sshd's commands between `start` and `stop`.

    *repository* gives the folder of a project, *hooks* must be started; *idle* ends what does not move, *patience* is how long a
    command has to say what it wants, and at the end to take what it is told, in seconds.
    """

    def __init__(
        self,
        path: Path,
        repository: Callable[[str], Path],
        hooks: HookSocket,
        knows: Knows,
        authorize: Authorize,
        ensure_project: EnsureProject,
        limits: GitLimits,
    ) -> None:
        self._path = path
        self._repository = repository
        self._hooks = hooks
        self._knows = knows
        self._authorize = authorize
        self._ensure_project = ensure_project
        self._limits = limits
        self.idle = 600.0
        self.patience = 10.0
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; only root, this process's user and the one that sshd's commands run as can connect."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        os.fchmod(listener.fileno(), 0o600)  # before bind: the file is never more open than this
        listener.bind(str(self._path))
        with contextlib.suppress(LookupError, PermissionError):  # no such user: nobody comes in over SSH
            shutil.chown(self._path, group=pwd.getpwnam(LOGIN_USER).pw_gid)
            self._path.chmod(0o660)
        self._server = await asyncio.start_unix_server(self._connected, sock=listener, limit=LIMIT)

    async def stop(self) -> None:
        """Take no more commands; return when those that run have told their ends, or had time to."""
        if self._server is None:
            return
        self._server.close()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=self.patience)
            for connection in late:
                connection.cancel()
            if late:
                await asyncio.wait(late)
        await self._server.wait_closed()
        self._server = None
        self._path.unlink(missing_ok=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            _check_peer(writer.get_extra_info("socket"))
            async with asyncio.timeout(self.patience):
                asked = decode(await reader.readline())
            if isinstance(asked, Shown):
                writer.write(encode(Known(await self._knows(asked.kind, asked.blob) or "")))
            elif isinstance(asked, Command):
                code = await self._run(asked, reader, writer)
                writer.write(frame(EXIT, bytes([code])))
            await asyncio.wait_for(writer.drain(), self.patience)
        except (ValueError, OSError) as error:  # of readline, too: longer than the limit
            _log.info("a connection to %s ended: %s", self._path, error)
        finally:
            writer.close()

    async def _run(self, asked: Command, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """Let git's program talk with the client; return the exit code that the client sees."""

        async def send(piece: bytes) -> None:
            writer.write(frame(OUT, piece))
            await writer.drain()

        wanted = parse(asked.command)
        if wanted is None:
            writer.write(frame(ERR, _NO_SHELL.encode()))
            return 1
        service, project = wanted
        try:
            actor = await self._authorize(asked.key, project, ACTIONS[service])
            with self._limits.conversation(f"key {asked.key}"):
                if service == "git-receive-pack":
                    await self._ensure_project(project, actor)
                repository = existing(self._repository, project)
                return await self._converse(asked, service, project, actor, repository, reader, send)
        except Problem as problem:
            await send(packet(f"ERR {sentence(problem)}".encode()))
            return 1

    async def _converse(
        self,
        asked: Command,
        service: str,
        project: str,
        actor: str,
        repository: Path,
        reader: asyncio.StreamReader,
        send: Send,
    ) -> int:
        with self._variables(service, project, actor, asked.protocol) as extra:
            arguments = [service.removeprefix("git-"), str(repository)]
            code = await converse(arguments, extra, _incoming(reader), send, self.idle)
        return 1 if code else 0

    def _variables(
        self, service: str, project: str, actor: str, protocol: str
    ) -> AbstractContextManager[Mapping[str, str]]:
        """Return the environment variables for git's program: a push is expected as long as they are in use."""
        if service == "git-receive-pack":
            return self._hooks.expecting(project, actor)
        return nullcontext({"GIT_PROTOCOL": protocol} if PROTOCOL.fullmatch(protocol) else {})


def parse(command: str) -> tuple[str, str] | None:
    """Return git's program and the project that a client's command names; None for any other command."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    program, *repositories = words or [""]
    if program not in ACTIONS or repositories[1:] or not repositories:
        return None
    found = _PROJECT.fullmatch(repositories[0])
    return (program, found[1]) if found else None


async def _incoming(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield what the client sends. One that goes away is an end like any other: git knows whether it was told everything."""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(LIMIT):
            yield piece


def _check_peer(connection: socket.socket) -> None:
    """Raise SshWireError unless root, this process's user or the login user is at the other end (unix(7))."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", peer)
    allowed = {0, os.geteuid()}
    with contextlib.suppress(KeyError):
        allowed.add(pwd.getpwnam(LOGIN_USER).pw_uid)
    if uid not in allowed:
        raise SshWireError(f"user {uid} has no business here")
