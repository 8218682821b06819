"""A client from outside and its database, once the handshake is done: bytes from one to the other, until either ends.

Who logs in is between the two of them; all that is read of it is the key by which a statement is cancelled. What is counted is a
database's connections: strangers who never log in must not take them all from the programs inside the stack.
"""

from time import monotonic
from typing import TYPE_CHECKING

from hostess_proxy import tcp
from hostess_proxy.crowd import share_of
from hostess_proxy.databases.cancelling import KeyReader
from hostess_proxy.databases.refusals import NOT_RUNNING, SAYING, TOO_MANY, Refusal
from hostess_proxy.exchange import HALF_CLOSED_SECONDS
from hostess_proxy.http1.headers import is_trusted
from hostess_proxy.inside.relay import Relay, RelayReplica
from hostess_proxy.tables.table import POSTGRES
from hostess_proxy.telemetry.relayed import Relayed

if TYPE_CHECKING:
    from hostess_proxy.databases.cancelling import Cancels
    from hostess_proxy.targets import LiveRoute, Target
    from hostess_proxy.traffic import Traffic


class DatabaseEnd(RelayReplica):
    """The database's end. A PostgreSQL tells its client by which key a statement is cancelled: that is noted."""

    __slots__ = ("_keys", "_relay")

    def __init__(self, relay: "DatabaseRelay", keys: KeyReader | None) -> None:
        super().__init__(relay)
        self._relay = relay
        self._keys = keys

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self._relay.sent += len(data)
        if self._keys is not None:
            key = self._keys.feed(data)
            if key:
                self._relay.has_key(key)
            if self._keys.over:
                self._keys = None
        super().data_received(data)


class DatabaseRelay(Relay):
    """The client's end. *protocol* and *host* say which database it asked for; *cancels* has the keys of all clients."""

    __slots__ = (
        "_address",
        "_began",
        "_cancels",
        "_host",
        "_key",
        "_led_to",
        "_names",
        "_protocol",
        "_received",
        "_refused",
        "sent",
    )

    def __init__(self, traffic: "Traffic", protocol: str, host: str, cancels: "Cancels") -> None:
        super().__init__(traffic)
        self._protocol = protocol
        self._host = host
        self._cancels = cancels
        self._key = b""
        self._refused: Refusal | None = None
        self._address = ""
        self._began = monotonic()
        self._led_to = ""
        self._names = ""
        self._received = 0
        self.sent = 0

    def live(self) -> "LiveRoute | None":
        """Return the way to the database by today's table; None where nobody opened it to the outside, or does no more."""
        _, route = self.traffic.targets.table.databases.get((self._protocol, self._host), (None, None))
        return route

    def enter(self) -> bool:
        """Count the client among all others, and among the connections of its address."""
        address = tcp.host_of(self.transport.get_extra_info("peername"))
        admitted = self.traffic.enter(self, "" if is_trusted(address, self.traffic.trusted) else share_of(address))
        if admitted:
            self._address = address
        return admitted

    def other_end(self) -> RelayReplica:
        """Return what speaks with the database."""
        return DatabaseEnd(self, KeyReader() if self._protocol == POSTGRES else None)

    def has_key(self, key: bytes) -> None:
        """Hear by which key the client's statements are cancelled."""
        if self._target is not None:
            self._key = key
            self._cancels.keep(key, self._target)

    def leave(self) -> None:
        """Count the connection out."""
        if self._key:
            self._cancels.forget(self._key)
            self._key = b""
        super().leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and write its line: nobody else knows the client's address."""
        super().connection_lost(exc)
        if not self._address:  # there was no place for it
            return
        self.traffic.log_relayed(
            Relayed(
                at=self.traffic.wall + self._began,
                address=self._address,
                protocol=self._protocol,
                host=self._host,
                names=self._names,
                target=self._led_to,
                received=self._received,
                sent=self.sent,
                seconds=monotonic() - self._began,
                error=self._refused.code if self._refused is not None else "",
            )
        )

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; what comes after a refusal is for nobody."""
        if self._refused is None:
            self._received += len(data)
            super().data_received(data)

    def recheck(self) -> None:
        """End it where the database is not open to the outside any more."""
        if self.live() is None:
            self.cut()

    def unreachable(self) -> None:
        """Tell the client why there is no database, if it is still there."""
        if self.transport.is_closing():
            return
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
            self._names = live.log
            held = sum(len(target.exchanges) for target in live.targets)
            if held >= database.connections:
                self._refused = TOO_MANY
                return None
        target = super()._pick(tried)
        self._led_to = target.address if target is not None else ""
        return target
