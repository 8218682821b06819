"""A local port, each of whose connections is led through the API to a service."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import click

from hostess.cli.client import Client
from hostess.cli.failure import FAILED, Failure
from hostess.cli.output import show_json, tell
from hostess.cli.websocket import TEXT, WebSocket, opened

HERE = "127.0.0.1"
TRIES = 10
PIECE = 64 * 1024
END = b'{"end": true}'


async def tunnels(
    client: Client, path: str, ports: tuple[int | None, int], found: Mapping[str, Any], form: str
) -> None:
    """Listen here, and lead each connection through one of the API's."""
    carried: set[asyncio.Task[None]] = set()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- this is one
        carried.add(task)
        try:
            socket = await opened(client.server, path)
        except Failure as failure:
            failure.show()
        else:
            await _carry(socket, reader, writer)
        finally:
            carried.discard(task)
            writer.close()

    server = await _listening(lead, *ports)
    async with server:
        _show(found, ports[1], server.sockets[0].getsockname()[1], form)
        with _interrupts() as interrupted:
            await interrupted.wait()
        for task in list(carried):
            task.cancel()


async def _listening(lead: Any, asked: int | None, remote: int) -> asyncio.Server:  # noqa: ANN401 -- asyncio's callback
    """Listen at the local port that was asked for, else at the remote's number; where it is taken, at one of the next."""
    first = remote if asked is None else asked
    for port in range(first, min(first + TRIES + 1, 65536)):
        with suppress(OSError):
            server = await asyncio.start_server(lead, HERE, port)
            if port != first:
                tell(f"port {first} is taken here: this is port {port}")
            return server
    raise Failure(
        f"the ports from {first} on are taken here",
        exit_code=FAILED,
        remedy="choose another with --local-port (0 takes any that is free)",
    )


async def _carry(socket: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def out() -> None:
        while data := await reader.read(PIECE):
            await socket.send(data)
        await socket.send(END, TEXT)

    async def back() -> None:
        while (message := await socket.receive()) is not None:
            writer.write(message.data)
            await writer.drain()

    tasks = [sending, coming] = asyncio.create_task(out()), asyncio.create_task(back())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done() and sending.exception() is None:
            await asyncio.wait([coming])  # who has said all it has to say may still listen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        socket.close()


def _show(found: Mapping[str, Any], remote: int, local: int, form: str) -> None:
    """Tell how to use the tunnel. No password is in a command's words: process lists show those."""
    user, password, database = quote(found["user"]), quote(found["password"]), quote(found["database"], safe="")
    lines: list[str] = []
    url = ""
    if found["type"] == "postgres":
        url = f"postgresql://{user}:{password}@{HERE}:{local}/{database}?sslmode=disable"
        lines = [url, f"PGPASSWORD={password} psql -h {HERE} -p {local} -U {user} -d {shlex.quote(found['database'])}"]
    elif found["type"] == "redis":
        url = f"redis://{user}:{password}@{HERE}:{local}/{database}"
        number = f" -n {database}" if database != "0" else ""
        lines = [url, f"REDISCLI_AUTH={password} redis-cli -h {HERE} -p {local} --user {user}{number}"]
    else:
        url = f"http://{HERE}:{local}"
        lines = [url]
    if form == "json":
        show_json({**found, "remote_port": remote, "local_port": local, "url": url})
    else:
        for line in lines:
            click.echo(line)
    sys.stdout.flush()
    for group in found["groups"]:
        tell(
            f"{'* ' if group == found['group'] else '  '}{group}{'' if group == found['group'] else f'  (--database {group})'}"
        )
    tell(f"{HERE}:{local} leads to port {remote}; Ctrl+C ends it")


@contextmanager
def _interrupts() -> Iterator[asyncio.Event]:
    """Give what is set by Ctrl+C, and when the command is told to end."""
    interrupted, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    try:
        yield interrupted
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
