"""Notices by a program of the operator's: it gets the same JSON as a webhook, on its standard input."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hostess.domain.notices import Delivery
from hostess.domain.problem import Problem

WITHIN: Final = 30.0
SHOWN: Final = 200
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""What of the daemon's environment it sees; settings, which may hold secrets, are not among it."""


@dataclass(frozen=True, slots=True)
class Command:
    """`NoticeChannel` on a program and its arguments. One that takes longer than *within* seconds is killed with its children."""

    argv: tuple[str, ...]
    within: float = WITHIN
    name: str = "command"

    async def send(self, delivery: Delivery) -> str:
        """Run the program; exit code 0 means that it took the notices."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            child = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise self._not_sent(f"cannot be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(self.within):
                said, _ = await asyncio.gather(_last_words(child), _feed(child, delivery.body()))
                code = await child.wait()
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
            if isinstance(error, TimeoutError):
                raise self._not_sent(f"did not end within {self.within:g} s") from None
            raise
        if code != 0:
            raise self._not_sent(f"ended with exit code {code}{f': {said}' if said else ''}")
        return said or "exit code 0"

    def _not_sent(self, what: str) -> Problem:
        return Problem(
            "notice-not-sent",
            f"the program {self.argv[0]} {what}",
            remedy="look at notify.command in the settings, and run it by hand",
        )


async def _feed(child: asyncio.subprocess.Process, body: bytes) -> None:
    """Write the notices; a program that does not read them to their end is free not to."""
    if child.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(body)
        await child.stdin.drain()
    child.stdin.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await child.stdin.wait_closed()


async def _last_words(child: asyncio.subprocess.Process) -> str:
    """Read standard error to its end, and return the last of it on one line."""
    kept = b""
    while child.stderr is not None and (piece := await child.stderr.read(4096)):
        kept = (kept + piece)[-SHOWN:]
    return " ".join(kept.decode(errors="replace").split())
