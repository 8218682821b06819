"""Records for dns-01 by a program of the operator's, for name servers that are changed by an API of their own."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from hostess.domain.problem import Problem

TAIL: Final = 20
KEPT: Final = 8192
"""Of what the program says, so many lines, and bytes, are shown when it fails."""
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""What of the daemon's environment it sees; settings, which may hold secrets, are not among it."""


class CommandDnsWriter:
    """DnsWriter on `PROGRAM present|clear`, with HOSTESS_DNS_NAME and HOSTESS_DNS_VALUE in its environment.

    It ends with 0 when the record is given out, or taken away; one that takes longer than *within* is killed with its children.
    """

    def __init__(self, program: Path, within: timedelta) -> None:
        self._program = program
        self._within = within.total_seconds()

    async def present(self, name: str, value: str) -> None:
        """Have the program make the record."""
        await self._run("present", name, value)

    async def clear(self, name: str, value: str) -> None:
        """Have the program take it away."""
        await self._run("clear", name, value)

    async def _run(self, verb: str, name: str, value: str) -> None:
        passed = {each: os.environ[each] for each in PASSED_ON if each in os.environ}
        child = await self._started(verb, {**passed, "HOSTESS_DNS_NAME": name, "HOSTESS_DNS_VALUE": value})
        said = bytearray()
        try:
            async with asyncio.timeout(self._within):
                await _listen(child, said)
                code = await child.wait()
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
            if isinstance(error, TimeoutError):
                raise self._failed(f"did not end within {self._within:g} s", verb, name, said) from None
            raise
        if code != 0:
            raise self._failed(f"ended with exit code {code}", verb, name, said)

    async def _started(self, verb: str, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                str(self._program),
                verb,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            name = environment["HOSTESS_DNS_NAME"]
            raise self._failed(f"cannot be started: {error.strerror}", verb, name, b"") from None

    def _failed(self, what: str, verb: str, name: str, said: bytes | bytearray) -> Problem:
        return Problem(
            "dns-write-failed",
            f"`{self._program} {verb}` for {name} {what}",
            serving="certificates that are served stay as they are",
            remedy="run it by hand, as docs/dns.md shows; it is named in acme.dns.command",
            tail=tuple(said.decode(errors="replace").splitlines()[-TAIL:]),
        )


async def _listen(child: asyncio.subprocess.Process, said: bytearray) -> None:
    """Read what a program says to its end, and keep the last of it."""
    while child.stdout is not None and (piece := await child.stdout.read(4096)):
        said += piece
        del said[:-KEPT]
