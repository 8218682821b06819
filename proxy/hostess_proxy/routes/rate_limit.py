"""How often each client may come, counted for all workers together in a piece of memory that they share.

The rule is GCRA (a bucket of tokens, in one number): for each client the time is kept until which its requests are paid for. A
request costs a step of time; it may come while that is no more than a burst ahead of now.

The memory has a fixed size, whoever comes: a client's number leads to a bucket of four entries, and where all four are somebody
else's, it takes the place of the one that is paid for the shortest. Nothing is locked. Two workers that write one entry at the
same moment may forget a request; under a flood of addresses clients may be forgotten: both let more pass, never less. It
outlives tables and workers, and ends with the proxy. A key of its own for each proxy keeps others from choosing addresses that
share a bucket.
"""

import mmap
import os
import struct
from hashlib import blake2b
from typing import TYPE_CHECKING

from hostess_proxy.http1.headers import ip_of

if TYPE_CHECKING:
    from hostess_proxy.tables.terms import RateLimit

_KEY = 16
_ENTRY = struct.Struct("Qd")
_WAYS = 4
_BUCKETS = 16 * 1024
_BUCKET = _WAYS * _ENTRY.size
_SIZE = _KEY + _BUCKETS * _BUCKET


def shared_memory() -> int:
    """Return a descriptor of new memory, for `Rates` in this process and in those that inherit it."""
    descriptor = os.memfd_create("hostess-rates")
    os.ftruncate(descriptor, _SIZE)
    os.pwrite(descriptor, os.urandom(_KEY), 0)
    return descriptor


class Rates:
    """The clients that lately came to routes with a limit. *descriptor* is of `shared_memory`, and may be closed afterwards."""

    __slots__ = ("_key", "_memory")

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._key = self._memory[:_KEY]

    @classmethod
    def of_one_process(cls) -> "Rates":
        """Return one that is shared with nobody."""
        descriptor = shared_memory()
        try:
            return cls(descriptor)
        finally:
            os.close(descriptor)

    def wait(self, who: bytes, limit: "RateLimit", now: float) -> float:
        """Count a request at the time *now*, and return 0; or return after how many seconds it may come, uncounted."""
        step = limit.seconds / limit.requests
        ahead = step * limit.burst
        mark = int.from_bytes(blake2b(who, digest_size=8, key=self._key).digest())
        at, paid = self._entry(mark)
        paid = min(max(now, paid), now + ahead) + step
        over = paid - now - ahead
        if over > step / 100:  # sums of floats are a little wrong
            return over
        _ENTRY.pack_into(self._memory, at, mark, paid)
        return 0.0

    def _entry(self, mark: int) -> tuple[int, float]:
        """Return where the entry of a client is, or is to be, and until when it is paid for."""
        first = _KEY + mark % _BUCKETS * _BUCKET
        entries = [(at, *_ENTRY.unpack_from(self._memory, at)) for at in range(first, first + _BUCKET, _ENTRY.size)]
        for at, owner, paid in entries:
            if owner == mark:
                return at, paid
        return min(entries, key=lambda entry: entry[2])[0], 0.0


def counted_as(address: str) -> bytes:
    """Return whom requests of an address are counted for: of IPv6 a whole /64, which is one household's or one server's."""
    ip = ip_of(address)
    return ip.packed[:8] if ip is not None else address.encode("ascii", "replace")
