"""Failed requests, as the proxy tells them: evidence, and a reason to look at a replica now. Nothing is done for them alone."""

import logging
from collections.abc import Callable, Collection
from datetime import timedelta

from hostess.domain.failed_requests import Failures, first
from hostess.domain.ports import OUTDATED, Clock, Router
from hostess.domain.problem import Problem

LISTEN = timedelta(seconds=30)
AGAIN = 2.0
LATER = 60.0
"""Seconds after which a proxy is asked again that does not tell it: it is older, until it is restarted."""
MOST = 10_000

log = logging.getLogger(__name__)


class FailedRequests:
    """Remembers by address what replicas have failed of late."""

    def __init__(self, router: Router, clock: Clock) -> None:
        self._router = router
        self._clock = clock
        self._failures: dict[str, Failures] = {}

    def of(self, address: str) -> Failures | None:
        """Return what the replica at an address has failed of late, at whatever port; None for nothing."""
        found = self._failures.get(address)
        return None if found is None or found.over(self._clock.now()) else found

    async def run(self, suspect: Callable[[Collection[str]], None]) -> None:
        """Listen until cancelled; *suspect* hears the addresses of what fails."""
        while True:
            try:
                if addresses := await self._listen():
                    suspect(addresses)
            except Problem as problem:
                log.debug("which requests fail is not known: %s", problem)
                await self._clock.sleep(LATER if problem.code == OUTDATED else AGAIN)

    async def _listen(self) -> set[str]:
        told = await self._router.failing(LISTEN)
        now = self._clock.now()
        self._failures = {address: each for address, each in self._failures.items() if not each.over(now)}
        heard: set[str] = set()
        for each in told:
            address = each.target.rpartition(":")[0]
            before = self._failures.get(address)
            if before is not None or len(self._failures) < MOST:
                self._failures[address] = before.and_more(each, now) if before else first(each, now)
                heard.add(address)
        return heard
