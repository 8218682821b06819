"""Whether a client takes what it is sent.

How full our own buffers are says little: the kernel takes much at a time, then nothing for a while. What the client's side has
acknowledged tells; it is asked for only where a client has taken nothing visible for long.
"""

import socket
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

FIRST_SECONDS: Final = 45.0
"""How long buffers may stay full before the pace is measured at all."""
THEN_SECONDS: Final = 15.0
"""How long it is measured, again and again until the buffers are empty enough."""
LEAST_BYTES: Final = 8 * 1024
_TCP_INFO_SIZE = 128
_BYTES_ACKED = 120  # linux/tcp.h: tcpi_bytes_acked, 64 bits


def taken_or_ended(transport: "asyncio.Transport", before: int) -> int:
    """Return how many bytes the client has acknowledged so far.

    Where these are too few since *before* (0: not known), or nothing is left to take, the connection is ended.
    """
    now = _acknowledged(transport.get_extra_info("socket"))
    if transport.get_write_buffer_size() == 0 or 0 < before > now - LEAST_BYTES:
        transport.abort()
    return now


def _acknowledged(connection: socket.socket) -> int:
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    except OSError:
        return 0
    return int.from_bytes(info[_BYTES_ACKED:_TCP_INFO_SIZE], sys.byteorder)
