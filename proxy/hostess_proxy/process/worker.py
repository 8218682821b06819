"""A worker process: serves the table it was given, and does what its supervisor asks over a socket.

Started as `python -m hostess_proxy.process.worker FD`. When the supervisor is gone it stops accepting, finishes what it holds, and
ends: the next supervisor brings workers of its own.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast

import uvloop

from hostess_proxy.control import wire
from hostess_proxy.control.questions import sums
from hostess_proxy.crowd import CLIENT_PLACES, Crowd, places_for
from hostess_proxy.databases.door import DatabaseTls
from hostess_proxy.downstream import Downstream
from hostess_proxy.draining import drain
from hostess_proxy.inside.listener import Doorway
from hostess_proxy.process.listeners import BACKLOG
from hostess_proxy.process.probe import Probe
from hostess_proxy.routes.holding import Sleeper
from hostess_proxy.routes.rate_limit import Rates
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import POSTGRES, REDIS, Table
from hostess_proxy.telemetry.access_log import AccessLog
from hostess_proxy.telemetry.counting import Numbers, key
from hostess_proxy.telemetry.log_lines import FORMATS
from hostess_proxy.tls.handshake import Handshake, Tls, ignore_odd_names
from hostess_proxy.traffic import TICK_SECONDS, Failing, Traffic

ORPHAN_GRACE_SECONDS = 30.0
LAST_WORDS_SECONDS = 1.0
# What a supervisor that was started from an older program does not tell: its workers are of the one that is installed now.
UNTOLD: Final[dict[str, Any]] = {
    "connections": 0,
    "connections_per_client": CLIENT_PLACES,
    "access_log_format": "json",
    "ticket_keys": "",
    "rates": None,
}


class Worker:
    """The traffic of this process and the questions about it."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._tls = Tls(traffic)
        self._databases = {protocol: DatabaseTls(traffic, protocol) for protocol in (POSTGRES, REDIS)}
        self.cancels = self._databases[POSTGRES].cancels
        self._servers: list[asyncio.Server] = []
        self._stop_by: float | None = None
        self._over = asyncio.Event()
        self._probe = Probe(traffic)
        self._told: dict[tuple[str, str], int] = {}

    async def listen(self, descriptor: int, kind: str) -> None:
        """Accept connections from a listening socket that was inherited."""
        listener = socket.socket(fileno=descriptor)
        if kind == "https":
            self._traffic.https_port = listener.getsockname()[1]
        server = await asyncio.get_running_loop().create_server(
            lambda: self._protocol(kind), sock=listener, backlog=BACKLOG
        )
        self._servers.append(server)

    def _protocol(self, kind: str) -> asyncio.Protocol:
        self._traffic.counters.note("connections_accepted", kind)
        if kind == "https":
            return Handshake(self._tls)
        if kind == "inside":
            return Doorway(self._traffic)
        if kind in self._databases:
            return self._databases[kind].door()
        return cast("asyncio.Protocol", Downstream(self._traffic, secure=False))

    def swap(self, table: Table) -> None:
        """Serve *table* from now on."""
        for tls in (self._tls, *self._databases.values()):
            tls.swap(table)
        self._traffic.swap(table)

    def share_tickets(self, keys: str) -> None:
        """Seal the sessions of TLS connections with *keys* (hex), as all workers do."""
        self._tls.share_tickets(bytes.fromhex(keys))

    async def tick_until_stopped(self) -> None:
        """Drive the timers; return when a stop was asked for and all connections have ended or the grace is over."""
        while self._stop_by is None or (self._traffic.clients and monotonic() < self._stop_by):
            self._traffic.tick()
            due = monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._traffic.counters.lag.add(max(monotonic() - due, 0.0))
        if self._traffic.cut_all():
            await asyncio.sleep(0)
        await self._traffic.dialer.close()
        self._over.set()

    def stop(self, grace: float) -> None:
        """Stop accepting at once, and end when everything has ended, or after *grace* seconds."""
        if self._stop_by is None:
            self._stop_by = monotonic() + grace
            for server in self._servers:
                server.close()
            self._traffic.drain()

    async def answer(self, op: str, question: wire.Message) -> wire.Message:
        """Answer one question of the supervisor."""
        match op:
            case "ping":
                ill = await self._probe.fails()
                if ill:
                    raise wire.RemoteError("ill", ill)
                return {"counted": self._counted(), **self._now()}
            case "table":
                self.swap(parse_table(question["table"]))
                return {"generation": self._traffic.targets.table.generation}
            case "in_flight" | "drain":
                return await self._about_targets(op, question)
            case "cancel":
                self.cancels.cancel(bytes.fromhex(question["key"]))
            case "tickets":
                self.share_tickets(question["keys"])
            case "stats" | "loads":
                return self._stats() if op == "stats" else {"loads": self._traffic.targets.loads()}
            case "stop":
                self.stop(question["grace"])
                await self._over.wait()
                return {"counted": self._counted()}
            case _:
                raise wire.RemoteError("unknown-op", f"there is no {op!r}")
        return {}

    async def _about_targets(self, op: str, question: wire.Message) -> wire.Message:
        targets = self._traffic.targets.at(question["targets"])
        if op == "drain":
            return {"cut": await drain(targets, question["within"], question["upgraded_within"])}
        return {"in_flight": sum(len(target.exchanges) for target in targets)}

    def _counted(self) -> Numbers:
        """Return what was counted since the last time, by whomever."""
        traffic = self._traffic
        tls = self._handshakes()
        before, self._told = (
            self._told,
            {
                ("tls_handshakes", "full"): tls["handshakes"] - tls["resumed"],
                ("tls_handshakes", "resumed"): tls["resumed"],
                ("tls_errors", "failed"): tls["failed"],
                ("tls_errors", "unknown-name"): tls["unknown_names"],
                ("connections_refused", "limit"): traffic.crowd.refused,
                ("connections_refused", "made-room"): traffic.crowd.evicted,
                ("log_lines_dropped", ""): traffic.log_lines_dropped,
            },
        )
        for (family, label), total in self._told.items():
            traffic.counters.note(family, label, total - before.get((family, label), 0))
        return traffic.counted()

    def _handshakes(self) -> dict[str, int]:
        return sums(tls.counts() for tls in (self._tls, *self._databases.values()))

    def _now(self) -> wire.Message:
        in_flight: dict[str, int] = {}
        tunnels = 0
        for exchange in self._traffic.targets.busy():
            tunnels += exchange.upgraded
            if exchange.counts is not None:
                names = key(*exchange.counts.names[:3])
                in_flight[names] = in_flight.get(names, 0) + 1
        return {"connections": len(self._traffic.clients), "in_flight": in_flight, "tunnels": tunnels}

    def _stats(self) -> wire.Message:
        traffic = self._traffic
        return {
            "pid": os.getpid(),
            "generation": traffic.targets.table.generation,
            "requests": traffic.requests,
            "connections": len(traffic.clients),
            "connections_refused": traffic.crowd.refused,
            "connections_evicted": traffic.crowd.evicted,
            "in_flight": traffic.targets.in_flight(),
            "ejections": traffic.ejections,
            "log_lines_dropped": traffic.log_lines_dropped,
            "tls": self._handshakes(),
            "broken_certificates": self._tls.certificates.broken,
        }


async def serve(control: socket.socket) -> None:
    """Be a worker until stopped."""
    reader, writer = await asyncio.open_unix_connection(sock=control, limit=wire.LINE_LIMIT)
    question = await anext(wire.messages(reader), None)
    if question is None:
        return
    question = {**UNTOLD, **question}
    log = None
    if question["access_log"] != "off":
        to_file = question["access_log"] == "file"
        log = AccessLog(Path(question["log_path"]) if to_file else None, FORMATS[question["access_log_format"]]())
    crowd = Crowd(places_for(question["connections"]), question["connections_per_client"])
    trusted = [ip_network(network) for network in question["trusted"]]
    traffic = Traffic(log, trusted, crowd, None if question["rates"] is None else Rates(question["rates"]))
    traffic.holding.call = partial(_call, writer)
    traffic.tell_failing = partial(_tell_failing, writer)
    worker = Worker(traffic)
    worker.cancels.elsewhere = partial(_cancel, writer)
    worker.swap(parse_table(question["table"]))
    if question["ticket_keys"]:
        worker.share_tickets(question["ticket_keys"])
    ignore_odd_names()
    for listener in question["listeners"]:
        await worker.listen(listener["descriptor"], listener["kind"])
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # the supervisor hears it, too, and decides
    loop.add_signal_handler(signal.SIGTERM, worker.stop, question["grace"])
    wire.reply(writer, question, {})
    _settle_memory()
    answering = loop.create_task(wire.answer_all(reader, writer, worker.answer))
    answering.add_done_callback(lambda _: worker.stop(ORPHAN_GRACE_SECONDS))
    await worker.tick_until_stopped()
    # A supervisor that has heard how it ended closes the stream.
    await asyncio.wait([answering], timeout=LAST_WORDS_SECONDS)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    if log is not None:
        await loop.run_in_executor(None, log.close)


def _call(writer: asyncio.StreamWriter, sleepers: list[Sleeper]) -> None:
    """Tell the supervisor for what requests are held."""
    wire.say(writer, "wanted", routes=sleepers)


def _tell_failing(writer: asyncio.StreamWriter, failing: Failing) -> None:
    """Tell the supervisor which targets have failed requests."""
    wire.say(writer, "failing", targets=failing)


def _cancel(writer: asyncio.StreamWriter, key: bytes) -> None:
    """Tell the supervisor that a statement is to be cancelled of a client that is not here."""
    wire.say(writer, "cancel", key=key.hex())


def _settle_memory() -> None:
    """Keep the collector off what was loaded, and let it come seldom: nothing here waits for it to be freed."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    _allow_many_files()
    uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))
