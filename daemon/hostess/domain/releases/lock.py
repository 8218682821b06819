"""The lock of an environment: somebody says why nothing new may go live there for now. Pure."""

from dataclasses import dataclass
from datetime import datetime

from hostess.domain.problem import Problem
from hostess.domain.releases.release import Kind

KEPT_OUT = frozenset({Kind.PUSH, Kind.ROLLBACK, Kind.PROMOTE, Kind.UPGRADE, Kind.ROTATION})
"""What would change which code, version or passwords run. Restarts and changes of scale go on: they keep alive what is live."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Set by hand, beside hostess.yml and releases; it holds until somebody takes it away."""

    project: str
    environment: str
    message: str
    actor: str
    since: datetime

    def __str__(self) -> str:
        told = f": {self.message}" if self.message else ""
        return f"locked by {self.actor} since {self.since:%Y-%m-%d %H:%M} UTC{told}"


def kept_out(lock: Lock | None, kind: Kind) -> Problem | None:
    """Return why a deployment of this kind is refused; None when it is not."""
    if lock is None or kind not in KEPT_OUT:
        return None
    return Problem(
        "locked",
        f"{lock.environment} of {lock.project} is {lock}",
        remedy=f"ask {lock.actor}, or take the lock away: `hostess unlock -p {lock.project} -e {lock.environment}`",
    )
