"""Lines by HTTP: a POST of JSON lines for each batch."""

import ssl
from asyncio import to_thread
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from hostess.domain.drains import Drained, Target, as_json
from hostess.domain.problem import Problem

WITHIN = 10.0
NEVER = frozenset({400, 413, 415, 422})
"""Answers that the same lines would get again; after any other (a wrong token, too many requests) they are sent again."""


class HttpDrain:
    """`Drain` on HTTP. User and password of the URL are sent as Basic; redirects are not followed."""

    def __init__(self, target: Target, host: str, authorities: Path | None = None, within: float = WITHIN) -> None:
        self.target = target
        self._host = host
        self._authorities = authorities
        self._within = within
        self._session: aiohttp.ClientSession | None = None
        parts = urlsplit(target.url)
        self._url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    async def send(self, lines: Sequence[Drained]) -> None:
        """POST lines; any status of 200 to 299 means that they were taken."""
        body = b"".join(as_json(line, self._host) for line in lines)
        try:
            session = self._session or await self._opened()
            async with session.post(self._url, data=body, allow_redirects=False) as answer:
                status = answer.status
        except TimeoutError:
            raise self._not_taken("drain-away", f"did not answer within {self._within:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Errors about the URL have it in their text.
            raise self._not_taken("drain-away", f"cannot be reached ({type(error).__name__})") from None
        if not 200 <= status < 300:  # noqa: PLR2004 -- RFC 9110 §15.3
            raise self._not_taken("drain-refused" if status in NEVER else "drain-away", f"answers {status}")

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _opened(self) -> aiohttp.ClientSession:
        headers = {"Content-Type": "application/x-ndjson", "User-Agent": "hostess"}
        if self.target.user:
            headers["Authorization"] = aiohttp.encode_basic_auth(self.target.user, self.target.password)
        context = await to_thread(ssl.create_default_context, cafile=self._authorities and str(self._authorities))
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._within),
            connector=aiohttp.TCPConnector(ssl=context, limit=1),
        )
        return self._session

    def _not_taken(self, code: str, why: str) -> Problem:
        return Problem(
            code,
            f"the drain {self.target} {why}",
            serving="all apps; lines wait for it, as many as fit",
            remedy="look at log.drains in the settings, and at what listens there",
        )
