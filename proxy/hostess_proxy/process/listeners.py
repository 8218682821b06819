"""Listening sockets: bound once, here, or taken over from systemd; workers inherit them and share their queues.

A socket's queue belongs to the socket, not to a process. So a worker may come and go without losing a connection that waits.
"""

import errno
import os
import socket
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from hostess_proxy.settings import Address

BACKLOG: Final = 4096
_NAMED = frozenset({"https", "inside", "metrics", "postgres", "redis"})
_FIRST_PASSED = 3  # sd_listen_fds(3)
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_IP_FREEBIND = 15  # ip(7)


@dataclass(frozen=True, slots=True)
class Listener:
    """What comes in by one way: one socket, or two for all addresses.

    *kind* is "http", "https", "inside", "metrics", "postgres" or "redis".
    """

    kind: str
    sockets: tuple[socket.socket, ...]

    @property
    def address(self) -> str:
        """The real address as "host:port"."""
        host, port = self.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def inherited(environ: MutableMapping[str, str]) -> dict[str, Listener]:
    """Return the listeners that systemd passed (LISTEN_FDS), by kind, and forget that they were; {} when there are none.

    Sockets are told apart by their names (`FileDescriptorName=http`); a socket with an unknown name is taken for http.
    """
    count = int(environ.get("LISTEN_FDS", "0") or 0) if environ.get("LISTEN_PID") == str(os.getpid()) else 0
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    found: dict[str, list[socket.socket]] = {}
    for index in range(count):
        kind = names[index] if index < len(names) and names[index] in _NAMED else "http"
        # The copy is closed in programs that are started from here, except where it is passed on purpose.
        found.setdefault(kind, []).append(socket.socket(fileno=os.dup(_FIRST_PASSED + index)))
        os.close(_FIRST_PASSED + index)
    return {kind: Listener(kind, tuple(sockets)) for kind, sockets in found.items()}


def bind(kind: str, address: Address) -> Listener:
    """Return a listener at *address*; OSError when it cannot be had.

    An address that is in use is waited for a little: the workers of a proxy that was killed are about to let go of it.
    """
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            if not address.host:
                return Listener(kind, _bind_all(address))
            # The daemon gives the inside its address, maybe later.
            return Listener(kind, (_bind(address.host, address.port, early=kind == "inside"),))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE_SECONDS)


def _bind_all(address: Address) -> tuple[socket.socket, ...]:
    v4 = _bind("0.0.0.0", address.port)  # noqa: S104 -- all addresses are what was asked for
    try:
        v6 = _bind("::", v4.getsockname()[1], only_v6=True)
    except OSError as error:
        if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            v4.close()
            raise
        return (v4,)  # a host without IPv6
    return (v4, v6)


def _bind(host: str, port: int, *, only_v6: bool = False, early: bool = False) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if early:
            listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
        listener.bind(where)
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener
