"""The way in to databases from outside: to the end of the handshake, which says by its name (SNI) which database is meant.

    postgres:  SSLRequest ─► "S" ─► handshake ─► DatabaseRelay        a StartupMessage: told that it takes TLS
               GSSENCRequest ─► "N" ─► one of these again             a CancelRequest: passed on to whose key it has
               handshake at once, with "postgresql" in ALPN (from PostgreSQL 17 on)
    redis:     handshake ─► DatabaseRelay

Who asks for a name that no database here has, or for none, gets the alert "unrecognized_name", and learns nothing of what there is.
"""

import ssl
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy.databases.cancelling import CANCEL_REQUEST, LONGEST, SHORTEST, Cancels
from hostess_proxy.databases.refusals import NEEDS_TLS, SAYING
from hostess_proxy.databases.relay import DatabaseRelay
from hostess_proxy.http1.headers import ip_of, lies_in
from hostess_proxy.tables.table import POSTGRES, REDIS
from hostess_proxy.tcp import host_of
from hostess_proxy.tls.certificates import Identity
from hostess_proxy.tls.context import server_context
from hostess_proxy.tls.handshake import Handshake, Hello, Tls

if TYPE_CHECKING:
    import asyncio

    from hostess_proxy.traffic import Traffic

ALPN: Final = {POSTGRES: ("postgresql",), REDIS: ()}
"""What a protocol is called in ALPN; nobody has a name for that of redis."""

_HANDSHAKE_RECORD = 22
_REQUEST_HEAD = 8
_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_STARTUP_VERSION = 3  # the major one


def _context(protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context without tickets: connections to databases are kept open, and few."""
    context = server_context(protocols)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    return context


class DatabaseTls(Tls):
    """What all connections of one worker share that come by the listener of one *protocol*."""

    def __init__(self, traffic: "Traffic", protocol: str) -> None:
        super().__init__(traffic, partial(_context, ALPN[protocol]))
        self.protocol = protocol
        self.cancels = Cancels()

    def door(self) -> "Door":
        """Return what a new connection begins with."""
        return PostgresDoor(self) if self.protocol == POSTGRES else Door(self)

    def choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        """Choose the certificate of the database that is asked for; what is none is refused before any work is done."""
        asked = (name or "").lower().removesuffix(".")
        if (self.protocol, asked) not in self.traffic.targets.table.databases:
            self.unknown_names += 1
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        cast("Hello", connection).asked = asked
        return super().choose(connection, asked, context)


class Door(Handshake):
    """A connection until its handshake is done, which begins at once."""

    __slots__ = ("_cancels", "_protocol")

    def __init__(self, tls: DatabaseTls) -> None:
        super().__init__(tls)
        self._protocol = tls.protocol
        self._cancels = tls.cancels

    def client(self, connection: Hello, identity: Identity) -> "asyncio.Protocol | None":
        """Return the relay to the database; None for who may not come there, or where it was closed during the handshake."""
        del identity
        database, _ = self.traffic.targets.table.databases.get((self._protocol, connection.asked), (None, None))
        address = ip_of(host_of(self.transport.get_extra_info("peername")))
        if database is None or (database.allow and not lies_in(address, database.allow)):
            return None
        return DatabaseRelay(self.traffic, self._protocol, connection.asked, self._cancels)

    def refuse(self, data: bytes) -> None:
        """Close what is no TLS: there is no word that whoever this is would understand."""
        del data
        self.turn_away(b"")

    def turn_away(self, word: bytes) -> None:
        """Say a last word, and close."""
        self._tls.failed += 1
        self.traffic.leave(self)
        if word:
            self.transport.write(word)
        self.transport.close()


class PostgresDoor(Door):
    """A connection of PostgreSQL's protocol, which asks whether there is TLS, or begins with it."""

    __slots__ = ("_asked", "_begun", "_gave_up_gss")

    def __init__(self, tls: DatabaseTls) -> None:
        super().__init__(tls)
        self._begun = b""
        self._asked = False
        self._gave_up_gss = False

    def client(self, connection: Hello, identity: Identity) -> "asyncio.Protocol | None":
        """Return the relay. Who did not ask for TLS has to name the protocol: it might be anything that a browser was made to send."""
        if not self._asked and connection.selected_alpn_protocol() is None:
            return None
        return super().client(connection, identity)

    def data_received(self, data: bytes) -> None:
        """Take what comes before the handshake, and the client's part of that."""
        if self._asked or self._connection is not None:
            super().data_received(data)
            return
        begun = self._begun = self._begun + data
        if begun[0] == _HANDSHAKE_RECORD:
            super().data_received(begun)
        elif len(begun) >= _REQUEST_HEAD:
            length, code = int.from_bytes(begun[:4]), int.from_bytes(begun[4:_REQUEST_HEAD])
            if code == CANCEL_REQUEST and SHORTEST <= length <= LONGEST:
                self._cancel(length)
            else:
                self._answer(length, code)

    def _cancel(self, length: int) -> None:
        """Pass a request on once it is whole; it has no answer but the end, whether anything was done or not."""
        if len(self._begun) >= length:
            self._cancels.wanted(self._begun[_REQUEST_HEAD:length])
            self.traffic.leave(self)
            self.transport.close()

    def _answer(self, length: int, code: int) -> None:
        """Answer a request of so many bytes, the first ones of which are there."""
        # What was sent behind the question was not encrypted, and somebody else may have put it there (CVE-2021-23214).
        alone = len(self._begun) == length == _REQUEST_HEAD
        self._begun = b""
        if code == _SSL_REQUEST and alone:
            self._asked = True
            self.transport.write(b"S")
        elif code == _GSS_REQUEST and alone and not self._gave_up_gss:
            self._gave_up_gss = True
            self.transport.write(b"N")
        elif code >> 16 == _STARTUP_VERSION:
            self.turn_away(SAYING[POSTGRES](NEEDS_TLS))
        else:
            self.turn_away(b"")
