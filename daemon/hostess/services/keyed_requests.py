"""Requests with a key: each is carried out once, and answered as often as it is made. What fails is forgotten: it may be tried again."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

from hostess.domain.keyed_requests import Answer, KeyedRequest
from hostess.domain.ports import Clock, Vault
from hostess.domain.ports.keyed_requests import KeyedRequestRecords
from hostess.domain.problem import Problem

KEPT = timedelta(hours=24)
MOST = 1000
"""Requests that are remembered of one caller."""


class KeyedRequests:
    """Remembers requests for a day, and of each caller the newest *most*. Answers are sealed: the token that was made may be in one."""

    def __init__(self, records: KeyedRequestRecords, vault: Vault, clock: Clock, most: int = MOST) -> None:
        self._records = records
        self._vault = vault
        self._clock = clock
        self._most = most
        self._under_way: set[tuple[str, str]] = set()

    async def once(
        self, caller: str, key: str, digest: str, carry_out: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """Return the answer of *carry_out*, or the one that was given before, and whether it was.

        Problem "key-reused" where the caller's key stands for another request, "key-in-use" while it is carried out,
        "outcome-unknown" where the daemon ended meanwhile; and those of *carry_out*.
        """
        now = self._clock.now()
        if (caller, key) in self._under_way:
            raise Problem("key-in-use", "the request with this Idempotency-Key is being carried out", remedy=_WAIT)
        self._under_way.add((caller, key))
        try:
            request = KeyedRequest(caller, key, digest, now)
            known = await self._records.begin_keyed(request, now - KEPT, self._most)
            if known is not None:
                return self._answer(known, digest), True
            try:
                answer = await carry_out()
            except Exception:
                await self._records.forget_keyed(caller, key)
                raise
            await self._records.answer_keyed(caller, key, self._sealed(request, answer))
            return answer, False
        finally:
            self._under_way.discard((caller, key))

    def _answer(self, known: KeyedRequest, digest: str) -> Answer:
        if known.digest != digest:
            raise Problem(
                "key-reused",
                "this Idempotency-Key stands for another request of yours",
                serving="that request, as it was answered",
                remedy="make a new key for each request (a UUID)",
            )
        if not known.answer:
            raise Problem(
                "outcome-unknown",
                "the daemon ended while it carried out the request with this Idempotency-Key",
                remedy="see what came of it (`hostess events`, `hostess deployments list`), then ask with a new key",
            )
        members = json.loads(self._vault.open(known.answer, _bound(known)))
        return Answer(members["status"], members["body"])

    def _sealed(self, request: KeyedRequest, answer: Answer) -> str:
        return self._vault.seal(json.dumps({"status": answer.status, "body": answer.body}), _bound(request))


_WAIT = "ask again in a moment, with the same key"


def _bound(request: KeyedRequest) -> str:
    return f"answer to {request.caller} {request.key}"
