"""The process at the other end of a connection: on the unix socket the kernel says whose it is."""

import grp
import os
import pwd
import socket
import struct

from aiohttp import web

ADMIN_GROUP = "hostess-admin"
_UCRED = "3i"
"""struct ucred of unix(7): process, user, group."""


def peer_of(request: web.Request) -> tuple[int, int] | None:
    """Return user and group id of the process behind a unix socket, None for any other connection."""
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    _, uid, gid = struct.unpack(
        _UCRED, connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_UCRED))
    )
    return uid, gid


def admin_peer(uid: int, gid: int) -> bool:
    """Whether a local process is an owner: root, the daemon's own user, or a member of the group hostess-admin."""
    if uid in {0, os.getuid()}:
        return True
    try:
        admins = grp.getgrnam(ADMIN_GROUP).gr_gid
        return admins in os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return False


def user_name(uid: int) -> str:
    """Return the name of a user, or the number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def came_over_a_network(request: web.Request) -> bool:
    """Whether a TCP connection came in at an address other than loopback."""
    address = request.transport.get_extra_info("sockname") if request.transport else None
    return isinstance(address, tuple) and not _is_loopback(str(address[0]))


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"
