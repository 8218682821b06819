"""A daemon that dies on purpose: kill -9 of itself right before or after the n-th write of a deployment to the journal.

`python -m tests.system.mortal` with MORTAL_AT=N. Everything else is the real daemon. MORTAL_COUNT names a file that gets a line
per write, so that a test can enumerate them first. It is counted from the last deployment's beginning, and not before the first one: the
daemon first finishes what the one before it left.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.composition import outside_of
from hostess.domain.settings import load
from hostess.main import make_folders, serve

WRITES = ("add_deployment", "move", "begin_step", "end_step", "switch", "add_task")


class MortalJournal:
    """The real journal; each write of a deployment is two moments to die at: before it and after it."""

    def __init__(self, journal: SqliteJournal, at: int, count: Path | None) -> None:
        self._journal = journal
        self._at = at
        self._count = count
        self._moments = 0
        self._counts = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._journal, name)
        return self._watched(name, method) if name in WRITES else method

    def _watched(self, name: str, method: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def write(*args: object, **fields: object) -> object:
            if name == "add_deployment":
                self._moments, self._counts = 0, True
            self._moment(f"before {name} {_told(args)}")
            result = await method(*args, **fields)
            self._moment(f"after {name} {_told(args)}")
            return result

        return write

    def _moment(self, what: str) -> None:
        if not self._counts:
            return
        self._moments += 1
        if self._count is not None:
            with self._count.open("a") as out:
                out.write(what + "\n")
        if self._moments == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def _told(args: tuple[object, ...]) -> str:
    return " ".join(str(arg) for arg in args[1:2] if isinstance(arg, str))


async def main() -> None:
    """Serve until SIGTERM, or death."""
    settings = load(None, None, os.environ)
    make_folders(settings.data_dir)
    journal = await SqliteJournal.open(settings.data_dir / "hostess.db")
    count = os.environ.get("MORTAL_COUNT")
    mortal = MortalJournal(journal, int(os.environ.get("MORTAL_AT", "0")), Path(count) if count else None)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await serve(settings, outside_of(settings), stop, journal=mortal)
    await journal.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
