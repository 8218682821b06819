"""Requests that a client may repeat without having them carried out twice, by a key of its own (`Idempotency-Key`)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request's row: whose it is, its key, the *digest* of what it asked, and its sealed *answer*, "" before there is one."""

    caller: str
    key: str
    digest: str
    begun_at: datetime
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: *body* is JSON, "" for nothing."""

    status: int
    body: str
