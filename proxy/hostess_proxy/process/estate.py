"""What a proxy holds beyond its settings, and what the next program gets of it: sockets, lock, shared memory, keys, the table."""

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from hostess_proxy.control import wire
from hostess_proxy.process.listeners import Listener
from hostess_proxy.routes import rate_limit
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import Table
from hostess_proxy.tls.context import new_ticket_keys


@dataclass(frozen=True, slots=True)
class Estate:
    """*lock* and *rates* are descriptors: of the folder's lock, and of the memory that counts how often clients come."""

    listeners: tuple[Listener, ...]
    lock: int
    rates: int
    ticket_keys: str
    table: Table

    def descriptors(self) -> list[int]:
        """Return all that a process which gets it has to inherit."""
        return [*(one.fileno() for each in self.listeners for one in each.sockets), self.lock, self.rates]

    def told(self, data_dir: Path) -> wire.Message:
        """Return it as a message for a process that inherits the descriptors."""
        return {
            "data_dir": str(data_dir),
            "listeners": [[each.kind, [one.fileno() for one in each.sockets]] for each in self.listeners],
            "lock": self.lock,
            "rates": self.rates,
            "ticket_keys": self.ticket_keys,
            "table": self.table.raw,
        }

    def close(self) -> None:
        """Let go of it: what another process has of it stays open there."""
        for listener in self.listeners:
            for one in listener.sockets:
                one.close()
        os.close(self.rates)
        os.close(self.lock)


def lock(run_dir: Path) -> int | None:
    """Return a descriptor that holds the lock of this folder until the process ends; None when another proxy has it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run_dir / "proxy.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def begun(listeners: tuple[Listener, ...], lock: int, table: Table) -> Estate:
    """Return the estate of a proxy that nobody was there before."""
    return Estate(listeners, lock, rate_limit.shared_memory(), new_ticket_keys(), table)


def inherited(message: wire.Message, data_dir: Path) -> Estate:
    """Return what another process told; TableError when its table is none to us, ValueError when its folder is another one."""
    if message["data_dir"] != str(data_dir):
        raise ValueError(f"the data folder is {message['data_dir']}, the settings name {data_dir}")
    table = parse_table(message["table"])
    listeners = tuple(
        Listener(kind, tuple(socket.socket(fileno=descriptor) for descriptor in descriptors))
        for kind, descriptors in message["listeners"]
    )
    _keep(message["lock"], message["rates"], *(one.fileno() for each in listeners for one in each.sockets))
    return Estate(listeners, message["lock"], message["rates"], message["ticket_keys"], table)


def _keep(*descriptors: int) -> None:
    """Let programs that are started from here have none of them, except where it is passed on purpose."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 -- it takes no keyword
