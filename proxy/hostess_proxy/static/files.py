"""Serves static sites: an exchange whose route names a folder is answered here, from memory or in pieces from the disk."""

import asyncio
import os
from typing import TYPE_CHECKING, Final

from hostess_proxy.http1.heads import Response
from hostess_proxy.http1.statuses import OK
from hostess_proxy.static.answers import Span, Unsatisfiable, accepted, asked, span, unchanged
from hostess_proxy.static.folder import File, Folder, Prepared
from hostess_proxy.static.site import BadPathError, Found, Moved, choose, hidden, is_digested, segments

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

PIECE: Final = 128 * 1024
_REASONS = {
    200: b"OK", 206: b"Partial Content", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other",
    304: b"Not Modified", 307: b"Temporary Redirect", 308: b"Permanent Redirect", 404: b"Not Found",
    405: b"Method Not Allowed", 416: b"Range Not Satisfiable",
}  # fmt: skip
_PLAIN = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_KEPT_IN_304 = ("Content-Type", "Content-Length", "Accept-Ranges")


def answer(exchange: "Exchange", folder: Folder) -> None:
    """Answer a request from a folder."""
    request = exchange.request
    if request.method not in {b"GET", b"HEAD"}:
        _say(exchange, 405, {"Allow": "GET, HEAD"})
        return
    path, _, query = request.path.partition(b"?")
    try:
        wanted = segments(path)
    except BadPathError:
        exchange.refuse(400, "bad-path")
        return
    if folder.earlier is not None and _from_earlier(exchange, wanted, folder, folder.earlier):
        return
    found = choose(wanted, query.decode("latin-1"), folder.rules, folder.kind)
    if isinstance(found, Moved):
        _say(exchange, found.status, {"Location": found.location, "Cache-Control": "no-cache"})
        return
    prepared = folder.prepared(found.file) if found is not None else None
    if found is not None and prepared is not None:
        _serve(exchange, folder, found, prepared)
    elif folder.is_there():
        _say(exchange, 404, {"Cache-Control": "no-cache"})
    else:
        exchange.refuse(503, "site-missing")


def _from_earlier(exchange: "Exchange", wanted: tuple[str, ...], folder: Folder, earlier: Folder) -> bool:
    """Serve what only the release before has, to pages of that release that are still open; return whether it was that.

    Only where the name holds a digest: such a file belongs to those pages alone.
    """
    name = "/".join(wanted)
    if not is_digested(name) or hidden(wanted) or folder.kind(name) == "file" or earlier.kind(name) != "file":
        return False
    prepared = earlier.prepared(name)
    if prepared is not None:
        _serve(exchange, earlier, Found(name), prepared)
    return prepared is not None


def _serve(exchange: "Exchange", folder: Folder, found: Found, prepared: Prepared) -> None:
    path = exchange.request.path.partition(b"?")[0].decode("latin-1")
    fields = folder.fields_of(prepared, path)
    asks = asked(exchange.request.fields.forward) if found.status == OK else {}  # a page of 404 has no conditions
    in_part = "range" in asks and exchange.request.method == b"GET"  # offsets are those of the file as it is
    form = prepared.plain if in_part else _form(prepared, asks)
    fields = fields | {"ETag": form.etag}
    if form.coding:
        fields["Content-Encoding"] = form.coding
    if unchanged(asks, form.etag, prepared.modified):
        _send_head(exchange, 304, {name: value for name, value in fields.items() if name not in _KEPT_IN_304})
        return
    try:
        part = span(asks, form.size, form.etag, prepared.modified) if exchange.request.method == b"GET" else None
    except Unsatisfiable:
        _say(exchange, 416, {"Content-Range": f"bytes */{form.size}"})
        return
    status = found.status
    if part is not None:
        status = 206
        fields["Content-Range"] = f"bytes {part.start}-{part.start + part.length - 1}/{form.size}"
    _send(exchange, folder, form, (status, fields), part or Span(0, form.size))


def _form(prepared: Prepared, asks: dict[str, str]) -> File:
    value = asks.get("accept-encoding")
    if value and prepared.coded:
        coding = accepted(value, (form.coding for form in prepared.coded))
        return next((form for form in prepared.coded if form.coding == coding), prepared.plain)
    return prepared.plain


def _send(exchange: "Exchange", folder: Folder, form: File, head: tuple[int, dict[str, str]], part: Span) -> None:
    status, fields = head
    fields = fields | {"Content-Length": str(part.length)}
    if exchange.is_head or not part.length:
        _send_head(exchange, status, fields)
    elif form.body is not None:
        _send_head(exchange, status, fields, form.body[part.start : part.start + part.length])
    else:
        try:
            descriptor = folder.open(form)
        except OSError:
            exchange.refuse(503, "file-changed")
            return
        exchange.upstream = body = FileBody(exchange, descriptor, part)
        exchange.response(_head(status, fields, part.length), b"", ended=False)
        body.release()


def _say(exchange: "Exchange", status: int, fields: dict[str, str]) -> None:
    """Send a short answer in plain text."""
    reason = _REASONS[status]
    body = b"%d %b\n" % (status, reason)
    fields = _PLAIN | fields | {"Content-Length": str(len(body))}
    _send_head(exchange, status, fields, b"" if exchange.is_head else body)


def _send_head(exchange: "Exchange", status: int, fields: dict[str, str], body: bytes = b"") -> None:
    exchange.response(_head(status, fields, len(body)), body, ended=True)


def _head(status: int, fields: dict[str, str], length: int) -> Response:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("latin-1", "replace")
    line = b"HTTP/1.1 %d %b\r\n" % (status, _REASONS[status])
    return Response(status, line, lines, length, keep_alive=True, upgrade=b"")


class FileBody:
    """Sends a part of a file, as fast as the client takes it; it stands where a connection to a backend does.

    The disk is read on a thread, one piece at a time, and never ahead of a client that takes nothing.
    """

    __slots__ = ("_at", "_closed", "_descriptor", "_exchange", "_held", "_left", "_loop", "_reading")
    is_full = False  # nothing of a request waits here for a backend that does not take it

    def __init__(self, exchange: "Exchange", descriptor: int, part: Span) -> None:
        self._exchange = exchange
        self._descriptor = descriptor
        self._at, self._left = part
        self._loop = asyncio.get_running_loop()
        self._held = False
        self._reading = False
        self._closed = False

    def hold(self) -> None:
        """Read no more for now."""
        self._held = True

    def release(self) -> None:
        """Read the next piece, unless one is on its way."""
        self._held = False
        if self._reading or self._closed:
            return
        self._reading = True
        size = min(PIECE, self._left)
        reading = self._loop.run_in_executor(None, os.pread, self._descriptor, size, self._at)
        reading.add_done_callback(self._have_read)

    def close(self, *, flush: bool = False) -> None:  # noqa: ARG002 -- nothing waits here to be flushed
        """Close the file; a piece that is being read is dropped."""
        if not self._closed:
            self._closed = True
            if not self._reading:
                os.close(self._descriptor)

    def send_body(self, data: bytes) -> None:
        """Drop what the client sends with its request: nobody reads it."""

    def end_body(self) -> None:
        """Hear that the request is complete."""

    def end_writing(self) -> None:
        """Hear that a tunnel is half closed; there is none here."""

    def _have_read(self, reading: "asyncio.Future[bytes]") -> None:
        self._reading = False
        if self._closed:
            reading.cancelled() or reading.exception()
            os.close(self._descriptor)
            return
        data = b"" if reading.cancelled() or reading.exception() else reading.result()
        if not data:
            self._exchange.truncated()
            return
        self._at += len(data)
        self._left -= len(data)
        self._exchange.response_body(data)
        if not self._left:
            self._exchange.response_end()
        elif not self._held:
            self.release()
