"""Lines to a syslog receiver: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587, octet counting) or TLS (RFC 5425)."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hostess.domain.drains import LONGEST_DATAGRAM, Drained, Target, counted, rfc5424
from hostess.domain.problem import Problem

WITHIN = 10.0
"""Seconds for connecting, and for a batch to be taken."""
HANG_UP = 1.0


class SyslogStream:
    """`Drain` over TCP or TLS. *host* is what this host is called there, *authorities* a file of roots beside none of the system's."""

    def __init__(self, target: Target, host: str, authorities: Path | None = None, within: float = WITHIN) -> None:
        self.target = target
        self._host = host
        self._authorities = authorities
        self._within = within
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, lines: Sequence[Drained]) -> None:
        """Write lines; Problem "drain-away" when the receiver does not take them. It never answers, so the last ones may be lost."""
        try:
            async with asyncio.timeout(self._within):
                reader, writer = self._open or await self._connected()
                if reader.at_eof() or writer.is_closing():
                    raise ConnectionError("it has hung up")
                writer.write(counted(rfc5424(line, self._host) for line in lines))
                await writer.drain()
        except (OSError, ValueError) as error:  # TimeoutError and errors of TLS are among the first
            await self.close()
            raise away(self.target, error, self._within) from None

    async def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            _, writer = self._open
            self._open = None
            writer.close()
            try:
                async with asyncio.timeout(HANG_UP):
                    await writer.wait_closed()
            except OSError:  # TimeoutError, too: what it has not taken by now it will not take
                writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        secured = self.target.scheme == "syslog+tls"
        context = (
            await asyncio.to_thread(ssl.create_default_context, cafile=self._authorities and str(self._authorities))
            if secured
            else None
        )
        self._open = await asyncio.open_connection(self.target.host, self.target.port, ssl=context)
        _, writer = self._open
        with suppress(OSError):  # so that a receiver that is gone without a word is noticed
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return self._open


class SyslogDatagrams:
    """`Drain` over UDP: nobody is told what does not arrive."""

    def __init__(self, target: Target, host: str) -> None:
        self.target = target
        self._host = host
        self._transport: asyncio.DatagramTransport | None = None

    async def send(self, lines: Sequence[Drained]) -> None:
        """Send a datagram for each line; Problem "drain-away" when the name is not found."""
        try:
            if self._transport is None or self._transport.is_closing():
                async with asyncio.timeout(WITHIN):
                    loop = asyncio.get_running_loop()
                    address = self.target.host, self.target.port
                    self._transport, _ = await loop.create_datagram_endpoint(
                        asyncio.DatagramProtocol, remote_addr=address
                    )
            for line in lines:
                self._transport.sendto(rfc5424(line, self._host, LONGEST_DATAGRAM))
        except OSError as error:
            await self.close()
            raise away(self.target, error, WITHIN) from None

    async def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def away(target: Target, error: Exception, within: float) -> Problem:
    """Return the Problem of a receiver that does not take lines."""
    if isinstance(error, TimeoutError):
        why = f"took nothing within {within:g} s"
    elif isinstance(error, ssl.SSLCertVerificationError):
        why = f"shows a certificate that is not believed: {error.verify_message}"
    else:
        why = f"cannot be reached: {error.strerror if isinstance(error, OSError) and error.strerror else error}"
    return Problem(
        "drain-away",
        f"the drain {target} {why}",
        serving="all apps; lines wait for it, as many as fit",
        remedy="look at log.drains in the settings, and at what listens there",
    )
