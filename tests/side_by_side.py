"""Runs of tests side by side do not meet: each process has a number that no other has."""

import fcntl
from functools import cache
from pathlib import Path
from typing import IO

NUMBERS = 40
FOLDER = Path("/tmp/hostess-tests")  # the same for all, wherever each has its own temporary files
_held: list[IO[str]] = []


@cache
def own_number() -> int:
    """Return this process's number, 0 to 39; the kernel frees it when the process ends."""
    FOLDER.mkdir(exist_ok=True)
    for number in range(NUMBERS):
        held = (FOLDER / f"{number}.lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            continue
        _held.append(held)
        return number
    raise RuntimeError(f"more than {NUMBERS} runs of tests at once")
