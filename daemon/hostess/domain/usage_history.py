"""What the host and each service used, ten minutes to a record. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

SPAN: Final = timedelta(minutes=10)
KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class UsageSpan:
    """What was used within ten minutes from *began* on, by so many *readings*; without *service* by the whole host.

    *cpu* is in cores, *memory* in bytes, of all replicas together, on average; the peaks are those of one reading.
    """

    project: str
    environment: str
    service: str
    began: datetime
    readings: int
    cpu: float
    cpu_peak: float
    memory: int
    memory_peak: int

    @property
    def key(self) -> tuple[str, str, str]:
        """Whose it is."""
        return self.project, self.environment, self.service

    def with_reading(self, cpu: float, memory: int) -> "UsageSpan":
        """Return the record with one more reading."""
        return self.joined(replace(self, readings=1, cpu=cpu, cpu_peak=cpu, memory=memory, memory_peak=memory))

    def joined(self, other: "UsageSpan") -> "UsageSpan":
        """Return the record with the readings of another one of the same ten minutes."""
        count = self.readings + other.readings
        share = other.readings / count if count else 0.0
        return replace(
            self,
            readings=count,
            cpu=self.cpu + (other.cpu - self.cpu) * share,
            cpu_peak=max(self.cpu_peak, other.cpu_peak),
            memory=round(self.memory + (other.memory - self.memory) * share),
            memory_peak=max(self.memory_peak, other.memory_peak),
        )


def began_of(at: datetime) -> datetime:
    """Return when the ten minutes began that *at* is in: each hour has the same six."""
    return at.replace(minute=at.minute - at.minute % (SPAN.seconds // 60), second=0, microsecond=0)


def empty(key: tuple[str, str, str], began: datetime) -> UsageSpan:
    """Return a record without any reading."""
    return UsageSpan(*key, began, readings=0, cpu=0.0, cpu_peak=0.0, memory=0, memory_peak=0)
