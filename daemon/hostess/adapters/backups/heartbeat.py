"""Heartbeats by aiohttp."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from hostess.domain.problem import Problem

WITHIN: Final = 10.0
"""Seconds for all of it, from the look-up of the name to the answer."""


@dataclass(frozen=True, slots=True)
class HttpHeart:
    """`Heart` on HTTP. Redirects are not followed; of the answer nothing but its status is read."""

    within: float = WITHIN

    async def beat(self, url: str) -> None:
        """GET a URL; any status of 200 to 299 means that it was taken."""
        limit = aiohttp.ClientTimeout(total=self.within)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, headers={"User-Agent": "hostess"}) as session,
                session.get(url, allow_redirects=False) as answer,
            ):
                status = answer.status
        except TimeoutError:
            raise _not_taken(url, f"did not answer within {self.within:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Errors about the URL have it in their text.
            raise _not_taken(url, f"could not be reached ({type(error).__name__})") from None
        if not 200 <= status < 300:  # noqa: PLR2004 -- RFC 9110 §15.3
            raise _not_taken(url, f"answered {status}")


def _not_taken(url: str, what: str) -> Problem:
    return Problem(
        "heartbeat-not-taken",
        f"{urlsplit(url).hostname} {what}",
        remedy="look at backups.heartbeat in hostess.yml and at what answers there",
    )
