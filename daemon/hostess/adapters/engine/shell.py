"""Commands in a container whose output and input are streams: in pieces, on the thread of whoever uses them.

What is too long for an environment goes in by a connection that changes its protocol. Its end is told by closing one half of it; over
TLS that cannot be done, so the command is told how many bytes come, through a program that makes all of it much slower.
"""

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import requests
from docker.errors import APIError, NotFound
from urllib3.exceptions import HTTPError

from hostess.adapters.engine.calls import Api, Line, checked, reason, url_of
from hostess.adapters.engine.logs import Frames
from hostess.domain.problem import Problem

MARK = "HOSTESS_EXEC"
STDIN = "HOSTESS_STDIN"
FED = ("sh", "-c", f'printf %s "${STDIN}" | (unset {STDIN}; "$@")', "sh")
"""What hands a command its standard input. printf is a part of every shell: no process list shows what it writes.

The engine's own way in is a connection that changes its protocol, and over TLS it has no end that can be told.
"""
HALVES = ("http+docker://localhost", "http://")
"""How the library calls an engine behind a socket, or a plain connection: each direction of these ends by itself."""
COUNTED = ("sh", "-c", 'n=$1; shift; head -c "$n" | "$@"', "sh")
PIECE = 256 * 1024
LAST = 20
LONGEST_LINE = 64 * 1024
PLAIN = {"Detach": False, "Tty": False}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
CONFLICT = 409
UNPACKING = 3600.0
"""Seconds that the engine has to write down what it was sent."""
SETTLING = 10.0
"""Seconds within which the engine notices that a command has ended."""


class Complaints:
    """Lines of standard error, handed on; the last are kept."""

    def __init__(self, hear: Callable[[str], None] | None = None) -> None:
        self._hear = hear
        self._open = ""
        self.last: deque[str] = deque(maxlen=LAST)

    def add(self, data: bytes) -> None:
        """Take bytes as they come."""
        *lines, self._open = (self._open + data.decode(errors="replace")).split("\n")
        if len(self._open) > LONGEST_LINE:
            lines, self._open = [*lines, self._open], ""
        for line in lines:
            self._take(line)

    def end(self) -> None:
        """Take what was not ended by a newline."""
        rest, self._open = self._open, ""
        if rest:
            self._take(rest)

    def _take(self, line: str) -> None:
        self.last.append(line)
        if self._hear is not None:
            self._hear(line)


class ContainerShell:
    """Implements `ports.Shell` for one container. Each command carries *mark* in its environment."""

    def __init__(self, container: str, mark: str, api: Api, line: Line) -> None:
        self._container = container
        self._mark = mark
        self._api = api
        self._line = line

    def output(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        hear: Callable[[str], None] | None = None,
        user: str = "",
    ) -> Iterator[bytes]:
        """Yield what a command writes to its standard output; Problem "command-failed" at the end unless it ended well."""
        values, words = dict(env or {}), list(command)
        if stdin:
            values, words = values | {STDIN: stdin}, [*FED, *words]
        execution = self._prepared(words, values, stdin=False, user=user)
        complaints = Complaints(hear)
        try:
            url = url_of(self._api, f"/exec/{execution}/start")
            response = checked(self._api.post(url, json=PLAIN, stream=True, timeout=(10, None)))
            with self._line.hold(response):
                frames = Frames()
                while data := response.raw.read1(PIECE):  # no length and no chunks: it ends with the connection
                    for stream, payload in frames.feed(data):
                        if stream == "stdout":
                            yield payload
                        else:
                            complaints.add(payload)
        except (OSError, HTTPError, requests.RequestException, APIError, AttributeError) as error:
            raise self._broken(command[0], error) from error
        complaints.end()
        self._check(execution, command, complaints)

    def feed(
        self, command: Sequence[str], pieces: Iterable[bytes], size: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Let a command read *pieces*; Problem "command-failed" unless it ends well."""
        ends = self._api.base_url.startswith(HALVES)
        words = list(command) if ends else [*COUNTED, str(size), *command]
        execution = self._prepared(words, dict(env or {}), stdin=True)
        complaints = Complaints()
        try:
            url = url_of(self._api, f"/exec/{execution}/start")
            response = checked(self._api.post(url, json=PLAIN, headers=UPGRADE, stream=True, timeout=(10, None)))
            with self._line.hold(response):
                _talk(response, _whole(pieces, size), complaints, ends=ends)
        except (OSError, HTTPError, requests.RequestException, APIError, AttributeError) as error:
            raise self._broken(command[0], error) from error
        complaints.end()
        self._check(execution, command, complaints)

    def archive(self, path: str) -> Iterator[bytes]:
        """Yield a tar of a directory; Problem "path-not-found"."""
        url = url_of(self._api, f"/containers/{self._container}/archive")
        try:
            response = checked(self._api.get(url, params={"path": path}, stream=True, timeout=(10, None)))
            with self._line.hold(response):
                yield from response.iter_content(PIECE)
        except NotFound as error:
            raise Problem("path-not-found", f"there is no {path}: {reason(error)}") from error
        except (OSError, HTTPError, requests.RequestException, APIError, AttributeError) as error:
            raise self._broken(f"the archive of {path}", error) from error
        if self._line.cut:
            raise Problem("command-failed", f"the archive of {path} was cut off")

    def unpack(self, path: str, pieces: Iterable[bytes]) -> None:
        """Unpack a tar below a directory."""
        url = url_of(self._api, f"/containers/{self._container}/archive")
        try:
            checked(self._api.put(url, params={"path": path}, data=iter(pieces), timeout=(10, UNPACKING)))
        except (OSError, HTTPError, requests.RequestException, APIError) as error:
            raise self._broken(f"unpacking below {path}", error) from error

    def _prepared(self, command: list[str], env: dict[str, str], *, stdin: bool, user: str = "") -> str:
        values = {MARK: self._mark, **env}
        try:
            made = self._api.exec_create(self._container, command, environment=values, stdin=stdin, user=user)
        except NotFound as error:
            raise Problem("container-not-running", f"the container {self._container} is gone") from error
        except APIError as error:
            if error.status_code != CONFLICT:
                raise
            raise Problem("container-not-running", f"no command can be run: {reason(error)}") from error
        return str(made["Id"])

    def _check(self, execution: str, command: Sequence[str], complaints: Complaints) -> None:
        code = self._exit_code(execution)
        if code == 0 and not self._line.cut:
            return
        said = next((line for line in reversed(complaints.last) if line.strip()), "")
        how = "was cut off" if code is None else f"ended with exit code {code}"
        raise Problem("command-failed", f"{command[0]} {how}{f': {said}' if said else ''}", tail=tuple(complaints.last))

    def _exit_code(self, execution: str) -> int | None:
        """Return how it ended; None when nobody knows: its container was killed, or still runs it without us."""
        deadline = time.monotonic() + SETTLING
        with suppress(APIError):
            while time.monotonic() < deadline and not self._line.cut:
                details = self._api.exec_inspect(execution)
                if not details["Running"]:
                    return None if details["ExitCode"] is None else int(details["ExitCode"])
                time.sleep(0.02)
        return None

    @staticmethod
    def _broken(what: str, error: Exception) -> Problem:
        return Problem("command-failed", f"the connection to {what} broke off: {error}")


def _whole(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same; Problem when they are fewer bytes than the command waits for."""
    left = size
    for piece in pieces:
        left -= len(piece)
        yield piece
    if left > 0:
        raise Problem("command-failed", f"what was to be read ends {left} bytes too early")


def _talk(response: requests.Response, pieces: Iterable[bytes], complaints: Complaints, *, ends: bool) -> None:
    """Send everything, and read what comes back meanwhile, so that neither side waits for the other. *ends*: say that it was all."""
    raw: Any = response.raw
    reader = raw._fp.fp  # noqa: SLF001 -- the library has no other way to a connection that has changed its protocol
    connection = reader.raw._sock  # noqa: SLF001 -- the same
    connection.settimeout(None)
    frames = Frames()
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended already: its exit code tells
        for piece in pieces:
            connection.sendall(piece)
            if select.select([connection], [], [], 0)[0]:
                for _, payload in frames.feed(reader.read1(PIECE)):
                    complaints.add(payload)
    if ends:
        with suppress(OSError):  # the same
            connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionResetError):
        while data := reader.read1(PIECE):
            for _, payload in frames.feed(data):
                complaints.add(payload)
