"""Requests that a replica has failed, as the proxy tells: what is remembered of them, and for how long. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain.ports import FailedTarget

FORGOTTEN = timedelta(minutes=10)
KINDS = {"connect": "no connection", "closed": "closed without an answer", "invalid": "an answer that is none"}


@dataclass(frozen=True, slots=True)
class Failures:
    """So many *requests* since *since* got no proper answer, the last one at *at*, by *kind*; *out*: the proxy leaves the replica out."""

    requests: int
    kind: str
    out: bool
    since: datetime
    at: datetime

    def and_more(self, told: FailedTarget, now: datetime) -> "Failures":
        """Return what is remembered after more of them."""
        return Failures(self.requests + told.count, told.kind, told.out, self.since, now)

    def over(self, now: datetime) -> bool:
        """Whether that is long ago."""
        return now - self.at >= FORGOTTEN

    @property
    def text(self) -> str:
        """Return it in words."""
        requests = "a request" if self.requests == 1 else f"{self.requests} requests"
        return f"{requests} failed since {self.since:%H:%M:%S} UTC, the last one by {KINDS.get(self.kind, self.kind)}"


def first(told: FailedTarget, now: datetime) -> Failures:
    """Return what is remembered of the first of them."""
    return Failures(told.count, told.kind, told.out, now, now)
