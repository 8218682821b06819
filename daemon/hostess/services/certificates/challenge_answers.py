"""The answers to all challenges that are open, as the proxy gives them: together, and each for as long as its order needs it."""

import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from hostess.domain.ports import AlpnChallenge, Challenges
from hostess.domain.problem import Problem

log = logging.getLogger(__name__)


class ChallengeAnswers:
    """*publish* makes the proxy give these answers and no others; every worker does so when it returns."""

    def __init__(self, publish: Callable[[Challenges], Awaitable[None]]) -> None:
        self._publish = publish
        self._given: dict[int, Challenges] = {}
        self._numbers = itertools.count()

    @asynccontextmanager
    async def given(self, http: Mapping[str, str], alpn: Sequence[AlpnChallenge]) -> AsyncIterator[None]:
        """Have these answers given, besides others, while this is open; the Problems of a proxy that does not take them."""
        if not http and not alpn:
            yield
            return
        number = next(self._numbers)
        self._given[number] = Challenges(http, tuple(alpn))
        try:
            await self._publish(self._all())
            yield
        finally:
            del self._given[number]
            try:
                await self._publish(self._all())
            except Problem as problem:
                # The next table is without them; nobody asks for them any more.
                log.info("answers to challenges could not be withdrawn yet: %s", problem)

    def _all(self) -> Challenges:
        given = self._given.values()
        http = {token: answer for each in given for token, answer in each.http.items()}
        return Challenges(http, tuple(shown for each in given for shown in each.alpn))
