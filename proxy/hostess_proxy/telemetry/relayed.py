"""What is told of a connection to a database from outside that has ended."""

from typing import NamedTuple


class Relayed(NamedTuple):
    """A connection to a database from outside that has ended: when it began, whose it was, where it led, how much was passed on.

    *error* says why it was refused, "" where it was not.
    """

    at: float
    address: str
    protocol: str
    host: str
    names: str
    target: str
    received: int
    sent: int
    seconds: float
    error: str

    @property
    def status(self) -> int:
        """What an answer to a request would have: 200, or 503 for who was refused."""
        return 503 if self.error else 200
