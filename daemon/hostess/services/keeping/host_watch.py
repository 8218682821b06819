"""The host under watch: its figures, read every few seconds; some minutes of them are remembered, and what of them is bad."""

from collections import deque
from collections.abc import Sequence

from hostess.domain.host_figures import ENOUGH, HostTrouble, Reading, read, troubles
from hostess.domain.ports import Clock, Meter
from hostess.domain.waits import follows

REMEMBERED = 720
"""Readings: an hour of them, at one in five seconds."""


class HostWatch:
    """Reads files of the kernel only, so a look costs next to nothing."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter = meter
        self._clock = clock
        self._readings: deque[Reading] = deque(maxlen=REMEMBERED)
        self._bad: list[HostTrouble] = []

    @property
    def readings(self) -> Sequence[Reading]:
        """Return what is remembered, the newest last."""
        return tuple(self._readings)

    def cpus(self) -> int:
        """Return how many cores there are."""
        return self._meter.cpus()

    def look(self) -> None:
        """Read what is used now, and judge it."""
        before, now = self._readings[-1] if self._readings else None, self._clock.now()
        if before is not None and not follows(before.at, now):
            self._readings.clear()
            before = None
        self._readings.append(read(before, self._meter.figures(), now))
        self._bad = troubles(self._readings, {each.kind for each in self._bad})

    def now(self) -> Reading:
        """Return the newest reading; one is made where there is none yet."""
        if not self._readings:
            self.look()
        return self._readings[-1]

    def bad(self) -> list[HostTrouble] | None:
        """Return what is bad; None while too little was read to tell."""
        return list(self._bad) if len(self._readings) >= ENOUGH else None
