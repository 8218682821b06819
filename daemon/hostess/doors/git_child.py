"""Git's own server programs as children: started in a clean environment, fed and drained with back-pressure, never left behind."""

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostess.adapters.expendable import make_expendable

Send = Callable[[bytes], Awaitable[None]]
"""Takes a piece of the child's output; returns when the other side can take more; OSError when nobody is there any more."""

_log = logging.getLogger(__name__)
_PIECE = 64 * 1024
_TAIL = 4000  # bytes of standard error that are kept for the log


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a git child: nothing of the daemon's own, no settings but the repository's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **extra,
    }


@dataclass(frozen=True, slots=True)
class _Child:
    process: Process
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader


async def advertisement(service: str, repository: Path, extra: Mapping[str, str], within: float) -> bytes:
    """Return what `git <service>` offers before a stateless conversation; OSError (also: TimeoutError) when it does not."""
    async with _child([service, "--stateless-rpc", "--advertise-refs", str(repository)], extra) as child:
        async with asyncio.timeout(within):
            output, errors = await child.process.communicate()
        if child.process.returncode:
            raise OSError(f"git {service} for {repository.name}: {errors[-_TAIL:].decode(errors='replace').strip()}")
        return output


async def converse(
    arguments: list[str], extra: Mapping[str, str], incoming: AsyncIterator[bytes], send: Send, idle: float
) -> int:
    """Run `git <arguments>` between *incoming* and *send* until it ends, and return its exit code (negative when it was killed).

    A receiver that goes away does not end the child: what it was told completely it carries to its end, unheard. When *incoming*
    breaks off (OSError), or no byte moved either way for *idle* seconds, the child is killed. However this is left, the child and all
    that it started are gone; *incoming* may not have been read to its end.
    """
    loop = asyncio.get_running_loop()
    async with _child(arguments, extra) as child:
        try:
            async with asyncio.timeout(idle) as deadline, asyncio.TaskGroup() as group:

                def moved() -> None:
                    with contextlib.suppress(RuntimeError):  # it has just expired
                        deadline.reschedule(loop.time() + idle)

                feeding = group.create_task(_feed(child, incoming, moved))
                complaints = group.create_task(_complaints(child))
                await _drain(child, send, moved)
                await complaints
                feeding.cancel()
            code = await child.process.wait()
            log = _log.warning if code else _log.debug
            log("git %s ended with %d: %s", arguments[0], code, complaints.result())
        except TimeoutError:
            _log.warning("git %s is killed: nothing moved for %.0f s", arguments[0], idle)
            code = -signal.SIGKILL
    return code


async def _feed(child: _Child, incoming: AsyncIterator[bytes], moved: Callable[[], None]) -> None:
    try:
        async for piece in incoming:
            moved()
            child.stdin.write(piece)
            try:
                await child.stdin.drain()
            except (BrokenPipeError, ConnectionResetError):  # it has heard enough, and says why on its output
                return
    except OSError as error:
        _log.info("a sender went away in the middle: %s", error)
        _kill(child.process)
    child.stdin.close()


async def _drain(child: _Child, send: Send, moved: Callable[[], None]) -> None:
    heard = True
    while piece := await child.stdout.read(_PIECE):
        moved()
        if heard:
            try:
                await send(piece)
            except OSError as error:
                _log.info("a receiver went away, git goes on: %s", error)
                heard = False


async def _complaints(child: _Child) -> str:
    tail = b""
    while piece := await child.stderr.read(_PIECE):
        tail = (tail + piece)[-_TAIL:]
    return tail.decode(errors="replace").strip()


@contextlib.asynccontextmanager
async def _child(arguments: list[str], extra: Mapping[str, str]) -> AsyncIterator[_Child]:
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=_PIECE,
        env=environment(extra),
        start_new_session=True,  # a group of its own, to be killed as a whole
    )
    make_expendable(process.pid)
    try:
        if process.stdin and process.stdout and process.stderr:
            yield _Child(process, process.stdin, process.stdout, process.stderr)
    finally:
        _kill(process)
        await process.wait()


def _kill(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
