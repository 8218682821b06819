"""Asks for a challenge as an authority would."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Heard:
    """An HTTP answer. *body* is its beginning; *server* and *location* are the fields of these names. Of none there is the *fault*."""

    status: int = 0
    body: str = ""
    server: str = ""
    location: str = ""
    fault: str = ""


class ChallengeProbe(Protocol):
    """Asks an address for what authorities ask for (RFC 8555 §8.3)."""

    async def ask(self, host: str, address: str, token: str, timeout: timedelta) -> Heard:
        """GET the answer to a challenge of *host* at port 80 of *address*, following nothing. Never raises."""
