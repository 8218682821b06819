"""The supervisor: holds the listening sockets and the newest table, keeps workers running, answers the control socket.

It sees no request. Everything it tells a worker is the whole truth (a whole table), so a worker that is replaced misses nothing.
"""

import asyncio
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from hostess_proxy import rate_limit, table_file, wire
from hostess_proxy.calls import Calls
from hostess_proxy.counting import Numbers, add, key
from hostess_proxy.exposition import Now, render
from hostess_proxy.ledger import Ledger
from hostess_proxy.listeners import Listener
from hostess_proxy.metrics_page import MetricsPage
from hostess_proxy.settings import Settings
from hostess_proxy.table import Table, TableError
from hostess_proxy.table_parsing import parse_table
from hostess_proxy.tls_context import new_ticket_keys
from hostess_proxy.workers import Slot, descriptors

_ASK_SECONDS = 10.0
_TICKET_KEY_SECONDS = 24 * 3600.0
_CONNECTIONS = ("connections", "connections_refused", "connections_evicted")


class Supervisor:
    """The proxy of one data folder.

    With *table_from* (a table file that somebody else writes) the table is read from there again on SIGHUP, and published
    tables are not saved.
    """

    def __init__(
        self, settings: Settings, listeners: Sequence[Listener], table: Table, table_from: Path | None
    ) -> None:
        self._settings = settings
        self._listeners = [listener for listener in listeners if listener.kind != "metrics"]
        self._page_at = [listener for listener in listeners if listener.kind == "metrics"]
        self._folder = (table_from or settings.table_path).absolute().parent
        self._table = table.located(self._folder)
        self._ticket_keys = new_ticket_keys()
        self._table_from = table_from
        self._publishing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._calls = Calls()
        self._ledger = Ledger()
        self._rates = rate_limit.shared_memory()
        self._slots = [self._slot() for _ in range(settings.workers)]

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM or SIGINT; *ready* is called once, with a line for people, when connections are accepted."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload()))
        control = self._settings.run_dir / "proxy.sock"
        control.unlink(missing_ok=True)
        with wire.short_path(control) as name:
            server = await asyncio.start_unix_server(self._converse, name, limit=wire.LINE_LIMIT)
        control.chmod(0o660)
        pages = await MetricsPage(self.metrics).listen(self._page_at)
        try:
            async with asyncio.TaskGroup() as group:
                for slot in self._slots:
                    group.create_task(slot.keep(self._write_state))
                renewing = group.create_task(self._renew_ticket_keys())
                await self._until_ready_or(stop)
                if not stop.is_set():
                    self._write_state()
                    _notify_systemd()
                    ready(self._greeting())
                await stop.wait()
                renewing.cancel()
                await asyncio.gather(*(slot.stop(self._settings.drain_seconds) for slot in self._slots))
        finally:
            for each in (server, *pages):
                each.close()
            os.close(self._rates)
            for task in self._tasks:
                task.cancel()
            for name in ("proxy.sock", "proxy.json"):
                (self._settings.run_dir / name).unlink(missing_ok=True)

    async def publish(self, raw: object) -> int:
        """Make *raw* the table of all workers, and keep it on disk; return its generation. RemoteError: nothing has changed."""
        async with self._publishing:
            try:
                table = parse_table(raw)
            except TableError as error:
                raise wire.RemoteError("invalid-table", error.what, error.place) from error
            table = table.located(self._folder).numbered(max(self._table.generation + 1, table.generation))
            if self._table_from is None:
                try:
                    await asyncio.to_thread(table_file.save, self._settings.table_path, table)
                except OSError as error:
                    raise wire.RemoteError("table-not-saved", f"the table cannot be saved: {error}") from error
            self._table = table
            self._ledger.note("table_swaps")
            await asyncio.gather(*(slot.adopt(table.raw) for slot in self._slots))
            return table.generation

    async def answer(self, op: str, question: wire.Message) -> wire.Message:
        """Answer one question from the control socket."""
        match op:
            case "publish":
                # A caller that hangs up must not leave some workers with the old table.
                return {"generation": await asyncio.shield(self._begin(self.publish(question.get("table"))))}
            case "in_flight":
                answers = await self._ask_all("in_flight", _ASK_SECONDS, targets=_targets(question))
                return {"in_flight": sum(answer.get("in_flight", 0) for answer in answers)}
            case "drain":
                return {"cut": await self._drain(question)}
            case "stats" | "metrics":
                return await (self._stats() if op == "stats" else self._metrics())
            case "wanted":
                return {"routes": await self._calls.next(_seconds(question, "within", 30.0))}
            case "workers":
                return {"workers": self._pids(), "pid": os.getpid()}
            case _:
                raise wire.RemoteError("unknown-op", f"there is no {op!r}")

    async def _renew_ticket_keys(self) -> None:
        """Seal TLS sessions with other keys each day: who gets hold of today's cannot read what was recorded before."""
        while True:
            await asyncio.sleep(_TICKET_KEY_SECONDS)
            self._ticket_keys = new_ticket_keys()
            await self._ask_all("tickets", _ASK_SECONDS, keys=self._ticket_keys)

    async def metrics(self) -> str:
        """Return what was counted, and what holds now, as text for Prometheus."""
        answers = await self._ask_all("ping", _ASK_SECONDS)
        in_flight: Numbers = {}
        for answer in answers:
            add(in_flight, answer.get("in_flight", {}))
        now = Now(
            in_flight=in_flight,
            connections=sum(answer.get("connections", 0) for answer in answers),
            tunnels=sum(answer.get("tunnels", 0) for answer in answers),
            workers=len(self._pids()),
            generation=self._table.generation,
        )
        present = (key(*names) for names in self._table.releases())
        return render(self._ledger.total(present, monotonic()), now)

    async def _drain(self, question: wire.Message) -> int:
        within = _seconds(question, "within", 30.0)
        upgraded = _seconds(question, "upgraded_within", within)
        longest = max(within, upgraded) + _ASK_SECONDS
        targets = _targets(question)
        answers = await self._ask_all("drain", longest, targets=targets, within=within, upgraded_within=upgraded)
        return sum(answer.get("cut", 0) for answer in answers)

    async def _ask_all(self, op: str, seconds: float, /, **arguments: object) -> list[wire.Message]:
        return await asyncio.gather(*(slot.ask(op, seconds, **arguments) for slot in self._slots))

    async def _metrics(self) -> wire.Message:
        return {"text": await self.metrics()}

    async def _stats(self) -> wire.Message:
        answers = await self._ask_all("stats", _ASK_SECONDS)
        return {
            "generation": self._table.generation,
            "requests": sum(answer.get("requests", 0) for answer in answers),
            "tls": _sums(answer.get("tls", {}) for answer in answers),
            "broken_certificates": {
                name: what for one in answers for name, what in one.get("broken_certificates", {}).items()
            },
            **{name: sum(answer.get(name, 0) for answer in answers) for name in _CONNECTIONS},
            "ejections": sum(answer.get("ejections", 0) for answer in answers),
            "in_flight": _sums(answer.get("in_flight", {}) for answer in answers),
            "workers": [{**answer, "pid": slot.pid} for slot, answer in zip(self._slots, answers, strict=True)],
        }

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await wire.answer_all(reader, writer, self.answer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _reload(self) -> None:
        """Read the table file again; a bad one changes nothing."""
        if self._table_from is None:
            return
        try:
            table = await asyncio.to_thread(table_file.load_existing, self._table_from)
            await self.publish(table.raw)
        except TableError as error:
            sys.stderr.write(f"hostess proxy: the old table stays: {error}\n")

    def _slot(self) -> Slot:
        return Slot(self._listeners, self._first_words, [self._rates], self._calls.hear, self._ledger)

    async def _until_ready_or(self, stop: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(asyncio.gather(*(slot.ready.wait() for slot in self._slots)))]
        waits.append(asyncio.ensure_future(stop.wait()))  # type: ignore[arg-type]
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()

    def _begin(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _first_words(self) -> wire.Message:
        settings = self._settings
        return {
            "table": self._table.raw,
            "listeners": descriptors(self._listeners),
            "trusted": [str(network) for network in settings.trusted_proxies],
            "connections": settings.connections,
            "connections_per_client": settings.connections_per_client,
            "access_log": settings.access_log,
            "log_path": str(settings.log_path),
            "grace": settings.drain_seconds,
            "ticket_keys": self._ticket_keys,
            "rates": self._rates,
        }

    def _write_state(self) -> None:
        addresses = {listener.kind: listener.address for listener in self._listeners}
        state = {
            "pid": os.getpid(),
            "http": addresses.get("http", ""),
            "https": addresses.get("https", ""),
            "inside": addresses.get("inside", ""),
            "workers": self._pids(),
        }
        path = self._settings.run_dir / "proxy.json"
        beside = path.with_name("proxy.json.new")
        try:
            beside.write_text(json.dumps(state) + "\n", encoding="utf-8")
            beside.replace(path)
        except OSError as error:  # a full disk is no reason to stop serving
            sys.stderr.write(f"hostess proxy: {path} cannot be written: {error}\n")

    def _greeting(self) -> str:
        where = ", ".join(f"{listener.kind} on {listener.address}" for listener in self._listeners) or "nothing"
        return f"hostess proxy: serving {where} (pid {os.getpid()}, workers {len(self._slots)})"

    def _pids(self) -> list[int]:
        return [slot.pid for slot in self._slots if slot.pid]


def lock(run_dir: Path) -> int | None:
    """Return a descriptor that holds the lock of this folder until the process ends; None when another proxy has it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run_dir / "proxy.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sums(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


def _targets(question: wire.Message) -> list[str]:
    targets = question.get("targets")
    if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
        raise wire.RemoteError("invalid-question", "expected a list of targets", "targets")
    return targets


def _seconds(question: wire.Message, name: str, default: float) -> float:
    value = question.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise wire.RemoteError("invalid-question", "expected seconds", name)
    return float(value)


def _notify_systemd() -> None:
    """Tell systemd (Type=notify) that connections are accepted."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, suppress(OSError):
            notify.connect("\0" + where[1:] if where.startswith("@") else where)
            notify.send(b"READY=1")
