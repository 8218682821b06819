"""Request bodies that are read wholly before a target is taken, where a route wants it: slow uploads then hold no backend.

A `Spool` stands in the place of a connection to a backend while the body comes; then it is what the body is sent from, again where
the request is repeated. It is in memory up to a limit, and above it in a file that has no name and is gone with its descriptor.
Files are written and read on threads, while the client (or the spool itself) is held.
"""

import asyncio
import os
from functools import partial
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final

from hostess_proxy.http1.heads import CHUNKED
from hostess_proxy.retries import begins_anew, today
from hostess_proxy.tables.table import Buffer

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.ports import Backend

PIECE: Final = 128 * 1024


def gather(exchange: "Exchange", buffer: Buffer) -> None:
    """Take the request's body into a spool, and let the request go on when it is complete."""
    fields = exchange.request.fields
    if fields.length > buffer.most:
        exchange.client_invalid(413, "body-too-large")
        return
    exchange.upstream = spool = Spool(exchange, buffer)
    exchange.ends_with += (spool,)
    if fields.expects_continue:
        exchange.invite_body()


class Spool:
    """One request's body. It is closed when its exchange ends."""

    __slots__ = (
        "_at", "_buffer", "_closed", "_complete", "_exchange", "_file", "_held", "_loop", "_pieces", "_reading", "_size", "_threads",
        "_upstream",
    )  # fmt: skip
    is_full = False  # nothing of a request waits here for a backend that does not take it

    def __init__(self, exchange: "Exchange", buffer: Buffer) -> None:
        self._exchange = exchange
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._size = 0
        self._at = 0  # how much of it was sent on
        self._upstream: Backend | None = None
        self._complete = False
        self._held = False
        self._closed = False
        self._reading: Backend | None = None  # for whom the file is being read
        self._threads = 0  # how many of them have the file now

    # ---- while the body comes

    def send_body(self, data: bytes) -> None:
        """Take more of the body."""
        self._size += len(data)
        if self._size > self._buffer.most:
            self._exchange.client_invalid(413, "body-too-large")
            return
        self._pieces.append(data)
        if self._size > self._buffer.memory:
            self._write()

    def end_body(self) -> None:
        """Hear that the body is complete."""
        self._complete = True
        if not self._threads and not self._closed:
            self._go_on()

    def hold(self) -> None:
        """Do nothing: there is no response yet."""

    def release(self) -> None:
        """Do nothing: there is no response yet."""

    def end_writing(self) -> None:
        """Do nothing: there is no tunnel."""

    def close(self, *, flush: bool = False) -> None:
        """Drop the body, and with it the connection that has got a part of it only."""
        del flush
        if self._closed:
            return
        self._closed = True
        self._pieces.clear()
        if self._upstream is not None and self._at < self._size:
            self._upstream.close()
        self._upstream = None
        self._close_file()

    def _write(self) -> None:
        """Write what is in memory to the file; the client waits meanwhile."""
        if not self._threads:
            self._threads = 1
            self._exchange.client.hold_body(held=True)
            pieces, self._pieces = self._pieces, []
            self._loop.run_in_executor(None, _written, self._file, pieces).add_done_callback(self._have_written)

    def _have_written(self, writing: "asyncio.Future[IO[bytes]]") -> None:
        self._threads = 0
        failed = writing.cancelled() or writing.exception() is not None
        if not failed:
            self._file = writing.result()
        if self._closed:
            self._close_file()
        elif failed:
            self._exchange.client_invalid(503, "body-not-buffered")
        elif self._pieces:
            self._write()
        elif self._complete:
            self._go_on()
        else:
            self._exchange.client.hold_body(held=False)

    def _go_on(self) -> None:
        """Let the request go to a target of today's table. Its length is known now, however it came."""
        exchange = self._exchange
        request = exchange.request
        fields = request.fields
        if fields.length == CHUNKED:
            forward = b"%bContent-Length: %d\r\n" % (fields.forward, self._size)
            exchange.request = request._replace(fields=fields._replace(forward=forward, length=self._size))
        exchange.upstream = None
        exchange.spool = self
        exchange.client.hold_body(held=False)
        live = today(exchange)
        if live is None:
            exchange.refuse(503, "no-backend")
        elif begins_anew(exchange, live):
            exchange.begin()
        else:
            exchange.go(live)

    # ---- when it is sent on

    def pour(self, upstream: "Backend") -> None:
        """Send the body from its beginning; what was under way to another connection is not continued."""
        self._upstream = upstream
        self._at = 0
        self._held = False
        if self._file is None:
            self._at = self._size
            for piece in self._pieces:
                if piece:
                    upstream.send_body(piece)
            upstream.end_body()
        else:
            self._read(self._file, upstream)

    def hold_body(self, *, held: bool) -> None:
        """Send no more for now, or go on: the backend's side says what it takes."""
        was_held, self._held = self._held, held
        if was_held and not held and self._file is not None and self._upstream is not None and self._at < self._size:
            self._read(self._file, self._upstream)

    def _read(self, file: IO[bytes], upstream: "Backend") -> None:
        if self._reading is upstream:
            return
        self._reading = upstream
        self._threads += 1
        reading = self._loop.run_in_executor(None, os.pread, file.fileno(), PIECE, self._at)
        reading.add_done_callback(partial(self._have_read, file, upstream))

    def _have_read(self, file: IO[bytes], upstream: "Backend", reading: "asyncio.Future[bytes]") -> None:
        self._threads -= 1
        if self._reading is upstream:
            self._reading = None
        data = b"" if reading.cancelled() or reading.exception() else reading.result()
        if self._closed:
            self._close_file()
        elif upstream is not self._upstream or self._exchange.upstream is not upstream:
            return
        elif not data:
            self._exchange.client_invalid(503, "body-not-buffered")
        else:
            self._at += len(data)
            upstream.send_body(data)  # which may hold us
            if self._at >= self._size:
                upstream.end_body()
            elif not self._held:
                self._read(file, upstream)

    def _close_file(self) -> None:
        """Close the file, once no thread has it."""
        if self._file is not None and not self._threads:
            self._file.close()


def _written(file: IO[bytes] | None, pieces: list[bytes]) -> IO[bytes]:
    """Return the file (a new one for None) with the pieces at its end."""
    if file is None:
        file = TemporaryFile()  # noqa: SIM115 -- it is closed with the spool
    file.writelines(pieces)
    file.flush()
    return file
