"""What the daemon tells systemd, where that started it (sd_notify(3))."""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

_OFTEN = 4
"""How often it says that it is alive in the time after which it would be killed."""


def notify(state: str, flags: int = 0) -> None:
    """Tell systemd, when it asked for it. *flags* are those of send(2)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier, suppress(OSError):
            notifier.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            notifier.send(state.encode(), flags)


async def keep_alive(environ: Mapping[str, str]) -> None:
    """Say again and again that the event loop turns; nothing where nobody watches (WATCHDOG_USEC). Never returns then."""
    within = environ.get("WATCHDOG_USEC", "")
    if not within.isdigit() or int(within) == 0:
        return
    while True:
        notify("WATCHDOG=1", socket.MSG_DONTWAIT)  # the event loop does not wait for a systemd that is busy
        await asyncio.sleep(int(within) / 1_000_000 / _OFTEN)
