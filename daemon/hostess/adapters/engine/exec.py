"""A command run inside a container, with an end: the engine has no call that kills one, so we do.

Every command gets a mark in its environment, and its children inherit it. At the deadline all processes with the mark are
killed: from the host where we may (this needs nothing inside the image), else by a shell inside.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from docker.errors import APIError, NotFound

from hostess.adapters.engine.calls import Api, Calls, Line, checked, reason, url_of
from hostess.adapters.engine.logs import Frames
from hostess.adapters.engine.shell import FED, MARK, STDIN, ContainerShell
from hostess.domain.problem import Problem

T = TypeVar("T")

CAP = 16 * 1024
TIMED_OUT = 124
SETTLING = 2.0
"""Seconds within which the engine notices that a command has ended."""
CONFLICT = 409
ROUNDS = 5
PLAIN = {"Detach": False, "Tty": False}
SWEEP = 'for p in /proc/[0-9]*; do grep -qs "$0" $p/environ && kill -9 ${p#/proc/}; done; true'


class Tail:
    """The end of an output."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, data: bytes) -> None:
        """Append, forgetting what is too long ago."""
        self._bytes += data
        del self._bytes[:-CAP]

    def text(self) -> str:
        """Return what is kept."""
        return self._bytes.decode(errors="replace")


class Executor:
    """Runs commands in containers. *proc* is where the kernel shows the host's processes, None when the engine is elsewhere."""

    def __init__(self, calls: Calls, proc: Path | None) -> None:
        self._calls = calls
        self._proc = proc
        self._numbers = itertools.count(1)

    async def run(self, container: str, command: Sequence[str], timeout: timedelta, stdin: str = "") -> tuple[int, str]:
        """Return exit code and the end of the output; 124 at *timeout*. Problem "container-not-running"."""
        mark = f"{os.getpid()}-{next(self._numbers)}"
        env, command = {MARK: mark}, list(command)
        if stdin:
            env, command = env | {STDIN: stdin}, [*FED, *command]
        execution = await self._calls.run("run a command", partial(prepare, container, command, env))
        tail = Tail()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._calls.alone("run a command", partial(read, execution, tail))
                return await self._exit_code(execution), tail.text()
        except TimeoutError:
            await self.end(container, mark)
            return TIMED_OUT, tail.text()
        except asyncio.CancelledError:
            await asyncio.shield(self.end(container, mark))
            raise

    async def within(self, container: str, mark: str, work: Callable[[ContainerShell], T]) -> T:
        """Return what *work* returns on a thread of its own; commands of it that still run when it fails are killed."""
        try:
            return await self._calls.alone(
                "run a command", lambda api, line: work(ContainerShell(container, mark, api, line))
            )
        except BaseException:
            await asyncio.shield(self.end(container, mark))
            raise

    async def _exit_code(self, execution: str) -> int:
        while True:  # the caller's deadline ends this
            details = await self._calls.run("run a command", lambda api: api.exec_inspect(execution))
            if details["ExitCode"] is not None and not details["Running"]:
                return int(details["ExitCode"])
            await asyncio.sleep(0.02)

    async def end(self, container: str, mark: str) -> None:
        """Kill the commands that carry *mark*; none is no error."""
        with suppress(TimeoutError, Problem):  # a container that is gone has taken its processes with it
            async with asyncio.timeout(SETTLING):
                identity = await self._calls.run("inspect", lambda api: str(api.inspect_container(container)["Id"]))
                if self._proc is None or not await asyncio.to_thread(kill_marked, self._proc, identity, mark):
                    await self._calls.run("end a command", partial(sweep, identity, f"{MARK}={mark}"))


def prepare(container: str, command: Sequence[str], env: dict[str, str], api: Api) -> str:
    """Return the id of a command that is ready to be started."""
    try:
        return str(api.exec_create(container, list(command), environment=env)["Id"])
    except NotFound as error:
        raise Problem("container-not-running", f"the container {container} is gone") from error
    except APIError as error:
        if error.status_code != CONFLICT:
            raise
        raise Problem("container-not-running", f"no command can be run: {reason(error)}") from error


def read(execution: str, tail: Tail, api: Api, line: Line) -> None:
    """Start the command and keep the end of what it writes."""
    response = checked(api.post(url_of(api, f"/exec/{execution}/start"), json=PLAIN, stream=True, timeout=(10, None)))
    with line.hold(response):
        frames = Frames()
        while data := response.raw.read1(CAP):  # the answer has no length and no chunks: it ends with the connection
            for _, payload in frames.feed(data):
                tail.add(payload)


def sweep(container: str, mark: str, api: Api) -> None:
    """Have a shell inside kill what carries the mark; an image without a shell is left alone."""
    with suppress(APIError):
        api.exec_start(api.exec_create(container, ["sh", "-c", SWEEP, mark])["Id"])


def kill_marked(proc: Path, container: str, mark: str) -> bool:
    """Kill the container's processes that carry the mark, and those they leave; False when none could be."""
    rounds = 0
    while rounds < ROUNDS and sweep_once(proc, container, f"{MARK}={mark}".encode()):
        rounds += 1  # what was forked while we looked is found in the next round
    return rounds > 0


def sweep_once(proc: Path, container: str, wanted: bytes) -> bool:
    """Kill what carries the mark now; whether there was anything."""
    killed = False
    for process in proc.iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):  # it has ended meanwhile, or is not ours to see
            inside = container in (process / "cgroup").read_text()
            if inside and wanted in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
                killed = True
    return killed
