"""What keeps requests away from services that run: maintenance answers them with a page, a pause lets them wait. Pure.

Both are set by hand, beside hostess.yml and releases: no deployment and no rollback changes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hostess.domain.waits import is_over

RETRY_AFTER = 60
PAUSE_SECONDS = 30
PAUSE_REQUESTS = 1000


class Closing(StrEnum):
    """The two ways."""

    MAINTENANCE = "maintenance"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Closure:
    """One service, or with "" all of an environment, closed by somebody.

    Maintenance has a *message* ("" for the proxy's own), seconds to come back in, and networks that may come all the same. A pause has
    the number of *requests* that wait at most, by each worker of the proxy, and ends by itself at *until*.
    """

    project: str
    environment: str
    kind: Closing
    service: str
    since: datetime
    actor: str
    message: str = ""
    retry_after: int = RETRY_AFTER
    allow: tuple[str, ...] = ()
    requests: int = PAUSE_REQUESTS
    until: datetime | None = None

    @property
    def length(self) -> timedelta:
        """How long a pause is in all."""
        return self.until - self.since if self.until else timedelta(0)


def over(closure: Closure, now: datetime) -> bool:
    """Whether a closure has ended by itself, be it that the clock was set back since it began: nobody waits for that."""
    return closure.until is not None and is_over(closure.until, now, closure.length)


def closing(closures: Iterable[Closure], kind: Closing, service: str) -> Closure | None:
    """Return what closes a service: its own closure before that of the whole environment. *closures* are those of its environment."""
    found = {each.service: each for each in closures if each.kind is kind and each.service in {"", service}}
    return found.get(service) or found.get("")
