"""A client from outside and its database, once the handshake is done: bytes from one to the other, until either ends.

Who logs in is between the two of them; nothing of it is read here. What is counted is a database's connections: strangers who never
log in must not take them all from the programs inside the stack.
"""

from typing import TYPE_CHECKING

from hostess_proxy import tcp
from hostess_proxy.crowd import share_of
from hostess_proxy.databases.refusals import NOT_RUNNING, SAYING, TOO_MANY, Refusal
from hostess_proxy.exchange import HALF_CLOSED_SECONDS
from hostess_proxy.http1.headers import is_trusted
from hostess_proxy.inside.relay import Relay

if TYPE_CHECKING:
    from hostess_proxy.targets import LiveRoute, Target
    from hostess_proxy.traffic import Traffic


class DatabaseRelay(Relay):
    """The client's end. *protocol* and *host* say which database it asked for."""

    __slots__ = ("_host", "_protocol", "_refused")

    def __init__(self, traffic: "Traffic", protocol: str, host: str) -> None:
        super().__init__(traffic)
        self._protocol = protocol
        self._host = host
        self._refused: Refusal | None = None

    def live(self) -> "LiveRoute | None":
        """Return the way to the database by today's table; None where nobody opened it to the outside, or does no more."""
        _, route = self.traffic.targets.table.databases.get((self._protocol, self._host), (None, None))
        return route

    def enter(self) -> bool:
        """Count the client among all others, and among the connections of its address."""
        address = tcp.host_of(self.transport.get_extra_info("peername"))
        return self.traffic.enter(self, "" if is_trusted(address, self.traffic.trusted) else share_of(address))

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; what comes after a refusal is for nobody."""
        if self._refused is None:
            super().data_received(data)

    def recheck(self) -> None:
        """End it where the database is not open to the outside any more."""
        if self.live() is None:
            self.cut()

    def unreachable(self) -> None:
        """Tell the client why there is no database."""
        refused = self._refused = self._refused or NOT_RUNNING
        self.transport.write(SAYING[self._protocol](refused))
        # Read on: a connection that is closed with something unread is reset, and the client never sees why.
        self.deadline = self.traffic.now + HALF_CLOSED_SECONDS
        self.transport.resume_reading()
        self.transport.write_eof()

    def eof_received(self) -> bool:
        """Pass on that the client sends no more; who was refused has read why."""
        return self._refused is None and super().eof_received()

    def _pick(self, tried: "tuple[Target, ...]") -> "Target | None":
        """Return where the database is, unless it has as many connections from outside as it may."""
        database, _ = self.traffic.targets.table.databases.get((self._protocol, self._host), (None, None))
        live = self.live()
        if database is not None and live is not None:
            held = sum(len(target.exchanges) for target in live.targets)
            if held >= database.connections:
                self._refused = TOO_MANY
                return None
        return super()._pick(tried)
