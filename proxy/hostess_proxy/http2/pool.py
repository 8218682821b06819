"""The connections of HTTP/2 to one target: requests share them, and a further one is opened only where all are full."""

from typing import TYPE_CHECKING

from hostess_proxy.http2.receiving import FIRST_STREAMS
from hostess_proxy.http2.upstream import Http2Upstream, UpstreamStream

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange


class Pool:
    """What is open to one target, and who waits for the connection that is being opened (*is_dialling*).

    How many requests a connection takes at once is known when its target's settings have come; until then, what the one before said.
    """

    __slots__ = ("_most", "_waiting", "connections", "is_dialling")

    def __init__(self) -> None:
        self.connections: list[Http2Upstream] = []
        self.is_dialling = False
        self._waiting: list[Exchange] = []
        self._most = FIRST_STREAMS

    def take(self) -> UpstreamStream | None:
        """Return a stream on a connection that has room."""
        for connection in self.connections:
            if connection.accepts:
                self._most = max(1, connection.max_streams)
            if connection.has_room(connection.max_streams if connection.accepts else self._most):
                return UpstreamStream(connection, reused=connection.accepts)
        return None

    def wait(self, exchange: "Exchange") -> None:
        """Let an exchange wait for the connection that is being opened."""
        self._waiting.append(exchange)

    def waiting(self) -> "list[Exchange]":
        """Return those that wait and still need to, who then wait no more."""
        waiting, self._waiting = self._waiting, []
        return [exchange for exchange in waiting if not exchange.ended]

    def add(self, connection: Http2Upstream) -> None:
        """Take a connection that was opened."""
        self.connections.append(connection)

    def remove(self, connection: Http2Upstream) -> None:
        """Let no more requests go to a connection."""
        if connection in self.connections:
            self.connections.remove(connection)

    def drop_idle(self, older_than: float, *, all_go: bool) -> None:
        """Close connections that rested since before *older_than*; where *all_go*, the others when they are done."""
        for connection in list(self.connections):
            if all_go or (not connection.streams and connection.idle_since < older_than):
                self.remove(connection)
                connection.go()
