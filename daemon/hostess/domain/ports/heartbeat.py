"""A sign of life to somebody who waits for it."""

from typing import Protocol


class Heart(Protocol):
    """Fetches URLs, for the sake of being seen to do so."""

    async def beat(self, url: str) -> None:
        """Fetch a URL, in bounded time. Problem "heartbeat-not-taken" when it does not answer well; it does not tell the URL."""
