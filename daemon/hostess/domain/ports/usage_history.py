"""What the journal keeps of what was used."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hostess.domain.usage_history import UsageSpan


class UsageRecords(Protocol):
    """The journal's part about use."""

    async def put_usage(self, spans: Sequence[UsageSpan], before: datetime) -> None:
        """Write spans down, joined to what there is of the same time, and forget those that began *before*.

        Those of an environment that is gone are lost.
        """

    async def usage(self, project: str, environment: str, service: str, since: datetime) -> list[UsageSpan]:
        """Return what a service ("": with all three the whole host) used from *since* on, the oldest first."""
