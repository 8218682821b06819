"""The supervisor: holds the listening sockets and the newest table, keeps workers running, answers the control socket.

It sees no request. Everything it tells a worker is the whole truth (a whole table), so a worker that is replaced misses nothing. It
may take the place of another supervisor (`elder`), and be followed by a newer one (`heir`); then the older one, while it finishes
what it holds, is asked whatever workers are asked.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from hostess_proxy.control import questions, wire
from hostess_proxy.control.failing import Unasked
from hostess_proxy.control.serving import ControlSocket
from hostess_proxy.process.crew import Crew
from hostess_proxy.process.elder import Elder
from hostess_proxy.process.estate import Estate
from hostess_proxy.process.facts import Facts, keep_alive, notify_systemd
from hostess_proxy.process.heir import Heir, HeirError
from hostess_proxy.process.workers import Slot, descriptors
from hostess_proxy.settings import Settings, SettingsError
from hostess_proxy.tables import file as table_file
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import TableError
from hostess_proxy.telemetry.answers import answers
from hostess_proxy.telemetry.counting import BUCKETS, Numbers, add
from hostess_proxy.telemetry.exposition import Now, render
from hostess_proxy.telemetry.ledger import Ledger
from hostess_proxy.telemetry.log_rotation import keep_small
from hostess_proxy.telemetry.metrics_page import MetricsPage
from hostess_proxy.tls.context import new_ticket_keys

MAX_WORKERS: Final = 256
HEIR_SECONDS: Final = 20.0
_ASK_SECONDS = 10.0
_FORWARD_SECONDS = 60.0
_TICKET_KEY_SECONDS = 24 * 3600.0
_CONNECTIONS = ("connections", "connections_refused", "connections_evicted")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a supervisor has things from: *settings* reads them again, *program* is the command line that starts the next one.

    With *table_from* (a table file that somebody else writes) the table is read from there again on SIGHUP, and published
    tables are not saved.
    """

    settings: Callable[[], Settings]
    program: Sequence[str]
    table_from: Path | None = None


class Supervisor:
    """The proxy of one data folder. With *elder* it takes the place of another one."""

    def __init__(self, settings: Settings, estate: Estate, origin: Origin, elder: Elder | None = None) -> None:
        self._settings = settings
        self._origin = origin
        self._folder = (origin.table_from or settings.table_path).absolute().parent
        self._estate = replace(estate, table=estate.table.located(self._folder))
        self._elder = elder
        self._heir: Heir | None = None
        self._serving = [listener for listener in estate.listeners if listener.kind != "metrics"]
        self._facts = Facts(settings.run_dir / "proxy.json", self._serving)
        self._control = ControlSocket(settings.run_dir / "proxy.sock", self.answer)
        self._publishing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._unasked = Unasked()
        self._ledger = Ledger()

    # ---- its life

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM or SIGINT, or until an heir serves; *ready* is called once, with a line for people."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload()))
        if self._elder is None:
            await self._control.open()
        else:
            await self._elder.listen(self._hear_elder)
        pages = MetricsPage(self.metrics)
        shown = await pages.listen(listener for listener in self._estate.listeners if listener.kind == "metrics")
        try:
            async with asyncio.TaskGroup() as group:
                self._crew = Crew(self._slot, self._write_facts, group)
                self._crew.resize(self._settings.workers, self._settings.drain_seconds)
                works = (self._renew_ticket_keys(), self._rotate_log(), self._facts.keep(self._write_facts))
                chores = [group.create_task(work) for work in works]
                await self._until_ready_or_stopped()
                if not self._stop.is_set():
                    await self._take_place()
                    ready(self._facts.greeting(self._crew.pids))
                    chores.append(group.create_task(keep_alive()))
                await self._stop.wait()
                for chore in chores:
                    chore.cancel()
                for each in shown:
                    each.close()
                await self._end(self._settings.drain_seconds)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _take_place(self) -> None:
        """Be the proxy of this folder for all who ask."""
        if self._elder is None:
            self._write_facts()
            notify_systemd("READY=1")
            return
        await self._elder.tell("ready")
        await self._control.open()
        self._facts.write(self._crew.pids)
        await self._elder.tell("done")

    async def _end(self, grace: float) -> None:
        """Let workers finish what they hold, and let go of everything; what an heir has taken over stays as it is."""
        heir = self._heir
        if heir is not None and not heir.took_over:
            await heir.kill()
            heir = None
        await self._crew.stop(grace)
        if self._elder is not None:
            await self._elder.gone(grace)
        await self._control.close()
        if heir is not None:
            heir.say("counted", counted=self._ledger.take())
            await heir.leave()
            return
        for name in ("proxy.sock", "proxy.json"):
            (self._settings.run_dir / name).unlink(missing_ok=True)

    async def _until_ready_or_stopped(self) -> None:
        waits: list[asyncio.Future[Any]] = [*map(asyncio.ensure_future, (self._crew.ready(), self._stop.wait()))]
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()

    async def _reload(self) -> None:
        """Read the settings and the table file again; of the settings only the number of workers changes now."""
        try:
            settings = await asyncio.to_thread(self._origin.settings)
            if settings.workers != self._settings.workers:
                self._settings = replace(self._settings, workers=settings.workers)
                self._crew.resize(settings.workers, self._settings.drain_seconds)
            if self._origin.table_from is not None:
                table = await asyncio.to_thread(table_file.load_existing, self._origin.table_from)
                await self.publish(table.raw)
        except SettingsError as error:
            sys.stderr.write(f"hostess proxy: the old settings stay: {error}\n")
        except TableError as error:
            sys.stderr.write(f"hostess proxy: the old table stays: {error}\n")

    # ---- what it is asked

    async def answer(self, op: str, question: wire.Message) -> wire.Message:
        """Answer one question from the control socket. Who still asks here after a newer program took over is answered by that."""
        if self._heir is not None and self._heir.took_over:
            return await self._forward(op, question)
        if op == "publish":
            # A caller that hangs up must not leave some workers with the old table.
            return await asyncio.shield(self._begin(self._published(question)))
        handlers: dict[str, Callable[[wire.Message], Coroutine[Any, Any, wire.Message]]] = {
            "in_flight": self._in_flight,
            "drain": self._drain,
            "stats": self._stats,
            "loads": self._loads,
            "metrics": self._metrics,
            "answers": self._answers,
            "wanted": self._wanted,
            "failing": self._failed,
            "workers": self._workers,
            "upgrade": self._upgrade,
        }
        if (handler := handlers.get(op)) is None:
            raise wire.RemoteError("unknown-op", f"there is no {op!r}")
        return await handler(question)

    async def publish(self, raw: object) -> int:
        """Make *raw* the table of all workers, and keep it on disk; return its generation. RemoteError: nothing has changed."""
        async with self._publishing:
            if self._heir is not None and self._heir.took_over:
                return int((await self._forward("publish", {"table": raw}))["generation"])
            try:
                table = parse_table(raw)
            except TableError as error:
                raise wire.RemoteError("invalid-table", error.what, error.place) from error
            before = self._estate.table.generation
            table = table.located(self._folder).numbered(max(before + 1, table.generation))
            if self._origin.table_from is None:
                try:
                    await asyncio.to_thread(table_file.save, self._settings.table_path, table)
                except OSError as error:
                    raise wire.RemoteError("table-not-saved", f"the table cannot be saved: {error}") from error
            self._estate = replace(self._estate, table=table)
            self._ledger.note("table_swaps")
            await asyncio.gather(self._crew.adopt(table.raw), self._ask_elder("table", _ASK_SECONDS, table=table.raw))
            return table.generation

    async def metrics(self) -> str:
        """Return what was counted, and what holds now, as text for Prometheus."""
        answers = await self._ask_all("ping", _ASK_SECONDS)
        if self._heir is not None and self._heir.took_over:  # while that was asked: the sums are its own now
            return str((await self._forward("metrics", {}))["text"])
        in_flight: Numbers = {}
        for answer in answers:
            add(in_flight, answer.get("in_flight", {}))
        now = Now(
            in_flight=in_flight,
            connections=sum(answer.get("connections", 0) for answer in answers),
            tunnels=sum(answer.get("tunnels", 0) for answer in answers),
            workers=len(self._crew.pids),
            generation=self._estate.table.generation,
        )
        return render(self._counted(), now)

    def _counted(self) -> Numbers:
        return self._ledger.total(self._estate.table.releases(), monotonic())

    async def _published(self, question: wire.Message) -> wire.Message:
        return {"generation": await self.publish(question.get("table"))}

    async def _in_flight(self, question: wire.Message) -> wire.Message:
        answers = await self._ask_all("in_flight", _ASK_SECONDS, targets=questions.targets(question))
        return {"in_flight": sum(answer.get("in_flight", 0) for answer in answers)}

    async def _drain(self, question: wire.Message) -> wire.Message:
        within = questions.seconds(question, "within", 30.0)
        upgraded = questions.seconds(question, "upgraded_within", within)
        longest, targets = max(within, upgraded) + _ASK_SECONDS, questions.targets(question)
        answers = await self._ask_all("drain", longest, targets=targets, within=within, upgraded_within=upgraded)
        return {"cut": sum(answer.get("cut", 0) for answer in answers)}

    async def _stats(self, _: wire.Message) -> wire.Message:
        answers = await self._ask_all("stats", _ASK_SECONDS)
        return {
            "generation": self._estate.table.generation,
            "requests": sum(answer.get("requests", 0) for answer in answers),
            "tls": questions.sums(answer.get("tls", {}) for answer in answers),
            "broken_certificates": {
                name: what for one in answers for name, what in one.get("broken_certificates", {}).items()
            },
            **{name: sum(answer.get(name, 0) for answer in answers) for name in _CONNECTIONS},
            "ejections": sum(answer.get("ejections", 0) for answer in answers),
            "in_flight": questions.sums(answer.get("in_flight", {}) for answer in answers),
            "workers": answers,
        }

    async def _loads(self, _: wire.Message) -> wire.Message:
        return {"loads": questions.loads(each.get("loads", {}) for each in await self._ask_all("loads", _ASK_SECONDS))}

    async def _metrics(self, _: wire.Message) -> wire.Message:
        return {"text": await self.metrics()}

    async def _answers(self, _: wire.Message) -> wire.Message:
        await self._ask_all("ping", _ASK_SECONDS)  # they answer with what they have counted
        total = self._counted()  # "answers" is for a daemon that knows nothing of environments
        return {"bounds": BUCKETS, "answers": answers(total["services"]), "places": answers(total["places"])}

    async def _wanted(self, question: wire.Message) -> wire.Message:
        return {"routes": await self._unasked.calls.next(questions.seconds(question, "within", 30.0))}

    async def _failed(self, question: wire.Message) -> wire.Message:
        return {"targets": await self._unasked.failing.next(questions.seconds(question, "within", 30.0))}

    async def _workers(self, question: wire.Message) -> wire.Message:
        if "count" in question:
            count = questions.count(question, "count", MAX_WORKERS)
            self._settings = replace(self._settings, workers=count)
            self._crew.resize(count, self._settings.drain_seconds)
            await self._crew.soon_ready()
        return {"workers": self._crew.pids, "pid": os.getpid()}

    async def _ask_all(self, op: str, seconds: float, /, **arguments: object) -> list[wire.Message]:
        own, older = await asyncio.gather(
            self._crew.ask(op, seconds, **arguments), self._ask_elder(op, seconds, **arguments)
        )
        return own + older

    async def _ask_elder(self, op: str, seconds: float, /, **arguments: object) -> list[wire.Message]:
        return await self._elder.ask(op, seconds, **arguments) if self._elder is not None else []

    # ---- what comes before and after it

    async def _upgrade(self, question: wire.Message) -> wire.Message:
        # A caller that hangs up must not leave two programs behind.
        return await asyncio.shield(self._begin(self._hand_over(question)))

    async def _hand_over(self, question: wire.Message) -> wire.Message:
        within = questions.seconds(question, "within", HEIR_SECONDS)
        if self._heir is not None:
            raise wire.RemoteError("upgrade-runs", "another program is about to take over already")
        async with self._publishing:  # what is published meanwhile goes to whoever is the proxy afterwards
            self._heir = heir = Heir(self._estate.told(self._settings.data_dir), self._asked_by_heir)
            try:
                await heir.start(self._origin.program, self._estate.descriptors())
                await heir.wait(within)
            except HeirError as error:
                await self._go_on_without(heir)
                raise wire.RemoteError("upgrade-failed", f"the program that runs goes on: {error}") from error
        notify_systemd(f"MAINPID={heir.pid}")
        heir.say("counted", counted=self._ledger.take())
        self._stop.set()
        return {"pid": heir.pid, "before": os.getpid()}

    async def _go_on_without(self, heir: Heir) -> None:
        """Be the proxy as before: the one that should have taken over did not."""
        await heir.kill()
        self._heir = None
        if heir.is_ready and not self._stop.is_set():  # it may have got as far as this
            await self._control.open()
            self._write_facts()

    async def _asked_by_heir(self, op: str, question: wire.Message) -> wire.Message:
        """Answer for all workers that are left here."""
        arguments = wire.arguments(question)
        if op == "table":
            self._estate = replace(self._estate, table=parse_table(question["table"]))
            await asyncio.gather(self._crew.adopt(question["table"]), self._ask_elder(op, _ASK_SECONDS, **arguments))
            return {"answers": []}
        longest = max(question.get("within", 0.0), question.get("upgraded_within", 0.0)) + _ASK_SECONDS
        answers = await self._ask_all(op, longest, **arguments)
        if op == "ping" and self._heir is not None:
            self._heir.say("counted", counted=self._ledger.take())
        return {"answers": answers}

    def _hear_elder(self, message: wire.Message) -> None:
        if message.get("op") == "counted":
            self._ledger.add(message["counted"])
        else:
            self._hear(message)

    def _hear(self, message: wire.Message) -> None:
        """Take a worker's call for a service that sleeps, what it tells of targets that fail, or a cancel for whoever has that client."""
        if message.get("op") == "cancel":
            self._begin(self._ask_all("cancel", _ASK_SECONDS, key=message["key"]))
        elif self._heir is not None and self._heir.took_over:
            self._heir.say(message["op"], **wire.arguments(message))
        else:
            self._unasked.hear(message)

    async def _forward(self, op: str, question: wire.Message) -> wire.Message:
        try:
            async with wire.connection(self._settings.run_dir / "proxy.sock") as caller:
                return await caller.ask(op, _FORWARD_SECONDS, **wire.arguments(question))
        except wire.GoneError as error:
            raise wire.RemoteError("proxy-gone", str(error)) from error

    # ---- its workers

    def _slot(self) -> Slot:
        return Slot(self._serving, self._first_words, [self._estate.rates], self._hear, self._ledger)

    def _first_words(self) -> wire.Message:
        settings = self._settings
        return {
            "table": self._estate.table.raw,
            "listeners": descriptors(self._serving),
            "trusted": [str(network) for network in settings.trusted_proxies],
            "connections": settings.connections,
            "connections_per_client": settings.connections_per_client,
            "access_log": settings.access_log,
            "access_log_format": settings.access_log_format,
            "log_path": str(settings.log_path),
            "grace": settings.drain_seconds,
            "ticket_keys": self._estate.ticket_keys,
            "rates": self._estate.rates,
        }

    async def _renew_ticket_keys(self) -> None:
        """Seal TLS sessions with other keys each day: who gets hold of today's cannot read what was recorded before."""
        while True:
            await asyncio.sleep(_TICKET_KEY_SECONDS)
            self._estate = replace(self._estate, ticket_keys=new_ticket_keys())
            await self._ask_all("tickets", _ASK_SECONDS, keys=self._estate.ticket_keys)

    async def _rotate_log(self) -> None:
        settings = self._settings
        if settings.access_log == "file" and settings.access_log_size:
            await keep_small(settings.log_path, settings.access_log_size, settings.access_log_keep)

    def _write_facts(self) -> None:
        """Tell who serves, unless that is another program, or not yet this one."""
        if not (self._heir and self._heir.is_ready) and (self._elder is None or self._facts.written):
            self._facts.write(self._crew.pids)

    def _begin(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
