"""The way in for callers inside a stack: what they send to a service's virtual address arrives at one listener, and leaves here.

The host's firewall leads it there; the kernel remembers where it was meant to go. A caller reaches a service of its own network
only. Connections that begin with an HTTP/1 request are proxied request by request, so that a switch between releases costs a
caller nothing, however long it keeps its connection; everything else is relayed as bytes.
"""

import asyncio
import re
import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy.exchange import NEVER
from hostess_proxy.http1.heads import MAX_HEAD
from hostess_proxy.inside.client import Destination, InsideClient
from hostess_proxy.inside.relay import RelayClient

if TYPE_CHECKING:
    from hostess_proxy.traffic import Traffic

SILENCE_SECONDS: Final = 0.1
"""How long a caller may say nothing before it is taken for one that waits for the server's first word."""

_SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
_SOCKADDR = struct.Struct("!2xH4s8x")
# A whole URL, or CONNECT, is meant for a service that is a proxy itself.
_LINE = re.compile(rb"[A-Z]{1,24} (?:/\S*|\*) HTTP/1\.[01]\r?\n")
_LINE_BEGUN = re.compile(
    rb"[A-Z]{1,24}(?: (?:(?:/\S*|\*)?)(?: (?:H(?:T(?:T(?:P(?:/(?:1(?:\.(?:[01]\r?)?)?)?)?)?)?)?)?)?)?"
)


def destination(connection: socket.socket) -> Destination | None:
    """Return where a connection was going before the firewall led it here; None when it came by itself."""
    try:
        raw = connection.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, _SOCKADDR.size)
    except OSError:
        return None
    port, address = _SOCKADDR.unpack(raw)
    found = Destination(socket.inet_ntoa(address), port)
    return None if found == connection.getsockname()[:2] else found


def speaks_http(data: bytes) -> bool | None:
    """Whether a connection that begins with *data* is HTTP/1; None while that cannot be told."""
    if b"\n" in data:
        return _LINE.match(data) is not None
    if _LINE_BEGUN.fullmatch(data) is None:
        return False
    return True if len(data) > MAX_HEAD else None  # such a long address is refused, as HTTP


class QuietCaller(RelayClient):
    """A caller that has not said a word yet, joined to a replica in case that one speaks first.

    Until one of them speaks the protocol is open: many clients connect ahead of their first request.
    """

    __slots__ = ("_has_spoken",)

    def __init__(self, traffic: "Traffic", wanted: Destination) -> None:
        super().__init__(traffic, wanted)
        self._has_spoken = False

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, unless they are the first on this connection and a request."""
        is_first = not self._has_spoken and not (self.replica is not None and self.replica.spoke)
        self._has_spoken = True
        if is_first and speaks_http(data):
            self._become_http(data)
        else:
            super().data_received(data)

    def _become_http(self, data: bytes) -> None:
        self.part()
        self.leave()
        client = InsideClient(self.traffic, Destination(*self.wanted))
        self.transport.set_protocol(cast("asyncio.Protocol", client))
        client.connection_made(self.transport)
        client.data_received(data)


class Doorway(asyncio.Protocol):
    """A connection whose protocol is not known yet."""

    __slots__ = ("_begun", "_silence", "_wanted", "deadline", "traffic", "transport")
    transport: asyncio.Transport
    exchange = None

    def __init__(self, traffic: "Traffic") -> None:
        self.traffic = traffic
        self.deadline = NEVER
        self._begun = b""
        self._wanted = Destination("", 0)
        self._silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let in who may come in, and find out what is spoken."""
        self.transport = cast("asyncio.Transport", transport)
        self.traffic.clients.add(self)
        wanted = destination(transport.get_extra_info("socket"))
        table = self.traffic.targets.table
        peer = transport.get_extra_info("peername")
        if wanted is None or not table.admits(wanted.address, ip_address(peer[0])):
            self.transport.abort()
            return
        self._wanted = wanted
        if table.only_http(*wanted):
            self._become_http()
        else:
            self._silence = asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._become_relay)

    def data_received(self, data: bytes) -> None:
        """Take the first bytes."""
        self._begun += data
        verdict = speaks_http(self._begun)
        if verdict:
            self._become_http()
        elif verdict is False:
            self._become_relay()

    def eof_received(self) -> bool:
        """Relay what came: a caller that says no more may still wait for an answer."""
        relay = self._become_relay()
        return relay.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- why it was lost changes nothing
        """Forget the connection."""
        self._leave()

    def expired(self, now: float) -> None:
        """Do nothing: there is no deadline but the timer."""

    def drain(self, by: float) -> None:
        """Do nothing: in a moment it is another connection."""

    def _leave(self) -> None:
        self.traffic.clients.discard(self)
        if self._silence is not None:
            self._silence.cancel()

    def _become(self, protocol: asyncio.Protocol) -> None:
        self._leave()
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if self._begun:
            protocol.data_received(self._begun)

    def _become_http(self) -> None:
        self._become(cast("asyncio.Protocol", InsideClient(self.traffic, self._wanted)))

    def _become_relay(self) -> RelayClient:
        relay = RelayClient(self.traffic, self._wanted) if self._begun else QuietCaller(self.traffic, self._wanted)
        self._become(relay)
        return relay
