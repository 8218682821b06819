"""hostess connect ..."""

import asyncio
import json
import os
import shlex
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any
from urllib.parse import quote, urlencode

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import FAILED, UNREACHABLE, Failure
from hostess.cli.groups import Aliased, example
from hostess.cli.output import show_json, tell
from hostess.cli.websocket import BINARY, TEXT, WebSocket, opened

HERE = "127.0.0.1"
TRIES = 10
PIECE = 64 * 1024
CODES = 256


class Connect(Aliased):
    """`hostess connect SERVICE` is a command of its own beside `connect shell SERVICE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take what names no command for the words of a tunnel."""
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "to", self.commands["to"], args


@click.group(cls=Connect, context_settings={"ignore_unknown_options": True})
def connect() -> None:
    """Reach a service from here: `connect SERVICE` opens a local port that leads to it, `connect shell SERVICE` a terminal in it."""


@example("hostess connect database", "hostess connect database --database api --local-port 6000")
@connect.command("to", hidden=True)
@click.argument("service")
@options.project
@options.environment
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the service; by default its first.")
@click.option(
    "--local-port", "-l", type=click.IntRange(0, 65535), help="Port here; by default the same, or one of the next."
)
@click.option("--database", "group", default="", help="Which scoped database; by default the first.")
@options.form
@options.connected
def to(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    service: str,
    project: str | None,
    environment: str,
    port: int | None,
    local_port: int | None,
    group: str,
    form: str,
) -> None:
    """Open a local port that leads to SERVICE, until this command is interrupted."""
    place = options.place(project, environment, "services", service)
    found = client.get(f"{place}/reach", group=group)
    remote = port or found["port"]
    path = f"{place}/tunnel?{urlencode({'port': remote})}"
    asyncio.run(_tunnels(client, path, (local_port, remote), found, form))


@example("hostess connect shell database", "hostess connect shell api -c 'python manage.py shell'")
@connect.command("shell")
@click.argument("service")
@options.project
@options.environment
@click.option("--command", "-c", help="What to run, as words of a shell; by default psql, redis-cli or /bin/sh.")
@options.connected
def shell(client: Client, service: str, project: str | None, environment: str, command: str | None) -> None:
    """Run a command in a container of SERVICE and talk to it; its exit code is the exit code."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    query = urlencode({"command": json.dumps(shlex.split(command or "")), "tty": str(has_terminal).lower()})
    path = options.place(project, environment, "services", service, "terminal") + f"?{query}"
    with _raw() if has_terminal else nullcontext():
        code = asyncio.run(_talk(client, path, has_terminal=has_terminal))
    raise click.exceptions.Exit(code % CODES)


# ---- tunnels ---------------------------------------------------------------------------------------------------------


async def _tunnels(
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

    async def back() -> None:
        while (message := await socket.receive()) is not None:
            writer.write(message.data)
            await writer.drain()

    tasks = [asyncio.create_task(out()), asyncio.create_task(back())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
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


# ---- terminals -------------------------------------------------------------------------------------------------------


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
    left: Sequence[int] | memoryview = memoryview(data)
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
