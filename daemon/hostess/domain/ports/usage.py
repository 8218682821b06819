"""What a replica uses, by the kernel's own count."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container has used: seconds of CPU since it was made, and bytes of memory that it would not give back."""

    cpu: float
    memory: int


class UsageMeter(Protocol):
    """Reads it; cheap, as it is done for every replica each few seconds."""

    def of(self, container: str) -> Usage | None:
        """Return what the container with this full id uses; None where that is not known."""
