"""A TLS client that can do what asyncio's cannot: end one direction alone, resume a session, say something that is not genuine."""

import asyncio
import ssl
from typing import Self

import pytest

from tests.integration.proxy.stage import Reader, Stage, Writer


def careless() -> ssl.SSLContext:
    """Make the context of a client that believes anything."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class TlsClient:
    """One connection, after its handshake."""

    def __init__(
        self, reader: Reader, writer: Writer, tls: ssl.SSLObject, bios: tuple[ssl.MemoryBIO, ssl.MemoryBIO]
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.tls = tls
        self._incoming, self._outgoing = bios

    @classmethod
    async def connect(
        cls, port: int, name: str = "a.x", context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> Self:
        """Connect, and resume a session if the server lets it."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        tls = (context or careless()).wrap_bio(incoming, outgoing, server_hostname=name, session=session)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                data = await reader.read(65536)
                assert data, "refused without a word"
                incoming.write(data)
            except ssl.SSLError:
                writer.close()
                raise
            else:
                writer.write(outgoing.read())
                return cls(reader, writer, tls, (incoming, outgoing))

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.tls.write(data)
        self.writer.write(self._outgoing.read())
        await self.writer.drain()

    async def end(self) -> None:
        """Say that no more will be sent."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.writer.write(self._outgoing.read())

    async def read(self) -> bytes:
        """Return all that comes until the other side says that there is no more."""
        received = b""
        while True:
            try:
                piece = self.tls.read(65536)
            except ssl.SSLWantReadError:
                data = await self.reader.read(65536)
                assert data, "cut without a word"
                self._incoming.write(data)
                continue
            except ssl.SSLZeroReturnError:  # the same as b"", after our own end
                piece = b""
            received += piece
            if not piece:
                self.writer.close()
                return received


async def connect(stage: Stage, name: str | None, context: ssl.SSLContext | None = None) -> tuple[Reader, Writer]:
    """Connect as a client that believes any certificate; None asks for no name."""
    chosen = context or careless()
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, ssl=chosen, server_hostname=name or "")
    stage._writers.append(writer)
    return reader, writer


def client_hello(name: bytes, latest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Make the first message of a client that asks for *name*."""
    outgoing = ssl.MemoryBIO()
    stand_in = b"n" * len(name)
    context = careless()
    context.maximum_version = latest
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=stand_in.decode())
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read().replace(stand_in, name)
