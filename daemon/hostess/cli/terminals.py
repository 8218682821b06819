"""A terminal in a container: what is typed goes there by the API, and what is written comes back."""

import asyncio
import json
import os
import shutil
import signal
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import NoReturn
from urllib.parse import urlencode

import click

from hostess.cli.client import Client
from hostess.cli.failure import FAILED, UNREACHABLE, Failure
from hostess.cli.websocket import BINARY, TEXT, WebSocket, opened

PIECE = 64 * 1024
CODES = 256


def run_inside(client: Client, place: str, command: Sequence[str], *, has_terminal: bool) -> NoReturn:
    """Run a command (none: the service's own client, or a shell) in a container of the service at *place*; its exit code is ours."""
    query = urlencode({"command": json.dumps(list(command)), "tty": str(has_terminal).lower()})
    raise click.exceptions.Exit(talk(client, f"{place}/terminal?{query}", has_terminal=has_terminal) % CODES)


def talk(client: Client, path: str, *, has_terminal: bool) -> int:
    """Talk to the command that the API runs at *path*; return its exit code."""
    with _raw() if has_terminal else nullcontext():
        return asyncio.run(_talk(client, path, has_terminal=has_terminal))


async def _talk(client: Client, path: str, *, has_terminal: bool) -> int:
    """Carry what is typed and what is shown; return the exit code."""
    socket = await opened(client.server, path)
    loop = asyncio.get_running_loop()
    sizes: set[asyncio.Task[None]] = set()

    def resized() -> None:
        columns, rows = shutil.get_terminal_size()
        task = loop.create_task(socket.send(json.dumps({"rows": rows, "columns": columns}).encode(), TEXT))
        sizes.add(task)
        task.add_done_callback(sizes.discard)

    if has_terminal:
        loop.add_signal_handler(signal.SIGWINCH, resized)
        resized()
    # A thread, because the event loop cannot wait for files. It ends with the process.
    threading.Thread(target=_typed, args=(socket, loop), daemon=True).start()
    while (message := await socket.receive()) is not None:
        if message.kind == BINARY:
            _written(2 if message.data[:1] == b"\x02" else 1, message.data[1:])
            continue
        told = json.loads(message.data)
        socket.close()
        if "exit_code" in told:
            return int(told["exit_code"])
        raise Failure(str(told.get("problem")), exit_code=FAILED)
    raise Failure("the connection was lost; what ran in the container was stopped with it", exit_code=UNREACHABLE)


def _typed(socket: WebSocket, loop: asyncio.AbstractEventLoop) -> None:
    def send(data: bytes, kind: int) -> None:
        asyncio.run_coroutine_threadsafe(socket.send(data, kind), loop).result()

    with suppress(Exception):  # the connection has ended: who reads it tells
        while data := os.read(0, PIECE):
            send(data, BINARY)
        send(b'{"end": true}', TEXT)


def _written(stream: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(stream, bytes(left)) :]


@contextmanager
def _raw() -> Iterator[None]:
    """Hand every key on as it is; afterwards the terminal is as it was."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
