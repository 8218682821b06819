"""Records for dns-01 by a program of the operator's, for name servers that are changed by an API of their own."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from hostess.adapters.operator_program import run_program
from hostess.domain.problem import Problem

TAIL: Final = 20
KEPT: Final = 8192
"""Of what the program says, so many lines, and bytes, are shown when it fails."""


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
        told = {"HOSTESS_DNS_NAME": name, "HOSTESS_DNS_VALUE": value}
        ended = await run_program([str(self._program), verb], self._within, kept=KEPT, variables=told)
        if ended.fault:
            raise Problem(
                "dns-write-failed",
                f"`{self._program} {verb}` for {name} {ended.fault}",
                serving="certificates that are served stay as they are",
                remedy="run it by hand, as docs/dns.md shows; it is named in acme.dns.command",
                tail=tuple(ended.said.splitlines()[-TAIL:]),
            )
