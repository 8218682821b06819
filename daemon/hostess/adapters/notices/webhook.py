"""Notices by webhook: a POST of JSON, signed with a secret that both sides know."""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from hostess.adapters.secret_file import read_secret
from hostess.domain.notices import Delivery
from hostess.domain.problem import Problem

WITHIN: Final = 10.0
"""Seconds for all of it, from the look-up of the name to the answer."""
SIGNATURE: Final = "X-Hostess-Signature"
SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Webhook:
    """`NoticeChannel` on HTTP. The *url* may hold a secret: it is told nowhere. Without *secret_file* nothing is signed."""

    url: str
    secret_file: Path | None = None
    within: float = WITHIN
    name: str = "webhook"

    async def send(self, delivery: Delivery) -> str:
        """POST notices; any status of 200 to 299 means that they were taken. Redirects are not followed."""
        body = delivery.body()
        headers = {"Content-Type": "application/json", "User-Agent": "hostess"}
        if self.secret_file is not None:
            headers[SIGNATURE] = signature(read_secret(self.secret_file), body)
        limit = aiohttp.ClientTimeout(total=self.within)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                said = (await answer.content.read(SHOWN)).decode(errors="replace")
        except TimeoutError:
            raise self._not_sent(f"did not answer within {self.within:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Errors about the URL have it in their text.
            raise self._not_sent(f"could not be reached ({type(error).__name__})") from None
        told = " ".join(f"{answer.status} {answer.reason or ''} {said}".split())
        if not 200 <= answer.status < 300:  # noqa: PLR2004 -- RFC 9110 §15.3
            raise self._not_sent(f"answered {told}")
        return told

    def _not_sent(self, what: str) -> Problem:
        return Problem(
            "notice-not-sent",
            f"the webhook at {urlsplit(self.url).hostname} {what}",
            remedy="look at notify.webhook.url and at what answers there",
        )


def signature(secret: str, body: bytes) -> str:
    """Return what the header says of a body: `sha256=`, then HMAC-SHA256 in hex (RFC 2104)."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
