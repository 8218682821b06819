"""What all connections of one worker share: the table, the targets, the clock of deadlines, the log."""

import asyncio
import os
import sys
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from hostess_proxy.access_log import AccessLog
from hostess_proxy.balancing import answered, are_out, failed, too_many
from hostess_proxy.http1 import HeadReader
from hostess_proxy.targets import Target, Targets
from hostess_proxy.upstream import Upstream

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.headers import Networks
    from hostess_proxy.ports import Connection
    from hostess_proxy.table import Table
    from hostess_proxy.targets import LiveRoute

TICK_SECONDS: Final = 0.25
CONNECT_SECONDS: Final = 2.0
_CLOSE_IDLE_AFTER = 1.0
_LINE = (
    '{"ts":"%s","id":"%s","client":"%s","method":"%s","host":"%s","path":"%s","proto":"HTTP/1.%d","status":%d,'
    '"in":%d,"out":%d,"ms":%.3f,"upstream_ms":%.3f,%s,"target":"%s",'
    '"retries":%d,"end":"%s","error":"%s","ua":%s}\n'
)
_NO_ROUTE = '"project":"","service":"","release":""'


class Traffic:
    """The shared half of a worker. `tick` has to be called every TICK_SECONDS; deadlines are as coarse as that."""

    def __init__(self, log: AccessLog | None, trusted: "Networks" = ()) -> None:
        self.targets = Targets()
        self.heads = HeadReader()
        self.dialer = Dialer(self)
        self.clients: set[Connection] = set()
        self.trusted = trusted
        self.draining = False
        self.now = monotonic()
        self.requests = 0
        self.ejections = 0
        self._log = log
        # Unique, not secret: a random beginning for this worker and a number.
        self._ids = int.from_bytes(os.urandom(8), "big") << 64

    @property
    def log_lines_dropped(self) -> int:
        """How many lines the access log could not take."""
        return self._log.dropped if self._log is not None else 0

    def new_id(self) -> bytes:
        """Return 32 hex digits that no other request has."""
        self._ids += 1
        return b"%032x" % self._ids

    def swap(self, table: "Table") -> None:
        """Serve *table* from now on. What is open of those who may pass no more ends now; other requests keep their target."""
        self.targets.swap(table)
        for exchange in [client.exchange for client in self.clients if client.exchange is not None]:
            exchange.recheck()

    def blame(self, target: Target, live: "LiveRoute | None", *, connecting: bool = False) -> None:
        """Note that a target failed a request of a route: it let us not connect, or gave no response that is one."""
        now = monotonic()
        before = target.health
        among = live.targets if live is not None else ()
        is_canary = live is not None and live.is_canary  # then the stable release is there, too
        target.health = health = failed(before, now, connecting=connecting, others=is_canary or len(among) > 1)
        if health.pause and (before is None or not before.pause):
            self.ejections += 1
            none_is = not is_canary and too_many(len(are_out(among, now)), len(among))
            used = ", but used: more than half of the targets are" if none_is else ""
            _tell(f"{target.address} is out after failures{used}", live)

    def absolve(self, target: Target, live: "LiveRoute | None", began: float) -> None:
        """Note that a target against which something speaks has answered a request that *began* then."""
        if target.health is not None:
            before, target.health = target.health, answered(target.health, began)
            if before.pause and target.health is None:
                _tell(f"{target.address} is in again", live)

    def tick(self) -> None:
        """Let deadlines pass, close what rested too long, hand the log over."""
        self.now = now = monotonic()
        for client in [client for client in self.clients if client.deadline <= now]:
            client.expired(now)
        self.targets.sweep(now)
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
        """Write the line of an exchange that has ended."""
        self.requests += 1
        log = self._log
        if log is None:
            return
        request = exchange.request
        fields = request.fields
        started = exchange.started
        first_byte = exchange.first_byte
        route = exchange.live.log if exchange.live is not None else _NO_ROUTE
        target = exchange.target.address if exchange.target is not None else ""
        log.add(
            _LINE
            % (
                log.stamp(exchange.at),
                exchange.id.decode(),
                exchange.client.address,
                request.method.decode(),
                fields.log_host,
                # A target holds nothing else that JSON would mind.
                request.path.decode().replace('"', '\\"'),
                request.minor,
                exchange.status,
                exchange.received,
                exchange.sent,
                (monotonic() - started) * 1000,
                (first_byte - started) * 1000 if first_byte else 0.0,
                route,
                target,
                exchange.retries,
                end,
                exchange.error,
                fields.log_agent,
            )
        )

    def log_refusal(self, address: str, status: int, code: str, sent: int) -> None:
        """Write the line of a request that could not be read."""
        self.requests += 1
        log = self._log
        if log is not None:
            stamp = log.stamp(time())
            nothing = (_NO_ROUTE, "", 0, "refused", code, '""')
            log.add(_LINE % (stamp, "", address, "", "", "", 1, status, 0, sent, 0.0, 0.0, *nothing))


def _tell(what: str, live: "LiveRoute | None") -> None:
    service = live.route.service if live is not None else ""
    sys.stderr.write(f"hostess proxy: {service}: {what}\n")


class Dialer:
    """Opens connections to targets; each attempt is a task that is owned and ended here."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._tasks: set[asyncio.Task[None]] = set()

    def dial(self, target: Target, exchange: "Exchange") -> None:
        """Open a connection for *exchange*, which hears `connected` or `connect_failed`."""
        task = asyncio.get_running_loop().create_task(self._dial(target, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all attempts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _dial(self, target: Target, exchange: "Exchange") -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, upstream = await loop.create_connection(
                    lambda: Upstream(self._traffic, target), target.host, target.port
                )
        except OSError:  # a timeout is one, too
            exchange.connect_failed(target)
        else:
            exchange.connected(upstream)
