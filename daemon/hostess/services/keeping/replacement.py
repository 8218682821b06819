"""Replacement: beside an unhealthy replica another one is started; when that is well the unhealthy one is drained and removed."""

import logging

from hostess.domain import labels
from hostess.domain.ports import Container, Journal, Meter
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import is_of
from hostess.domain.releases.release import Workload
from hostess.services.keeping.repairs import GaveWayError, Repairs
from hostess.services.keeping.retirement import Retirement
from hostess.services.routing.publishing import Routing

SPARE = 0.05
"""The share of the host's memory that is left free."""

log = logging.getLogger(__name__)


class Replacement:
    """The caller holds the environment's turn, and has seen to it that the unhealthy one is routed only where no other is well."""

    def __init__(
        self, journal: Journal, repairs: Repairs, retirement: Retirement, routing: Routing, meter: Meter
    ) -> None:
        self._journal = journal
        self._repairs = repairs
        self._retirement = retirement
        self._routing = routing
        self._meter = meter

    async def replaced(self, place: Place, workload: Workload, container: Container) -> bool:
        """Return whether *container* has a successor that serves, and is on its way out; if not, everything is as it was.

        What must not run twice has none, nor has what a canary tries out, nor anything where the memory does not suffice for both.
        """
        live = await self._journal.live(place.project, place.environment)
        own = live.workloads.get(workload.name) if live is not None else None
        if live is None or own is None or own.singleton or not is_of(own, container) or not self._fits(own):
            return False
        number = int(container.labels.get(labels.REPLICA, "1"))
        try:
            await self._repairs.replace(place, live, own, number)
            await self._routing.publish()
            await self._retirement.retire([container])
            await self._routing.publish()
        except GaveWayError:
            return False
        except Problem as problem:
            log.warning("%s of %s has no successor: %s", workload.name, place.network, problem)
            return False
        return True

    def _fits(self, workload: Workload) -> bool:
        """Whether the host has room for one more replica."""
        total, available = self._meter.memory()
        return available - total * SPARE >= workload.memory // 4
