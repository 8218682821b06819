"""What a command says when it cannot do what it was asked, and the exit codes of all commands (CONTRACT section 2)."""

from collections.abc import Mapping
from typing import Any

import click

FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_ALLOWED = 4
UNREACHABLE = 5
TIMED_OUT = 6
CONFLICT = 7

_BY_STATUS: Mapping[int, int] = {
    400: USAGE,
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: NOT_FOUND,
    409: CONFLICT,
    413: USAGE,
    415: USAGE,
    421: NOT_ALLOWED,
    422: USAGE,
    423: CONFLICT,
    504: TIMED_OUT,
}


class Failure(Exception):  # noqa: N818 -- it is told to people, not traced
    """What happened, the last lines, what still serves, what to do; and the exit code."""

    def __init__(
        self, what: str, *, exit_code: int = FAILED, serving: str = "", remedy: str = "", tail: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what)
        self.message = what
        self.exit_code = exit_code
        self.serving = serving
        self.remedy = remedy
        self.tail = tail

    @classmethod
    def of_problem(cls, status: int, problem: Mapping[str, Any]) -> "Failure":
        """Return the failure that an answer of the API tells."""
        detail = str(problem.get("detail") or f"the daemon answered {status}")
        place = problem.get("place")
        lines = [*problem.get("mistakes", ()), *problem.get("tail", ())]
        several = len(problem.get("mistakes", ())) > 1
        return cls(
            f"{place}: {detail}" if place else detail,
            exit_code=_BY_STATUS.get(status, FAILED),
            serving=str(problem.get("serving") or ""),
            remedy=str(problem.get("remedy") or ""),
            tail=tuple(map(str, lines)) if several or problem.get("tail") else (),
        )

    def show(self) -> None:
        """Tell it on standard error."""
        for line in self.tail:
            click.echo(f"  | {line}", err=True)
        click.echo(f"error: {self.message}", err=True)
        if self.serving:
            click.echo(f"still serving: {self.serving}", err=True)
        for number, line in enumerate(self.remedy.splitlines()):
            click.echo(f"{'what to do: ' if number == 0 else ''}{line}", err=True)
