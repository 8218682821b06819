"""The way in by TLS: from a connection's first byte to the protocol that the handshake agreed on.

    first byte ─► handshake ─► SecureTransport and the protocol of PROTOCOLS
        │             ├── refused by an alert: no certificate for the name, nothing in common, no TLS at all
        │             └── a certificate authority's: answered by the handshake alone, then closed
        └── plain HTTP: 400

While authorities may ask something, OpenSSL begins when the whole ClientHello is there and was looked at; else at the first byte.
A handshake has a time limit. Where very many are open at once the oldest gives way: honest ones take a round trip or two.
"""

import asyncio
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from hostess_proxy.crowd import share_of
from hostess_proxy.http1.headers import is_trusted
from hostess_proxy.routes.pages import Answer, render
from hostess_proxy.tcp import host_of
from hostess_proxy.tls.alpn_challenges import AlpnChallenges
from hostess_proxy.tls.certificates import Certificates, Identity
from hostess_proxy.tls.client import SecureClient
from hostess_proxy.tls.client_hello import HelloReader
from hostess_proxy.tls.context import server_context, share_tickets
from hostess_proxy.tls.http2_client import SecureHttp2
from hostess_proxy.tls.transport import SecureTransport

if TYPE_CHECKING:
    from hostess_proxy.tables.table import Table
    from hostess_proxy.traffic import Traffic

HANDSHAKE_SECONDS: Final = 10.0
HANDSHAKES: Final = 256
PROTOCOLS: Final[dict[str, Callable[["Traffic", Identity], object]]] = {"h2": SecureHttp2, "http/1.1": SecureClient}
"""What is spoken after a handshake, by its name in ALPN, the best one first. Who names nothing speaks HTTP/1.1."""

_HANDSHAKE_RECORD = 22
_context_of_http = partial(server_context, tuple(PROTOCOLS))


class Hello(ssl.SSLObject):
    """A connection in OpenSSL's hands; *address* is our own that was connected to, *identity* what it was shown.

    Without an identity it has nothing to say after its handshake. *asked* is the name that a database was asked for by.
    """

    address: str
    identity: Identity | None = None
    asked: str = ""


class Tls:
    """What all TLS connections of one worker share that come in by one way. The counts are of handshakes, since its start.

    *make_context* gives a context without a certificate.
    """

    def __init__(
        self,
        traffic: "Traffic",
        make_context: Callable[[], ssl.SSLContext] = _context_of_http,
    ) -> None:
        self.traffic = traffic
        self.open: dict[Handshake, None] = {}  # in the order in which they began
        self.done = 0
        self.resumed = 0
        self.failed = 0
        self.unknown_names = 0
        self.certificates = Certificates(make_context)
        self.challenges = AlpnChallenges(Hello)
        # A connection begins with this context, whose tickets it gets, and is shown the certificate of another one.
        self._context = make_context()
        self._context.sni_callback = self.choose
        self._context.sslobject_class = Hello

    def swap(self, table: "Table") -> None:
        """Serve the certificates of *table* from now on, and answer its challenges."""
        self.certificates.swap(table.certificates)
        self.challenges.swap(table.challenges)

    def share_tickets(self, keys: bytes) -> None:
        """Seal session tickets with *keys* from now on, as the other workers do."""
        share_tickets(self._context, keys)

    def counts(self) -> dict[str, int]:
        """Return how many handshakes were done, how many of them resumed a session, how many failed, and for a name not served."""
        return {
            "handshakes": self.done,
            "resumed": self.resumed,
            "failed": self.failed,
            "unknown_names": self.unknown_names,
        }

    def hello(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, address: str) -> Hello:
        """Begin a handshake with who connected to *address*."""
        connection = cast("Hello", self._context.wrap_bio(incoming, outgoing, server_side=True))
        connection.address = address
        return connection

    def choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        """Choose the certificate for the name that is asked for; without one, refuse before any work is done."""
        hello = cast("Hello", connection)
        identity = self.certificates.find(name, hello.address)
        if identity is None:
            self.unknown_names += 1
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        hello.identity = identity
        hello.context = identity.context
        return None


class Handshake(asyncio.Protocol):
    """A connection until its handshake is done."""

    __slots__ = ("_connection", "_incoming", "_outgoing", "_reader", "_tls", "deadline", "traffic", "transport")
    transport: asyncio.Transport
    exchange = None

    def __init__(self, tls: Tls) -> None:
        self.traffic = tls.traffic
        self.deadline = tls.traffic.now + HANDSHAKE_SECONDS
        self._tls = tls
        self._connection: Hello | None = None
        self._reader: HelloReader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first byte."""
        self.transport = cast("asyncio.Transport", transport)
        address = host_of(transport.get_extra_info("peername"))
        self.traffic.enter(self, "" if is_trusted(address, self.traffic.trusted) else share_of(address))

    def data_received(self, data: bytes) -> None:
        """Take the client's part of the handshake."""
        connection = self._connection
        if connection is None:
            if data[0] != _HANDSHAKE_RECORD:
                self.refuse(data)
                return
            connection = self._begin()
        self._incoming.write(data)
        if self._reader is not None:
            chosen = self._choose(self._reader, data, connection)
            if chosen is None:
                return
            connection = chosen
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            self.transport.write(self._outgoing.read())
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            # The alert that says why is written.
            self.transport.write(self._outgoing.read())
            self._leave()
            self.transport.close()
        else:
            self._finish(connection)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- why it was lost changes nothing
        """Forget the connection."""
        self._leave()

    def expired(self, now: float) -> None:  # noqa: ARG002 -- there is but one deadline
        """Give up a handshake that takes too long."""
        self.give_up()

    def drain(self, by: float) -> None:
        """Do nothing: in a moment it is another connection."""

    def give_up(self) -> None:
        """End it without a word."""
        self._leave()
        self.transport.abort()

    def _begin(self) -> Hello:
        tls = self._tls
        if len(tls.open) >= HANDSHAKES:
            next(iter(tls.open)).give_up()
        tls.open[self] = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if tls.challenges.pending:
            self._reader = HelloReader()
        own = host_of(self.transport.get_extra_info("sockname"))
        self._connection = tls.hello(self._incoming, self._outgoing, f"[{own}]" if ":" in own else own)
        return self._connection

    def _choose(self, reader: HelloReader, data: bytes, connection: Hello) -> Hello | None:
        """Return the handshake that the client's first message is for: this one, or that of a challenge; None when it is not whole."""
        asked = reader.feed(data)
        if asked is None:
            return None
        self._reader = None
        context = self._tls.challenges.find(asked)
        if context is not None:
            connection = cast("Hello", context.wrap_bio(self._incoming, self._outgoing, server_side=True))
            self._connection = connection
        return connection

    def _finish(self, connection: Hello) -> None:
        tls = self._tls
        del tls.open[self]
        self.traffic.leave(self)
        self._connection = None
        tls.done += 1
        tls.resumed += connection.session_reused is True
        identity = connection.identity
        if identity is None:  # a challenge, as OpenSSL asks `Tls` for a certificate in all other handshakes
            with suppress(ssl.SSLError):
                connection.unwrap()
            self.transport.write(self._outgoing.read())
            self.transport.close()
            return
        client = self.client(connection, identity)
        if client is None:
            self.transport.close()
        else:
            SecureTransport(self.transport, connection, self._incoming, self._outgoing, client).begin()

    def client(self, connection: Hello, identity: Identity) -> asyncio.Protocol | None:
        """Return what speaks on a connection whose handshake is done; None for what is to be closed."""
        speak = PROTOCOLS[connection.selected_alpn_protocol() or "http/1.1"]
        return cast("asyncio.Protocol", speak(self.traffic, identity))

    def _leave(self) -> None:
        """Count it as failed, if it had begun."""
        self.traffic.leave(self)
        if self._connection is not None:
            self._connection = None
            self._tls.open.pop(self, None)
            self._tls.failed += 1

    def refuse(self, data: bytes) -> None:
        """Tell who speaks plain HTTP that this is the wrong port; there is nothing to say to others."""
        self.traffic.leave(self)
        if data[:1].isalpha():
            answer = Answer(400, "plain-http-to-https-port")
            head, body = render(answer, b"")
            self.traffic.log_refusal(
                host_of(self.transport.get_extra_info("peername")), answer.status, answer.code, len(body)
            )
            self.transport.write(head + b"Connection: close\r\n\r\n" + body)
        else:
            self._tls.failed += 1
        self.transport.close()


def ignore_odd_names() -> None:
    """Let `ssl` write nothing of names that are not ASCII: strangers send them, as often as they like. They are refused."""
    tell = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not (unraisable.exc_type is UnicodeDecodeError and isinstance(unraisable.object, bytes)):
            tell(unraisable)

    sys.unraisablehook = hook
