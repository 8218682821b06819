"""Bytes between a caller in the stack and a replica, for whatever is not HTTP/1. Drained and cut as upgraded connections are."""

import asyncio
import socket
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy.exchange import HALF_CLOSED_SECONDS, NEVER

if TYPE_CHECKING:
    from hostess_proxy.targets import LiveRoute, Target
    from hostess_proxy.traffic import Traffic

CONNECT_SECONDS: Final = 2.0
KEEPALIVE_SECONDS: Final = 60
_MAX_TRIES = 3


class RelayEnd(asyncio.Protocol):
    """One end of a relay: what it receives is sent by the *other* one, which does not exist while there is no connection to it."""

    __slots__ = ("ended", "other", "transport")
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.other: RelayEnd | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; nothing but the kernel can tell whether a silent peer is still there."""
        self.transport = cast("asyncio.Transport", transport)
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        if self.other is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more from the other side: this one takes no more for now."""
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """Pass on that no more comes from here; what comes the other way still goes through."""
        self.ended = True
        other = self.other
        if other is None:
            return False
        if not other.transport.is_closing():
            other.transport.write_eof()
        return not other.ended

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side, too: after what was sent to it, or as hard as this one ended."""
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            if exc is None:
                other.transport.close()
            else:
                other.transport.abort()


class RelayClient(RelayEnd):
    """The caller's end, and what is counted as in flight at the replica. Its first bytes wait until a replica is connected."""

    __slots__ = ("_dialing", "_live", "_target", "_waiting", "deadline", "traffic")
    upgraded = True

    def __init__(self, traffic: "Traffic", live: "LiveRoute") -> None:
        super().__init__()
        self.traffic = traffic
        self.deadline = NEVER
        self._live = live
        self._target: Target | None = None
        self._waiting = b""
        self._dialing: asyncio.Task[None] | None = None

    @property
    def exchange(self) -> "RelayClient":
        """What a worker that ends has to cut: the relay itself."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look for a replica; nothing more is read meanwhile."""
        super().connection_made(transport)
        self.traffic.clients.add(self)
        self.transport.pause_reading()
        self._dialing = asyncio.get_running_loop().create_task(self._dial())

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, or keep the first ones."""
        if self.other is None:
            self._waiting += data
        else:
            super().data_received(data)

    def eof_received(self) -> bool:
        """Pass on that the caller sends no more; an answer may take its time, but not for ever."""
        self.deadline = self.traffic.now + HALF_CLOSED_SECONDS
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.traffic.clients.discard(self)
        if self._dialing is not None:
            self._dialing.cancel()
        if self._target is not None:
            self._target.leave(self)
        super().connection_lost(exc)

    def cut(self) -> None:
        """End it now: its replica, or this worker, goes away."""
        self.transport.close()

    def expired(self, now: float) -> None:
        """End what is half closed for too long."""
        del now
        self.cut()

    def drain(self, by: float) -> None:
        """Do nothing: whether it rests cannot be seen from its bytes."""

    async def _dial(self) -> None:
        """Connect a replica, another one where that fails; without any the caller's connection is reset."""
        tried: tuple[Target, ...] = ()
        while len(tried) < _MAX_TRIES and (target := self._live.pick(self.traffic.now, tried)) is not None:
            tried += (target,)
            self._target = target
            target.exchanges.add(self)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, end = await asyncio.get_running_loop().create_connection(RelayEnd, target.host, target.port)
            except OSError:  # a timeout is one, too
                target.avoid(self.traffic.now)
                target.leave(self)
                self._target = None
            else:
                self._join(end)
                return
        self.transport.abort()

    def _join(self, end: RelayEnd) -> None:
        if self.transport.is_closing():
            end.transport.abort()
            return
        self.other, end.other = end, self
        if self._waiting:
            end.transport.write(self._waiting)
            self._waiting = b""
        self.transport.resume_reading()
