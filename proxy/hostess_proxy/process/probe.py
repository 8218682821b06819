"""A request of a worker to itself, from end to end but for the network: connection, protocol, parser, answer.

An event loop that turns tells little of whether requests are served. The supervisor asks for this each time it looks after a worker.
It costs no line in the access log, and no number.
"""

import asyncio
import socket
from typing import Final, cast

from hostess_proxy.downstream import Downstream
from hostess_proxy.traffic import Traffic

PROBE_SECONDS: Final = 4.0
_REQUEST = b"GET / HTTP/1.1\r\nHost: probe.invalid\r\nConnection: close\r\n\r\n"
_EXPECTED = b"HTTP/1.1 404 "
_NO_DESCRIPTORS = frozenset({23, 24})  # ENFILE, EMFILE


class Probe:
    """Asks with an empty table, so that no backend can hear of it, and with a share in what *traffic* has."""

    def __init__(self, traffic: Traffic) -> None:
        self._own = Traffic(None, rates=traffic.rates)
        self._own.heads = traffic.heads

    async def fails(self) -> str:
        """Return what is wrong; "" when requests are served. A worker that has no descriptors left is busy, not ill."""
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            return "" if error.errno in _NO_DESCRIPTORS else str(error)
        with ours:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    return await self._ask(ours, theirs)
            except OSError as error:  # a timeout is one, too
                return str(error) or "no answer to a request"

    async def _ask(self, ours: socket.socket, theirs: socket.socket) -> str:
        loop = asyncio.get_running_loop()
        ours.settimeout(0)
        self._own.tick()
        client = cast("asyncio.Protocol", Downstream(self._own, secure=False))
        await loop.connect_accepted_socket(lambda: client, theirs)
        await loop.sock_sendall(ours, _REQUEST)
        received = b""
        while data := await loop.sock_recv(ours, 65536):
            received += data
        return "" if received.startswith(_EXPECTED) else f"a request was answered with {received[:40]!r}"
