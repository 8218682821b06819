"""How many clients' connections a worker holds: in all, and for each client.

A connection costs memory and a descriptor whether it does anything or not. When all places are taken, those that have rested longest
make room, many at once, so that the search costs a newcomer little. Where none rests, and beyond a client's own share, the newcomer
is closed at once: an answer would be work for the one who brings too much of it.
"""

import resource
from collections.abc import Collection
from heapq import nsmallest
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hostess_proxy.ports import Connection

MOST_PLACES: Final = 20_000
CLIENT_PLACES: Final = 512
NEVER: Final = float("inf")
_AT_ONCE = 256


class Crowd:
    """Counts connections. *places* are those for all; *for_one* is a client's share of them, 0 for no limit."""

    def __init__(self, places: int = MOST_PLACES, for_one: int = CLIENT_PLACES) -> None:
        self.refused = 0
        self.evicted = 0
        self._places = places
        self._for_one = for_one
        self._shares: dict[str, int] = {}
        self._share_of: dict[Connection, str] = {}
        self._leaving = 0
        self._searched_at = -1.0

    def admits(self, newcomer: "Connection", share: str, there: "Collection[Connection]", now: float) -> bool:
        """Whether a connection may come beside those that are *there*; it is counted then. A *share* of "" has no limit."""
        has = self._shares.get(share, 0)
        if (share and 0 < self._for_one <= has) or (len(there) >= self._places and not self._has_room(there, now)):
            self.refused += 1
            return False
        if share:
            self._shares[share] = has + 1
            self._share_of[newcomer] = share
        return True

    def left(self, client: "Connection") -> None:
        """Count a connection out."""
        share = self._share_of.pop(client, "")
        if share:
            self._shares[share] -= 1
            if not self._shares[share]:
                del self._shares[share]

    def _has_room(self, there: "Collection[Connection]", now: float) -> bool:
        """Whether places are becoming free. Whose time would have been over soonest goes first."""
        if not self._leaving and now != self._searched_at:
            resting = [client for client in there if _rests(client)]
            batch = nsmallest(min(_AT_ONCE, self._places // 16 + 1), resting, key=lambda client: client.deadline)
            for client in batch:
                client.transport.abort()
            self._leaving = len(batch)
            self.evicted += len(batch)
            if not batch:
                self._searched_at = now  # what is not found now will not be there before the next tick
        if not self._leaving:
            return False
        self._leaving -= 1
        return True


def _rests(client: "Connection") -> bool:
    """Whether a connection waits for a request, and has nothing left to send."""
    transport = client.transport
    idle = client.exchange is None and client.deadline != NEVER and not transport.is_closing()
    return idle and not transport.get_write_buffer_size()


def share_of(address: str) -> str:
    """Return what a client's connections are counted under: its IPv4 address, or its IPv6 network of 64 bits.

    This host itself has no share (""): what comes from here was let in by somebody else, a tunnel or another proxy.
    """
    if ":" not in address:
        return "" if address.startswith("127.") else address
    ip = IPv6Address(address.partition("%")[0])
    return "" if ip.is_loopback else ip.packed[:8].hex()


def places_for(wanted: int) -> int:
    """Return how many connections a worker may hold: *wanted* (0 for the default), but never more than descriptors allow.

    A quarter of them is left for backends, files and sockets of our own.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted or MOST_PLACES
    return most if allowed == resource.RLIM_INFINITY else max(1, min(most, allowed * 3 // 4))
