"""What the journal keeps of requests with a key."""

from datetime import datetime
from typing import Protocol

from hostess.domain.keyed_requests import KeyedRequest


class KeyedRequestRecords(Protocol):
    """The journal's part about requests with a key."""

    async def begin_keyed(self, request: KeyedRequest, since: datetime, most: int) -> KeyedRequest | None:
        """Store a request that begins, unless its caller has one with that key; return that one then.

        Those that began before *since* are forgotten first, and of each caller's the oldest beyond *most*.
        """

    async def answer_keyed(self, caller: str, key: str, answer: str) -> None:
        """Note what was answered."""

    async def forget_keyed(self, caller: str, key: str) -> None:
        """Forget a request, which may then be made again."""
