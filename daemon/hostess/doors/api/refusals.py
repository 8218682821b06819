"""What was refused to whom is in the audit log, too: somebody may try what is not theirs. That log is not theirs to fill either."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from aiohttp import web

from hostess.domain.problem import Problem
from hostess.doors.api.caller import Caller
from hostess.doors.api.operation import Operation
from hostess.doors.api.peers import peer_of, user_name
from hostess.doors.api.wiring import ApiServices

TOLD_FOR = timedelta(minutes=10).total_seconds()
"""Seconds in which the same refusal is written down once."""
MOST = 200
"""Refusals that are written down in that time, of all callers together."""
HIDDEN = frozenset({"project-not-found", "deployment-not-found"})
"""What a token of certain projects is told of all others."""

log = logging.getLogger(__name__)


class Refusals:
    """Writes refusals down; see `tell`. *now* is in seconds."""

    def __init__(self, services: ApiServices, now: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._now = now
        self._told: dict[tuple[str, str, str], float] = {}

    async def tell(self, request: web.Request, operation: Operation, caller: Caller | None, problem: Problem) -> None:
        """Write down that *problem* kept *caller* (None: whom nobody knows) from an operation; nothing for what is no refusal."""
        if not _is_refusal(caller, problem):
            return
        who = _stranger(request) if caller is None else caller.name
        if not self._is_news(
            who if caller is None else caller.token.id, operation.name, request.match_info.get("project", "")
        ):
            return
        path = request.rel_url.raw_path[:200]
        try:
            await self._services.journal.tell(
                "audit.refused",
                f"{who}: was refused {operation.method} {path} ({problem.code})",
                self._services.clock.now(),
                project=await self._project(request),
                data={"actor": who, "operation": operation.name, "code": problem.code},
            )
        except Problem as untold:
            log.warning("%s was refused %s %s, and no event tells it: %s", who, operation.method, path, untold)

    def _is_news(self, *about: str) -> bool:
        now = self._now()
        self._told = {key: at for key, at in self._told.items() if now - at < TOLD_FOR}
        key = about[0], about[1], about[2]
        if key in self._told or len(self._told) >= MOST:
            return False
        self._told[key] = now
        return True

    async def _project(self, request: web.Request) -> str:
        """Return the project that is named, if there is one."""
        named = request.match_info.get("project", "")
        return named if named in {each.name for each in await self._services.journal.projects()} else ""


def _stranger(request: web.Request) -> str:
    peer = peer_of(request)
    return f"somebody at {request.remote}" if peer is None else f"{user_name(peer[0])} (socket)"


def _is_refusal(caller: Caller | None, problem: Problem) -> bool:
    if caller is None:
        return problem.code in {"unauthenticated", "not-allowed"}
    return problem.code == "not-allowed" or (bool(caller.token.projects) and problem.code in HIDDEN)
