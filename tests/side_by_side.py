"""Runs of tests side by side do not meet: each process has a number that no other has, and ports of its own by that."""

import fcntl
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO

NUMBERS = 40
FOLDER = Path("/tmp/hostess-tests")  # the same for all, wherever each has its own temporary files
LOWEST, EACH = 20_000, 300
"""Ports below those of the system's own choice (ip(7), ip_local_port_range): what gave one up finds it free when it comes back."""
_held: list[IO[str]] = []
_next = count()


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


def own_subnets() -> str:
    """Return the range that networks of this process's hosts are taken from; no other process has it."""
    return f"10.{214 + own_number()}.0.0/16"


def free_ports(number: int = 1) -> Sequence[int]:
    """Return ports of 127.0.0.1 that are free for TCP and for UDP, that no other process of tests takes, and the system gives to nobody."""
    first = LOWEST + own_number() * EACH
    with ExitStack() as stack:
        found: list[int] = []
        for tried in (first + next(_next) % EACH for _ in range(EACH)):
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                tcp.bind(("127.0.0.1", tried))
                udp.bind(("127.0.0.1", tried))
            except OSError:
                continue
            found.append(tried)
            if len(found) == number:
                return found
    raise RuntimeError(f"of the ports from {first} on none is free")
