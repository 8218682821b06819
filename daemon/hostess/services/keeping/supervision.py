"""Supervision: the one loop that reads, every few seconds, what the host and each replica use, and hands it on."""

from dataclasses import dataclass

from hostess.services.keeping.autoscaler import Autoscaler
from hostess.services.keeping.host_watch import HostWatch
from hostess.services.keeping.usage_history import UsageHistory


@dataclass(frozen=True, slots=True)
class Supervision:
    """What looks at the host, gives what is scaled as many replicas as its load needs, and remembers what was used."""

    host: HostWatch
    autoscaler: Autoscaler
    history: UsageHistory

    async def look(self) -> None:
        """Read, act upon it, and remember it."""
        self.host.look()
        await self.autoscaler.look()
        await self.history.look()
