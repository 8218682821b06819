"""TLS between a connection and the protocol that speaks on it: records in, bytes out, and the other way round.

To the protocol this is a transport like any other, half closes included: TLS's own end of writing (close_notify) stands for them. An
end of the connection without it is no half close but a loss, since anybody on the way can make one.

It is made when the handshake is done; from then on OpenSSL works on memory only and never has to wait. What is written goes
to the connection at once, so its buffer, its limits and its pauses are those of the whole.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any, Final, cast

_RECORD = 16 * 1024
_PIECE: Final = 64 * 1024  # what passes through OpenSSL in one go: it keeps buffers as large as it ever needed


class SecureTransport(asyncio.Transport, asyncio.Protocol):
    """The records of one connection; *raw* is the connection itself, *protocol* hears what was in them."""

    __slots__ = ("_closing", "_ended", "_full", "_incoming", "_outgoing", "_protocol", "_raw", "_read", "_tls")

    def __init__(
        self,
        raw: asyncio.Transport,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        protocol: asyncio.Protocol,
    ) -> None:
        self._raw = raw
        self._tls = tls
        self._read = tls.read
        self._incoming = incoming
        self._outgoing = outgoing
        self._protocol = protocol
        self._closing = False
        self._ended = False  # whether the other side has said that it sends no more
        self._full = False

    def begin(self) -> None:
        """Take over the connection, and what came on it together with the handshake's end."""
        self._raw.set_protocol(self)
        self._protocol.connection_made(self)
        if self._incoming.pending:
            self._take()
        self._flush()

    # ---- what the protocol asks for

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; none after `close` or `write_eof`."""
        if self._closing:
            return
        try:
            if len(data) <= _PIECE:
                self._tls.write(data)
            else:
                view = memoryview(data)
                for start in range(0, len(view), _PIECE):
                    self._tls.write(view[start : start + _PIECE])
                    self._raw.write(self._outgoing.read())
        except ssl.SSLError:  # the end was said already
            return
        self._raw.write(self._outgoing.read())

    def write_eof(self) -> None:
        """Say that no more will be sent, and go on receiving."""
        self._say_end()
        self._raw.write_eof()

    def can_write_eof(self) -> bool:
        """Return True: close_notify is said for one direction."""
        return True

    def close(self) -> None:
        """Close after everything was sent, the word that it was all included."""
        if not self._closing:
            self._closing = True
            self._say_end()
            self._raw.close()

    def abort(self) -> None:
        """Close at once; that close_notify is missing tells the other side that it did not get everything."""
        self._closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Receive no more."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._raw.resume_reading()

    def is_reading(self) -> bool:
        """Whether bytes are received."""
        return self._raw.is_reading()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait, as they go over the wire."""
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return when the protocol is told to pause, and when to go on."""
        return self._raw.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is told to pause, and when to go on."""
        self._raw.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 -- asyncio's own signature
        """Return a fact about the connection; `ssl_object` is about its security."""
        return self._tls if name == "ssl_object" else self._raw.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who hears what comes."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let somebody else hear what comes from now on."""
        self._protocol = cast("asyncio.Protocol", protocol)

    # ---- what the event loop tells

    def data_received(self, data: bytes) -> None:
        """Take records; none behind the end that the other side has said (RFC 8446 §6.1)."""
        if self._ended:
            return
        if len(data) <= _PIECE:
            self._incoming.write(data)
            self._take()
        else:
            view = memoryview(data)
            for start in range(0, len(view), _PIECE):
                self._incoming.write(view[start : start + _PIECE])
                self._take()
        if self._outgoing.pending:
            self._answer()

    def pause_writing(self) -> None:
        """Pass on that the other side takes no more for now."""
        self._full = True
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the other side takes more again."""
        self._full = False
        self._protocol.resume_writing()

    def eof_received(self) -> bool:
        """Stay open for writing where the end was said before; without that word the connection is lost."""
        return self._ended and not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection is gone, and let go of what belonged to it."""
        self._closing = True
        protocol = self._protocol
        self._protocol = asyncio.Protocol()  # each holds the other; nothing is to wait for the collector
        protocol.connection_lost(exc)

    # ---- records

    def _take(self) -> None:
        """Open the records that are complete, and hand over what was in them as one piece."""
        if self._ended or self._closing:
            return
        read, incoming = self._read, self._incoming
        pieces = []
        try:
            while incoming.pending:
                piece = read(_RECORD)
                if not piece:
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            piece = None
        except ssl.SSLZeroReturnError:  # the same as b"", where our own end was said before
            piece = b""
        except ssl.SSLError:
            self._break()
            return
        if pieces:
            self._protocol.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if piece == b"" and not self._closing:
            self._ended = True
            if not self._protocol.eof_received():
                self.close()

    def _break(self) -> None:
        """End a connection whose records are not genuine; OpenSSL has written why."""
        self._closing = True
        self._flush()
        self._raw.close()

    def _answer(self) -> None:
        """Send what TLS itself has to say. Who asks for it, again and again, without reading it, is cut off."""
        if self._full:
            self.abort()
        else:
            self._flush()

    def _say_end(self) -> None:
        # The other side has not said its own end yet, and need not.
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())
