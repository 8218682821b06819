"""What only the kernel can do for a connection."""

import asyncio
import socket
import struct
from typing import Final

KEEPALIVE_SECONDS: Final = 60
_CLOSE, _CLOSE_WAIT = 7, 8  # of linux/tcp_states.h
_RESET: Final = struct.pack("ii", 1, 0)


def host_of(address: object) -> str:
    """Return the host of a socket's address, IPv4 as such in whatever clothes; of a unix socket's, which has none, this host."""
    return str(address[0]).removeprefix("::ffff:") if isinstance(address, tuple) else "127.0.0.1"


def port_of(address: object) -> int:
    """Return the port of a socket's address; 0 of a unix socket's."""
    return int(address[1]) if isinstance(address, tuple) else 0


def watch(transport: asyncio.Transport) -> None:
    """Have the kernel ask a silent peer from time to time whether it is still there; nothing else could tell."""
    own = transport.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)


def reset(transport: asyncio.Transport) -> None:
    """End a connection so that its peer cannot take this for a regular end."""
    own = transport.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def hung_up(transport: asyncio.Transport) -> bool:
    """Whether the peer has closed the connection."""
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return False
    return info[0] in {_CLOSE, _CLOSE_WAIT}
