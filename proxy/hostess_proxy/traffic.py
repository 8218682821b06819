"""What all connections of one worker share: the table, the targets, the clock of deadlines, the log."""

import os
import sys
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from hostess_proxy.balancing import answered, are_out, failed, too_many
from hostess_proxy.crowd import Crowd
from hostess_proxy.dialing import Dialer
from hostess_proxy.http1.heads import HeadReader
from hostess_proxy.routes.holding import Holding
from hostess_proxy.routes.rate_limit import Rates
from hostess_proxy.targets import Target, Targets
from hostess_proxy.telemetry.access_log import AccessLog
from hostess_proxy.telemetry.counting import Numbers
from hostess_proxy.telemetry.log_lines import JsonLines
from hostess_proxy.telemetry.relayed import Relayed

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostess_proxy.exchange import Exchange
    from hostess_proxy.http1.headers import Networks
    from hostess_proxy.ports import Connection
    from hostess_proxy.tables.table import Table
    from hostess_proxy.targets import LiveRoute

Failing = dict[str, tuple[int, str, bool]]
"""Target -> how many requests it has failed since that was last told, how the last one, and whether it is out."""

TICK_SECONDS: Final = 0.25
_CLOSE_IDLE_AFTER = 1.0
_TAILS = tuple(b"%03x" % i for i in range(4096))


class Traffic:
    """The shared half of a worker. `tick` has to be called every TICK_SECONDS; deadlines are as coarse as that."""

    def __init__(
        self, log: AccessLog | None, trusted: "Networks" = (), crowd: Crowd | None = None, rates: Rates | None = None
    ) -> None:
        self.targets = Targets()
        self.counters = self.targets.counters
        self.holding = Holding()
        self.rates = rates or Rates.of_one_process()
        self.heads = HeadReader()
        self.dialer = Dialer(self)
        self.clients: set[Connection] = set()
        self.crowd = crowd or Crowd()
        self.trusted = trusted
        self.draining = False
        self.https_port = 443
        self.now = monotonic()
        self.wall = time() - self.now  # how far the wall clock is ahead of the monotonic one
        self.requests = 0
        self.ejections = 0
        self.encoding = 0  # responses that are being compressed in pieces
        self.tell_failing: Callable[[Failing], None] = _nobody
        self._failing: Failing = {}
        self._log = log
        self._lines = log.lines if log is not None else JsonLines()
        # Unique, not secret: a random beginning for this worker and a number, whose last digits are ready.
        self._ids = 0
        self._ids_begin = os.urandom(8).hex().encode()
        self._ids_stem = b""

    @property
    def log_lines_dropped(self) -> int:
        """How many lines the access log could not take."""
        return self._log.dropped if self._log is not None else 0

    def new_id(self) -> bytes:
        """Return 32 hex digits that no other request has."""
        tail = self._ids & 0xFFF
        if not tail:
            self._ids_stem = b"%b%013x" % (self._ids_begin, self._ids >> 12)
        self._ids += 1
        return self._ids_stem + _TAILS[tail]

    def enter(self, client: "Connection", share: str) -> bool:
        """Take a connection among the clients, counted under *share* (see `share_of`); where there is no place for it, close it."""
        admitted = self.crowd.admits(client, share, self.clients, self.now)
        if admitted:
            self.clients.add(client)
        else:
            client.transport.abort()
        return admitted

    def leave(self, client: "Connection") -> None:
        """Forget a connection."""
        self.clients.discard(client)
        self.crowd.left(client)

    def swap(self, table: "Table") -> None:
        """Serve *table* from now on. What is open of those who may pass no more ends now; other requests keep their target.

        Requests that were held begin anew.
        """
        self.targets.swap(table)
        for exchange in [client.exchange for client in self.clients if client.exchange is not None]:
            exchange.recheck()
        self.holding.release()

    def blame(
        self, target: Target | None, live: "LiveRoute | None", kind: str = "connect", *, connecting: bool = False
    ) -> None:
        """Note that a target failed a request of a route: it let us not connect, or gave no response that is one.

        *kind* is how, as in the metric `upstream_errors`.
        """
        if target is None:
            return
        now = monotonic()
        before = target.health
        among = live.targets if live is not None else ()
        is_canary = live is not None and live.is_canary  # then the stable release is there, too
        target.health = health = failed(before, now, connecting=connecting, others=is_canary or len(among) > 1)
        if health.pause and (before is None or not before.pause):
            self.ejections += 1
            if live is not None and live.counts is not None:
                live.counts.ejections += 1
            none_is = not is_canary and too_many(len(are_out(among, now)), len(among))
            used = ", but used: more than half of the targets are" if none_is else ""
            _tell(f"{target.address} is out after failures{used}", live)
        count, *_ = self._failing.get(target.address, (0,))
        self._failing[target.address] = count + 1, kind, health.out_until > now

    def absolve(self, target: Target | None, live: "LiveRoute | None", began: float) -> None:
        """Note that a target against which something speaks has answered a request that *began* then."""
        if target is not None and target.health is not None:
            before, target.health = target.health, answered(target.health, began)
            if before.pause and target.health is None:
                _tell(f"{target.address} is in again", live)

    def counted(self) -> Numbers:
        """Return what was counted since the last time."""
        return self.counters.take(self.now, (exchange.counts for exchange in self.targets.busy()))

    def tick(self) -> None:
        """Let deadlines pass, close what rested too long, hand the log over."""
        self.now = now = monotonic()
        self.wall = time() - now
        for client in [client for client in self.clients if client.deadline <= now]:
            client.expired(now)
        self.targets.sweep(now)
        self.holding.sweep(now)
        if self._failing:
            failing, self._failing = self._failing, {}
            self.tell_failing(failing)
        if self._log is not None:
            self._log.flush()

    def drain(self) -> None:
        """Say `Connection: close` from now on, and close idle connections after a moment."""
        self.draining = True
        by = self.now + _CLOSE_IDLE_AFTER
        for client in self.clients:
            client.drain(by)

    def cut_all(self) -> int:
        """End all exchanges and close all connections; return how many exchanges there were."""
        exchanges = [client.exchange for client in self.clients if client.exchange is not None]
        for exchange in exchanges:
            exchange.cut()
        for client in list(self.clients):
            client.transport.close()
        return len(exchanges)

    def log_exchange(self, exchange: "Exchange", end: str) -> None:
        """Count an exchange that has ended, and write its line."""
        self.requests += 1
        now = monotonic()
        live = exchange.live
        counts = live.counts if live is not None else None
        (counts or self.counters.nobody).ended(exchange, end, now - exchange.started)
        log = self._log
        if log is not None:
            log.add(self._lines.exchange(exchange, end, now))

    def log_relayed(self, relayed: Relayed) -> None:
        """Write the line of a connection to a database that has ended."""
        log = self._log
        if log is not None:
            log.add(self._lines.relayed(relayed))

    def log_refusal(self, address: str, status: int, code: str, sent: int, *, minor: int = 1) -> None:
        """Count a request that could not be read, and write its line."""
        self.requests += 1
        self.counters.nobody.unreadable(status, sent)
        self.counters.note("requests_refused", code)
        log = self._log
        if log is not None:
            log.add(self._lines.refusal(time(), address, status, code, sent, minor))


def _nobody(_: Failing) -> None:
    """Tell nobody."""


def _tell(what: str, live: "LiveRoute | None") -> None:
    service = live.route.service if live is not None else ""
    sys.stderr.write(f"hostess proxy: {service}: {what}\n")
