"""Bytes between a caller in the stack and a replica, for whatever is not HTTP/1. Drained and cut as upgraded connections are."""

import asyncio
from typing import TYPE_CHECKING, cast

from hostess_proxy import tcp
from hostess_proxy.dialing import CONNECT_SECONDS
from hostess_proxy.exchange import HALF_CLOSED_SECONDS, NEVER
from hostess_proxy.retries import MAX_TRIES

if TYPE_CHECKING:
    from hostess_proxy.targets import LiveRoute, Target
    from hostess_proxy.telemetry.counting import Counts
    from hostess_proxy.traffic import Traffic


class RelayEnd(asyncio.Protocol):
    """One end of a relay: what it receives is sent by the *other* one, which does not exist while there is no connection to it."""

    __slots__ = ("ended", "other", "transport")
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.other: RelayEnd | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)
        tcp.watch(self.transport)

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


class RelayReplica(RelayEnd):
    """The replica's end. It is joined to its caller before its first byte can come: many a server speaks first."""

    __slots__ = ("_client", "spoke")

    def __init__(self, client: "Relay") -> None:
        super().__init__()
        self._client = client
        self.spoke = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and what the caller has said so far."""
        super().connection_made(transport)
        self._client.joined(self)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self.spoke = True
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the caller's side, too, which has a while to take what was sent to it."""
        super().connection_lost(exc)
        self._client.deadline = self._client.traffic.now + HALF_CLOSED_SECONDS


class Relay(RelayEnd):
    """The caller's end, and what is counted as in flight at the replica. Its first bytes wait until a replica is connected."""

    __slots__ = ("_dialing", "_target", "_waiting", "counts", "deadline", "replica", "traffic")
    upgraded = True

    def __init__(self, traffic: "Traffic") -> None:
        super().__init__()
        self.traffic = traffic
        self.deadline = NEVER
        self.replica: RelayReplica | None = None
        self.counts: Counts | None = None
        self._target: Target | None = None
        self._waiting = b""
        self._dialing: asyncio.Task[None] | None = None

    @property
    def exchange(self) -> "Relay":
        """What a worker that ends has to cut: the relay itself."""
        return self

    def live(self) -> "LiveRoute | None":
        """Return where it goes by today's table; None for nowhere."""
        raise NotImplementedError

    def enter(self) -> bool:
        """Take the connection among the clients; return whether it may stay. Callers inside a stack all may."""
        self.traffic.clients.add(self)
        return True

    def other_end(self) -> RelayReplica:
        """Return what speaks with a replica."""
        return RelayReplica(self)

    def unreachable(self) -> None:
        """Hear that there is no replica: the caller's connection is reset."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look for a replica; nothing more is read meanwhile."""
        super().connection_made(transport)
        if not self.enter():
            return
        self.transport.pause_reading()
        self._dialing = asyncio.get_running_loop().create_task(self._dial())

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, or keep the first ones."""
        if self.replica is None:
            self._waiting += data
        else:
            super().data_received(data)

    def eof_received(self) -> bool:
        """Pass on that the caller sends no more; an answer may take its time, but not for ever."""
        self.deadline = self.traffic.now + HALF_CLOSED_SECONDS
        goes_on = super().eof_received()
        return goes_on or self.replica is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.leave()
        super().connection_lost(exc)

    def cut(self) -> None:
        """End it now: its replica, or this worker, goes away. The caller has a while to take what was sent to it."""
        self.part()
        self.deadline = self.traffic.now + HALF_CLOSED_SECONDS
        self.transport.close()

    def recheck(self) -> None:
        """Do nothing: callers inside a stack are not asked to sign in."""

    def expired(self, now: float) -> None:
        """End what is half closed for too long, or takes nothing of the end."""
        del now
        if self.transport.is_closing():
            self.transport.abort()
        else:
            self.cut()

    def drain(self, by: float) -> None:
        """Do nothing: whether it rests cannot be seen from its bytes."""

    def joined(self, replica: RelayReplica) -> None:
        """Hear that a replica is connected: it gets what the caller has said so far, and what will come."""
        if self.transport.is_closing():
            replica.transport.abort()
            return
        self.replica = self.other = replica
        replica.other = self
        if not self.ended:
            self.transport.resume_reading()  # before writing, which may stop it again
        if self._waiting:
            replica.transport.write(self._waiting)
            self._waiting = b""
        if self.ended:
            replica.transport.write_eof()

    def leave(self) -> None:
        """Count the connection out."""
        self.traffic.leave(self)
        if self._dialing is not None:
            self._dialing.cancel()
        if self._target is not None:
            self._target.leave(self)

    def part(self) -> None:
        """Let the replica go; what it still says is not passed on."""
        replica, self.other = self.other, None
        if replica is not None:
            replica.other = None
            replica.transport.abort()

    async def _dial(self) -> None:
        """Connect a replica, another one where that fails; without any the caller's connection is reset."""
        tried: tuple[Target, ...] = ()
        while len(tried) < MAX_TRIES and (target := self._pick(tried)) is not None:
            tried += (target,)
            self._target = target
            target.exchanges.add(self)
            target.begun += 1
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await asyncio.get_running_loop().create_connection(self.other_end, target.host, target.port)
            except OSError:  # a timeout is one, too
                if self.replica is None:
                    self.traffic.blame(target, self.live(), connecting=True)
                    target.leave(self)
                    self._target = None
            if self.replica is not None:
                return
        self.unreachable()

    def _pick(self, tried: "tuple[Target, ...]") -> "Target | None":
        """Return a target by today's table: a switch may have come since the last look."""
        live = self.live()
        if live is None:
            return None
        self.counts = live.counts
        return live.pick(self.traffic.now, tried)


class RelayClient(Relay):
    """A caller inside a stack, who wanted to go to a port of a virtual address."""

    __slots__ = ("wanted",)

    def __init__(self, traffic: "Traffic", wanted: tuple[str, int]) -> None:
        super().__init__(traffic)
        self.wanted = wanted

    def live(self) -> "LiveRoute | None":
        """Return the route of the service that was called."""
        return self.traffic.targets.table.inside(*self.wanted)
