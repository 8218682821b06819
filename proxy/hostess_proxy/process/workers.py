"""The supervisor's view of its workers: each has a slot that is filled again whenever its process ends or hangs."""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from hostess_proxy.control import wire
from hostess_proxy.process.listeners import Listener
from hostess_proxy.telemetry.ledger import Ledger

PING_SECONDS: Final = 10.0
PONG_SECONDS: Final = 5.0
_START_SECONDS = 20.0
_ADOPT_SECONDS = 5.0
_LONGEST_PAUSE = 5.0
_SHORT_LIFE = 2.0


class Slot:
    """One worker's place. *first_words* gives what a new worker is told, the newest table included.

    Beside the sockets a worker inherits the descriptors *also*. *hear* is told what it says unasked, *ledger* what it has counted.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        first_words: Callable[[], wire.Message],
        also: Sequence[int],
        hear: wire.Hearer,
        ledger: Ledger,
    ) -> None:
        self._listeners = listeners
        self._first_words = first_words
        self._also = also
        self._hear = hear
        self._ledger = ledger
        self._process: asyncio.subprocess.Process | None = None
        self._caller: wire.Caller | None = None
        self._stopping = False
        self.ready = asyncio.Event()

    @property
    def pid(self) -> int:
        """The process that serves now, 0 when there is none."""
        return self._process.pid if self._process is not None and self.ready.is_set() else 0

    async def keep(self, changed: Callable[[], None]) -> None:
        """Keep a worker running until `stop`; at once when one dies, with growing pauses when they die young."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while not self._stopping:
            born = loop.time()
            try:
                await self._run_one(changed)
            except OSError as error:  # no memory or no process to be had right now
                sys.stderr.write(f"hostess proxy: a worker cannot be started: {error}\n")
            if self._stopping:
                return
            pause = min(pause * 2 or 0.1, _LONGEST_PAUSE) if loop.time() - born < _SHORT_LIFE else 0.0
            await asyncio.sleep(pause)

    async def adopt(self, table: object) -> None:
        """Return when no process of this slot serves an older table: it acknowledged this one, or it is dead."""
        process = self._process
        if self._caller is None or process is None:
            return  # the next one is told the newest table when it starts
        try:
            await self._caller.ask("table", _ADOPT_SECONDS if self.ready.is_set() else _START_SECONDS, table=table)
        except (wire.GoneError, wire.RemoteError):
            _kill(process)
            await process.wait()

    async def ask(self, op: str, seconds: float, /, **arguments: object) -> wire.Message:
        """Ask the worker; {} when there is none that answers."""
        if self._caller is None:
            return {}
        try:
            return self._heard(await self._caller.ask(op, seconds, **arguments))
        except (wire.GoneError, wire.RemoteError):
            return {}

    def _heard(self, answer: wire.Message) -> wire.Message:
        self._ledger.add(answer.get("counted", {}))
        return answer

    async def stop(self, grace: float) -> None:
        """End the worker: it drains for at most *grace* seconds. Returns when it is gone."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        caller = self._caller
        await self.ask("stop", grace + PONG_SECONDS, grace=grace)
        if caller is not None:
            await caller.close()
        try:
            async with asyncio.timeout(PONG_SECONDS):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()

    async def _run_one(self, changed: Callable[[], None]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = [one.fileno() for listener in self._listeners for one in listener.sockets]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "hostess_proxy.process.worker", str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=(*descriptors, *self._also, theirs.fileno()),
            )  # fmt: skip
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=wire.LINE_LIMIT)
        self._process, self._caller = process, wire.Caller(reader, writer, self._hear)
        try:
            # Between reading the newest table and writing it nothing may wait, or a table could be missed.
            await self._caller.ask("start", _START_SECONDS, **self._first_words())
            self.ready.set()
            changed()
            await self._watch(process, self._caller)
        except (wire.GoneError, wire.RemoteError) as error:
            if not self._stopping:
                sys.stderr.write(f"hostess proxy: worker {process.pid} does not serve: {error}\n")
            _kill(process)
        finally:
            self.ready.clear()
            caller, self._caller = self._caller, None
            await caller.close()
            if process.returncode is None and not self._stopping:
                _kill(process)
            code = await process.wait()
            self._process = None
            if not self._stopping:
                self._ledger.note("worker_restarts")
                sys.stderr.write(f"hostess proxy: worker {process.pid} ended ({code}), starting another\n")

    async def _watch(self, process: asyncio.subprocess.Process, caller: wire.Caller) -> None:
        """Return when the process has ended; one that does not answer is killed."""
        ended = asyncio.create_task(process.wait())
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=PING_SECONDS)
                if not ended.done() and not self._stopping:
                    self._heard(await caller.ask("ping", PONG_SECONDS))
        finally:
            ended.cancel()


def descriptors(listeners: Sequence[Listener]) -> list[dict[str, object]]:
    """Return what a worker has to know of the sockets it inherits."""
    return [{"kind": listener.kind, "descriptor": one.fileno()} for listener in listeners for one in listener.sockets]


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
