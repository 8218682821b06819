"""Programs of the operator's: they see little of the daemon's environment, and one that takes too long is killed with its children."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""What of the daemon's environment they see; settings, which may hold secrets, are not among it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: *fault* is a clause, "" when all is well, and *said* the last of what it said."""

    fault: str
    said: str


async def run_program(
    argv: Sequence[str],
    within: float,
    *,
    kept: int,
    variables: Mapping[str, str] | None = None,
    given: bytes | None = None,
    errors_only: bool = False,
) -> Ended:
    """Run a program for so many seconds at most, with *given* on its standard input and *variables* in its environment.

    The last *kept* bytes of what it says count, with *errors_only* of what it writes to standard error.
    """
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=nothing if given is None else pipe,
            stdout=nothing if errors_only else pipe,
            stderr=pipe if errors_only else asyncio.subprocess.STDOUT,
            env={**passed, **(variables or {})},
            start_new_session=True,
        )
    except OSError as error:
        return Ended(f"cannot be started: {error.strerror}", "")
    said = bytearray()
    try:
        async with asyncio.timeout(within):
            await asyncio.gather(
                _listen(child.stderr if errors_only else child.stdout, said, kept), _feed(child, given)
            )
            code = await child.wait()
        fault = f"ended with exit code {code}" if code else ""
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        if not isinstance(error, TimeoutError):
            raise
        fault = f"did not end within {within:g} s"
    return Ended(fault, said.decode(errors="replace"))


async def _listen(stream: asyncio.StreamReader | None, said: bytearray, kept: int) -> None:
    """Read what a program says to its end, and keep the last of it."""
    while stream is not None and (piece := await stream.read(4096)):
        said += piece
        del said[:-kept]


async def _feed(child: asyncio.subprocess.Process, given: bytes | None) -> None:
    """Write what it is given; a program that does not read that to its end is free not to."""
    if child.stdin is None or given is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(given)
        await child.stdin.drain()
    child.stdin.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await child.stdin.wait_closed()
