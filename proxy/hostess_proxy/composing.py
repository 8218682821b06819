"""How responses of a backend are written to a client of HTTP/1.x: from what was decided to bytes."""

from typing import Final

from hostess_proxy.http1 import Response

CLOSE: Final = b"Connection: close\r\n"
KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
IN_CHUNKS: Final = b"Transfer-Encoding: chunked\r\n"


def head(response: Response, request_id: bytes, framing: bytes, own: bytes, data: bytes) -> bytes:
    """Return the head of a final response and, behind it, *data*; *framing* and *own* are lines, each with its CRLF."""
    id_line = (b"X-Request-Id: ", request_id, b"\r\n")
    return b"".join((response.line, response.forward, *id_line, framing, own, b"\r\n", data))


def switch(response: Response, request_id: bytes) -> bytes:
    """Return the head of a 101."""
    return b"%b%bX-Request-Id: %b\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (
        response.line,
        response.forward,
        request_id,
        response.upgrade,
    )
