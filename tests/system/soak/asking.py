"""Clients that ask every host of the soak all the time and write down each answer; they outlive proxies, hosts and themselves.

A program of its own (`python -m tests.system.soak.asking PORT FILE HOST..`), so that it shares no interpreter with what it watches.
Each host has one client that keeps its connection and one that comes anew for each request.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PAUSE = 0.05
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it began and ended (seconds since the epoch), its status (0: no answer), the version that answered."""

    began: float
    ended: float
    host: str
    status: int
    version: str
    error: str = ""


@dataclass
class Asking:
    """The clients while they ask. `news` returns what was not returned yet."""

    process: subprocess.Popen[bytes]
    file: Path
    _read: int = 0
    _rest: bytes = field(default=b"")

    def news(self) -> list[Asked]:
        """Return the requests that ended since the last call."""
        with self.file.open("rb") as file:
            file.seek(self._read)
            told = file.read()
        self._read += len(told)
        *lines, self._rest = (self._rest + told).split(b"\n")
        return [Asked(*json.loads(line)) for line in lines]


@contextmanager
def asking(port: int, hosts: Sequence[str], file: Path) -> Iterator[Asking]:
    """Ask these hosts at this port of the loopback address until the block ends."""
    file.touch()
    words = [sys.executable, "-m", "tests.system.soak.asking", str(port), str(file), *hosts]
    process = subprocess.Popen(words, start_new_session=True)
    try:
        yield Asking(process, file)
    finally:
        process.kill()
        process.wait(60)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> tuple[int, str, bool]:
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    await reader.readexactly(int(fields.get("content-length", "0")))
    return int(first.split(" ")[1]), fields.get("x-version", ""), fields.get("connection") == "close"


async def _client(port: int, host: str, kept: bool, stop: asyncio.Event, seen: list[Asked]) -> None:
    writer: asyncio.StreamWriter | None = None
    while not stop.is_set():
        began = time.time()
        error = ""
        try:
            async with asyncio.timeout(PATIENCE):
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                status, version, closing = await _answer(reader, writer, host)
        except (OSError, ValueError, EOFError, TimeoutError) as problem:
            status, version, closing, error = 0, "", True, repr(problem)
        seen.append(Asked(began, time.time(), host, status, version, error))
        if (closing or not kept) and writer is not None:
            writer.close()
            writer = None
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PAUSE)


async def _main(port: int, file: Path, hosts: Sequence[str]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    seen: list[Asked] = []
    clients = [asyncio.create_task(_client(port, host, kept, stop, seen)) for host in hosts for kept in (True, False)]
    with file.open("a") as out:
        while not all(client.done() for client in clients):
            await asyncio.wait(clients, timeout=0.1)
            written, seen[:] = list(seen), []
            out.writelines(
                json.dumps([one.began, one.ended, one.host, one.status, one.version, one.error]) + "\n"
                for one in written
            )
            out.flush()
    await asyncio.gather(*clients)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
