"""A load generator that misses nothing: every request's start, end, status and version, over connections that are kept alive.

Run as a program (`python -m tests.system.load ADDRESS PORT HOST RATE FILE PATH`) so that it shares no interpreter with the test.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 10
PATIENCE = 120.0
"""Seconds for an answer: a pause, or a host that does much else, may take some."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: when it began and ended (seconds since the epoch), its status (0: none), and the version that answered."""

    began: float
    ended: float
    status: int
    version: str


@dataclass
class Load:
    """A running or ended load."""

    file: Path
    process: subprocess.Popen[bytes]

    def end(self) -> list[Seen]:
        """Stop asking, wait for what is in flight, and return everything seen."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(180) == 0
        return [Seen(*json.loads(line)) for line in self.file.read_text().splitlines()]

    def answered(self) -> int:
        """Return how many answers there are so far (roughly: what is written)."""
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0


@contextmanager
def load(address: tuple[str, int], host: str, file: Path, rate: int = 500, path: str = "/") -> Iterator[Load]:
    """Ask *host* for *path* *rate* times a second until `end` is called."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.system.load", address[0], str(address[1]), host, str(rate), str(file), path],
        cwd=Path(__file__).parents[2],
    )
    try:
        yield Load(file, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str
) -> tuple[int, str, bool]:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    await reader.readexactly(int(fields.get("content-length", "0")))
    return int(first.split(" ")[1]), fields.get("x-version", ""), fields.get("connection") == "close"


async def _client(
    address: tuple[str, int], url: tuple[str, str], pause: float, stop: asyncio.Event, seen: list[Seen]
) -> None:
    reader, writer = await asyncio.open_connection(*address)
    due = time.monotonic()
    while not stop.is_set():
        began = time.time()
        try:
            async with asyncio.timeout(PATIENCE):
                status, version, closing = await _ask(reader, writer, *url)
        except (OSError, ValueError, EOFError, TimeoutError):
            status, version, closing = 0, "", True
        seen.append(Seen(began, time.time(), status, version))
        if closing:
            writer.close()
            reader, writer = await asyncio.open_connection(*address)
        due += pause
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    writer.close()


async def _main(address: tuple[str, int], url: tuple[str, str], rate: int, file: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    seen: list[Seen] = []
    clients = [asyncio.create_task(_client(address, url, CONNECTIONS / rate, stop, seen)) for _ in range(CONNECTIONS)]
    with file.open("w") as out:
        while not all(client.done() for client in clients):
            await asyncio.wait(clients, timeout=0.2)
            written, seen[:] = list(seen), []
            out.writelines(json.dumps([s.began, s.ended, s.status, s.version]) + "\n" for s in written)
            out.flush()
    await asyncio.gather(*clients)


if __name__ == "__main__":
    os.nice(-5) if os.geteuid() == 0 else None
    asyncio.run(_main((sys.argv[1], int(sys.argv[2])), (sys.argv[3], sys.argv[6]), int(sys.argv[4]), Path(sys.argv[5])))
