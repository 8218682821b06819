"""How heads are written in HTTP/1.x, requests to backends and their responses to clients: from what was decided to bytes."""

from typing import TYPE_CHECKING, Final

from hostess_proxy.http1.heads import CHUNKED, Response

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

CLOSE: Final = b"Connection: close\r\n"
KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
IN_CHUNKS: Final = b"Transfer-Encoding: chunked\r\n"


def head(response: Response, request_id: bytes, framing: bytes, own: bytes, data: bytes) -> bytes:
    """Return the head of a final response and, behind it, *data*; *framing* and *own* are lines, each with its CRLF."""
    id_line = (b"X-Request-Id: ", request_id, b"\r\n")
    return b"".join((response.line, response.forward, *id_line, framing, own, b"\r\n", data))


def request_head(exchange: "Exchange", address: str) -> bytes:
    """Return the head of a request for the backend at *address*, the empty line included."""
    request, fields = exchange.request, exchange.request.fields
    ours = b""
    if fields.length == CHUNKED:
        ours = IN_CHUNKS
    elif fields.upgrade:
        ours = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % fields.upgrade
    if fields.host is None:
        ours += b"Host: %b\r\n" % address.encode()
    told = exchange.client.forwarding_lines(fields)
    start = b"\r\nX-Request-Start: t=%d\r\n" % int(exchange.at * 1000)
    line = (request.method, b" ", request.path, b" HTTP/1.1\r\n")
    return b"".join((*line, fields.forward, told, b"X-Request-Id: ", exchange.id, start, ours, b"\r\n"))


def switch(response: Response, request_id: bytes) -> bytes:
    """Return the head of a 101."""
    return b"%b%bX-Request-Id: %b\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (
        response.line,
        response.forward,
        request_id,
        response.upgrade,
    )
