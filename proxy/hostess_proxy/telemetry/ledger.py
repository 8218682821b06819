"""The supervisor's totals: what all its workers have counted, those that have ended too. They never fall while it lives."""

from collections.abc import Iterable
from typing import Final

from hostess_proxy.telemetry.counting import NOBODY, Names, Numbers, add, key

FOLD_SECONDS: Final = 900.0
"""For so long a release that left the table has numbers of its own; then they belong to those of all that are gone."""

GONE: Final = key("", "", "gone")
_KEPT = frozenset({GONE, key(*NOBODY[:3]), key(*NOBODY)})


class Ledger:
    """Sums of what workers counted. The number of its services is bounded by the table's and those that left it lately."""

    def __init__(self) -> None:
        self._total: Numbers = {"services": {}, "events": {}}
        self._left: dict[str, float] = {}

    def add(self, counted: Numbers) -> None:
        """Add what a worker has counted since it was last asked."""
        add(self._total, counted)

    def note(self, family: str) -> None:
        """Count an event of the supervisor's own."""
        add(self._total, {"events": {family: {"": 1}}})

    def take(self) -> Numbers:
        """Return all sums, and begin anew: another program goes on with them."""
        taken, self._total = self._total, {"services": {}, "events": {}}
        return taken

    def total(self, present: Iterable[Names], now: float) -> Numbers:
        """Return the sums; *present* are the names of the table's releases. What left long ago is folded into GONE.

        *services* are by project, service and release, *places* what was answered by the environment, too.
        """
        services: Numbers = self._total["services"]
        places: Numbers = self._total.setdefault("places", {})
        kept = _KEPT.union(*((key(*names), key(*names[:3])) for names in present))
        self._left = {each: self._left.get(each, now) for each in (*services, *places) if each not in kept}
        for each, since in self._left.items():
            if since + FOLD_SECONDS < now:
                places.pop(each, None)
                if each in services:
                    add(services.setdefault(GONE, {}), services.pop(each))
        return self._total
