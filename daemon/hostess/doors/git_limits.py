"""How much git one caller may have at once, and all together: each conversation is a process, and a push stays until it is live."""

from collections.abc import Iterator
from contextlib import contextmanager

from hostess.domain.problem import Problem
from hostess.domain.settings import ApiSettings
from hostess.doors.api.limits import Limits

PER_CALLER = 32
"""Conversations of one caller that are under way; fewer where `api.at_once` is less."""
TOGETHER = 128
SOON = 5.0
"""Seconds after which it is worth asking again."""


class GitBusy(Problem):
    """As much git is under way as this host takes; *retry_after* is in seconds."""

    def __init__(self, most: int) -> None:
        super().__init__(
            "git-busy",
            f"{most} pushes and fetches are under way, which is all that this host takes at once",
            serving="all that was begun",
            remedy="try again in some seconds; `hostess deployments list` shows what is being deployed",
        )
        self.retry_after = SOON


class GitLimits:
    """Counts the conversations of each caller (a token, an SSH key, a stranger's address), apart from the requests of the API."""

    def __init__(self, settings: ApiSettings, together: int = TOGETHER) -> None:
        self._callers = Limits(settings.rate, min(settings.at_once or PER_CALLER, PER_CALLER))
        self._together = together
        self._under_way = 0

    def count_stranger(self, address: str) -> None:
        """Count somebody whom nobody knows; TooManyRequests."""
        self._callers.spend(f"stranger at {address}")

    @contextmanager
    def conversation(self, caller: str) -> Iterator[None]:
        """Count a conversation as long as the block runs; TooManyRequests, or GitBusy, and nothing is begun then."""
        self._callers.spend(caller)
        with self._callers.under_way(caller):
            if self._under_way >= self._together:
                raise GitBusy(self._together)
            self._under_way += 1
            try:
                yield
            finally:
                self._under_way -= 1
