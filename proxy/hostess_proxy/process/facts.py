"""What a running proxy tells of itself: `run/proxy.json`, a line for people, and systemd's notifications."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from hostess_proxy.process.listeners import Listener

AGAIN_SECONDS: Final = 2.0
ALIVE_SECONDS: Final = 15.0


class Facts:
    """Pid, addresses and workers at *path*, written whole each time."""

    def __init__(self, path: Path, listeners: Sequence[Listener]) -> None:
        self.written = False
        self._is_stale = False
        self._path = path
        self._listeners = listeners

    def write(self, workers: Sequence[int]) -> None:
        """Write them."""
        addresses = {listener.kind: listener.address for listener in self._listeners}
        facts = {
            "pid": os.getpid(),
            "http": addresses.get("http", ""),
            "https": addresses.get("https", ""),
            "inside": addresses.get("inside", ""),
            "postgres": addresses.get("postgres", ""),
            "redis": addresses.get("redis", ""),
            "workers": list(workers),
        }
        beside = self._path.with_name("proxy.json.new")
        self.written = True
        try:
            beside.write_text(json.dumps(facts) + "\n", encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:  # a full disk is no reason to stop serving
            if not self._is_stale:
                sys.stderr.write(f"hostess proxy: {self._path} cannot be written: {error}\n")
            self._is_stale = True
        else:
            self._is_stale = False

    async def keep(self, write: Callable[[], None]) -> None:
        """Have them written again, until they are, after they could not be. Never returns."""
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            if self._is_stale:
                write()

    def greeting(self, workers: Sequence[int]) -> str:
        """Return a line for people."""
        where = ", ".join(f"{listener.kind} on {listener.address}" for listener in self._listeners) or "nothing"
        return f"hostess proxy: serving {where} (pid {os.getpid()}, workers {len(workers)})"


def notify_systemd(state: str, flags: int = 0) -> None:
    """Tell systemd (Type=notify) how this program stands; nobody, where systemd does not ask. *flags* are those of send(2)."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, suppress(OSError):
            notify.connect("\0" + where[1:] if where.startswith("@") else where)
            notify.send(state.encode(), flags)


async def keep_alive() -> None:
    """Say to systemd again and again that the event loop turns; nothing where it does not listen. Never returns then.

    Also without WATCHDOG_USEC: an heir has the environment of a program that was started when its unit had no watchdog yet.
    """
    within = os.environ.get("WATCHDOG_USEC", "")
    often = min(ALIVE_SECONDS, int(within) / 1_000_000 / 4) if within.isdigit() and int(within) else ALIVE_SECONDS
    while os.environ.get("NOTIFY_SOCKET"):
        # Nobody may be kept from serving by a systemd that is busy; the next one is as good.
        notify_systemd("WATCHDOG=1", socket.MSG_DONTWAIT)
        await asyncio.sleep(often)
