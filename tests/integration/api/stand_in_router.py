"""A router without a proxy, for the API's stage."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from hostess.domain.ports import (
    Called,
    Challenges,
    FailedTarget,
    InsideService,
    OpenDatabase,
    ServedCertificate,
    TargetLoad,
    Upstreams,
)
from hostess.domain.ports.proxy import NO_CHALLENGES
from hostess.domain.problem import Problem
from hostess.domain.records import Answers, Counted


class StandInRouter:
    """Implements `ports.Router` without a proxy: every table is taken, every host answers. *failed* is what has failed requests."""

    def __init__(self) -> None:
        self.table: Sequence[Upstreams] = ()
        self.inside: Sequence[InsideService] = ()
        self.generation = 0
        self.session_key = ""
        self.certificates: Sequence[ServedCertificate] = ()
        self.challenges = NO_CHALLENGES
        self.databases: Sequence[OpenDatabase] = ()
        self.is_gone = False
        self.failed: asyncio.Queue[FailedTarget] = asyncio.Queue()

    async def publish(
        self,
        routes: Sequence[Upstreams],
        inside: Sequence[InsideService] = (),
        session_key: str = "",
        certificates: Sequence[ServedCertificate] = (),
        challenges: Challenges = NO_CHALLENGES,
        databases: Sequence[OpenDatabase] = (),
    ) -> int:
        """Take a table, unless it is gone."""
        if self.is_gone:
            raise Problem("proxy-unreachable", "the proxy did not answer")
        self.table, self.inside, self.session_key = tuple(routes), tuple(inside), session_key
        self.certificates, self.challenges, self.databases = tuple(certificates), challenges, tuple(databases)
        self.generation += 1
        return self.generation

    async def presented(self, host: str) -> str | None:
        """Return None: it has no listener for *host*."""
        return host[:0] or None

    async def in_flight(self, targets: Sequence[str]) -> int:
        """Return 0."""
        return 0

    async def drained(self, targets: Sequence[str], within: timedelta) -> int:
        """Return 0 at once."""
        return 0

    async def answers(self) -> tuple[tuple[float, ...], Mapping[Counted, Answers]]:
        """Return that nothing was answered."""
        return (), {}

    async def loads(self) -> Mapping[str, TargetLoad]:
        """Return nothing."""
        return {}

    async def wanted(self, within: timedelta) -> Sequence[Called]:
        """Return nothing, when the time is over."""
        await asyncio.sleep(within.total_seconds())
        return ()

    async def failing(self, within: timedelta) -> Sequence[FailedTarget]:
        """Return what a test puts into *failed*."""
        async with asyncio.timeout(within.total_seconds()):
            return [await self.failed.get()]

    async def metrics(self) -> str:
        """Return one figure, unless it is gone."""
        if self.is_gone:
            raise Problem("proxy-unreachable", "the proxy did not answer")
        return "hostess_proxy_workers 1\n"

    async def prove(self, host: str, path: str) -> tuple[int, str]:
        """Say that it answers, or asks for sign-in."""
        asks = any(route.host == host and route.sign_in is not None for route in self.table)
        return (401, "sign-in-needed") if asks else (200, "")
