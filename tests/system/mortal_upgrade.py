"""A daemon that dies on purpose: kill -9 of itself at one moment of an upgrade. `python -m tests.system.mortal_upgrade`.

MORTAL_AT names the moment: "before" or "after" a step (fence, fill) or the switch.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from hostess import main
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.services.databases.upgrades import Upgrades

AT = os.environ.get("MORTAL_AT", "")
Step = Callable[..., Awaitable[Any]]


def die(moment: str) -> None:
    """Die, if this is the moment."""
    if moment == AT:
        os.kill(os.getpid(), signal.SIGKILL)


def watched(name: str, step: Step) -> Step:
    """Return the step with two moments to die at."""

    async def wrapped(*args: object) -> object:
        die(f"before {name}")
        result = await step(*args)
        die(f"after {name}")
        return result

    return wrapped


if __name__ == "__main__":
    for kind, method, name in (
        (Upgrades, "_fence", "fence"),
        (Upgrades, "_fill", "fill"),
        (SqliteJournal, "switch", "switch"),
    ):
        setattr(kind, method, watched(name, getattr(kind, method)))
    sys.exit(main.main())
