"""What the journal keeps of what was used."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hostess.domain.usage_history import UsageSpan


class UsageRecords(Protocol):
    """The journal's part about use."""

    async def put_usage(self, spans: Sequence[UsageSpan], kept: tuple[datetime, datetime]) -> None:
        """Write spans down, joined to what there is of the same time; those of an environment that is gone are lost.

        What began before the first of what is *kept*, or after the second (the clock was ahead), is forgotten: only a few times at
        once, somewhat more than come, so that a clock that is wrong for a while costs no more than such a while.
        """

    async def usage(self, project: str, environment: str, service: str, since: datetime) -> list[UsageSpan]:
        """Return what a service ("": with all three the whole host) used from *since* on, the oldest first."""
