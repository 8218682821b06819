"""Who wants a statement of PostgreSQL ended says so on a connection of its own, by the key that the server gave at the login.

Most clients send that without TLS, psql among them, so no name says which server is meant. The key does: what each server gave to its
client is remembered while that is connected. A key of another worker's client is asked for there, by the supervisor.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from hostess_proxy.dialing import CONNECT_SECONDS

if TYPE_CHECKING:
    from hostess_proxy.targets import Target

CANCEL_REQUEST: Final = 80877102
SHORTEST: Final = 16
LONGEST: Final = 12 + 256
"""Bytes of a CancelRequest: the key had 4 until PostgreSQL 18, and has up to 256."""

_HEAD = 5
_LARGEST = 16 * 1024  # bytes of one message at a login
_AT_ONCE = 32
_IN_A_SECOND = 50


class KeyReader:
    """Finds the key in what a server says, up to the end of the login. *over*: there is nothing more to find."""

    __slots__ = ("_begun", "over")

    def __init__(self) -> None:
        self._begun = b""
        self.over = False

    def feed(self, data: bytes) -> bytes:
        """Take more bytes; return the key (process and secret, as a CancelRequest has them), b"" while it has not come."""
        begun = self._begun + data
        key = b""
        while len(begun) >= _HEAD and not self.over:
            kind, size = begun[:1], 1 + int.from_bytes(begun[1:_HEAD])
            if kind in {b"Z", b"E"} or not _HEAD <= size <= _LARGEST:  # ready, or refused, or something else altogether
                self.over = True
            elif len(begun) < size:
                break
            elif kind == b"K":
                key, self.over = begun[_HEAD:size], True
            begun = begun[size:]
        self._begun = b"" if self.over else begun
        return key


class Cancels:
    """The keys of one worker's clients. *elsewhere* asks for a key at all workers."""

    def __init__(self) -> None:
        self.elsewhere: Callable[[bytes], None] = lambda _: None
        self._servers: dict[bytes, Target] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._paid_at = 0.0

    def keep(self, key: bytes, server: "Target") -> None:
        """Remember whose key this is."""
        self._servers[key] = server

    def forget(self, key: bytes) -> None:
        """Forget it: its client has left."""
        self._servers.pop(key, None)

    def wanted(self, key: bytes) -> None:
        """Take a request that somebody sent here. Guesses come to nothing: only so many are asked for elsewhere."""
        if self.cancel(key):
            return
        now = monotonic()
        paid_at = max(self._paid_at, now) + 1 / _IN_A_SECOND  # a leaky bucket, which a second's worth of them fills
        if paid_at - now <= 1:
            self._paid_at = paid_at
            self.elsewhere(key)

    def cancel(self, key: bytes) -> bool:
        """Pass a request on to the server whose key this is; return whether one is known."""
        server = self._servers.get(key)
        if server is None:
            return False
        if len(self._tasks) < _AT_ONCE:
            task = asyncio.get_running_loop().create_task(_send(server, key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True


async def _send(server: "Target", key: bytes) -> None:
    """Send a CancelRequest; the server closes once it has done what there was to do."""
    with suppress(OSError):  # a timeout is one, too
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            try:
                writer.write((8 + len(key)).to_bytes(4) + CANCEL_REQUEST.to_bytes(4) + key)
                await reader.read(1)
            finally:
                writer.close()
