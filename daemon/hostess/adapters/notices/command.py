"""Notices by a program of the operator's: it gets the same JSON as a webhook, on its standard input."""

from dataclasses import dataclass
from typing import Final

from hostess.adapters.operator_program import run_program
from hostess.domain.notices import Delivery
from hostess.domain.problem import Problem

WITHIN: Final = 30.0
SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Command:
    """`NoticeChannel` on a program and its arguments. One that takes longer than *within* seconds is killed with its children."""

    argv: tuple[str, ...]
    within: float = WITHIN
    name: str = "command"

    async def send(self, delivery: Delivery) -> str:
        """Run the program; exit code 0 means that it took the notices."""
        ended = await run_program(self.argv, self.within, kept=SHOWN, given=delivery.body(), errors_only=True)
        said = " ".join(ended.said.split())
        if ended.fault:
            raise Problem(
                "notice-not-sent",
                f"the program {self.argv[0]} {ended.fault}{f': {said}' if said else ''}",
                remedy="look at notify.command in the settings, and run it by hand",
            )
        return said or "exit code 0"
