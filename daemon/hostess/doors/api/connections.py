"""Tunnels and terminals: WebSockets (RFC 6455), so that they pass everything that passes HTTP.

In a tunnel each binary message is what one side has sent, and `{"end": true}`, as a text message of the client, that nothing more will
come of it: what the service answers to that comes still. In a terminal a binary message to the client begins with one byte: 1 for
standard output, 2 for standard error; one from the client is what was typed. A text message is JSON: `{"rows": 24, "columns": 80}` and
`{"end": true}` from the client, `{"exit_code": 0}` or `{"problem": "..."}` to it, as the last one.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress

from aiohttp import WSMsgType, web
from pydantic import Field, TypeAdapter, ValidationError

from hostess.domain.ports import Terminal
from hostess.domain.problem import Problem
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, View, Word, op
from hostess.doors.api.problems import InvalidRequest
from hostess.doors.api.streams import CLOSING
from hostess.services.connections import Streams

SERVICE = f"{PLACE}/services/{{service}}"
PIECE = 64 * 1024
MESSAGE = 1024 * 1024
HEARTBEAT = 20.0
"""Seconds between signs of life; a client that answers none is gone."""
IDLE = 3600.0
"""Seconds without a byte after which a connection is closed."""
STREAMS = {"stdout": b"\x01", "stderr": b"\x02"}

log = logging.getLogger(__name__)


class Wanted(Given):
    """Which scoped database is meant; "" for the first."""

    group: str = ""


class ReachView(View):
    """What a client of a tunnel needs. The last three have a value for databases alone; *groups* are its scoped databases."""

    type: str
    port: int
    groups: tuple[str, ...]
    group: str
    user: str
    database: str
    password: str


class TunnelWanted(Given):
    """The port inside."""

    port: int = Field(ge=1, le=65535)


class TerminalWanted(Given):
    """A command as a JSON list of words; none: the client of a database, else a shell. *tty*: whether it has a terminal."""

    command: str = Field(default="[]", max_length=16_000)
    tty: bool = False

    def words(self) -> tuple[str, ...]:
        """Return the command. Problem "bad-request"."""
        with suppress(ValueError, RecursionError):
            found = json.loads(self.command)
            if isinstance(found, list) and all(isinstance(word, str) for word in found):
                return _checked(found)
        raise Problem("bad-request", "command is not a JSON list of words")


_WORDS = TypeAdapter(tuple[Word, ...])


def _checked(words: Sequence[str]) -> tuple[str, ...]:
    try:
        return _WORDS.validate_python(tuple(words))
    except ValidationError as error:
        raise InvalidRequest(
            tuple(f"command: {each['msg'].removeprefix('Value error, ')}" for each in error.errors())
        ) from None


@op(f"GET {SERVICE}/reach", "secrets", given=Wanted, returns=ReachView)
async def reach(call: Call, given: Wanted) -> ReachView:
    """Tell how a service is reached by a tunnel, with the credentials of a database."""
    service = call.path["service"]
    found = await call.services.connections.reach(call.project, call.environment, service, given.group)
    if found.access is not None:
        await call.audit("connect.shown", f"looked at the credentials of {service}", {"service": service})
    access = found.access
    return ReachView(
        type=str(found.type),
        port=found.port,
        groups=found.groups,
        group=found.group,
        user=access.user if access else "",
        database=access.database if access else "",
        password=access.password if access else "",
    )


@op(f"GET {SERVICE}/tunnel", "secrets", given=TunnelWanted, status=101)
async def tunnel(call: Call, given: TunnelWanted) -> web.StreamResponse:
    """Carry one connection to a port of a service (WebSocket)."""
    service, connections = call.path["service"], call.services.connections
    _check_upgrade(call)
    async with connections.tunnel(call.project, call.environment, service, given.port) as streams:
        if connections.is_news(call.caller.name, call.project, call.environment, service):
            data = {"service": service, "port": given.port}
            await call.audit("connect.tunnel", f"opened a tunnel to {service}", data)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MESSAGE, compress=False)
        await socket.prepare(call.request)
        clock = _Idle()
        await _first(call, clock, _from_client(socket, streams, clock), _to_client(socket, streams, clock))
        with suppress(ConnectionError):
            await socket.close()
    return socket


@op(f"GET {SERVICE}/terminal", "secrets", given=TerminalWanted, status=101)
async def terminal(call: Call, given: TerminalWanted) -> web.StreamResponse:
    """Run a command in a service's container and talk to it (WebSocket); it ends with the connection."""
    service, words = call.path["service"], given.words()
    _check_upgrade(call)
    opening = call.services.connections.terminal(call.project, call.environment, service, words, tty=given.tty)
    async with opening as opened:
        await call.audit("connect.terminal", f"opened a terminal in {service}", {"service": service})
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MESSAGE, compress=False)
        await socket.prepare(call.request)
        clock = _Idle()
        await _first(call, clock, _typed(socket, opened, clock), _shown(socket, opened, clock))
        with suppress(ConnectionError):
            await socket.close()
    return socket


class _Idle:
    """Ends what nothing has gone through for long."""

    def __init__(self) -> None:
        self.limit = asyncio.timeout(IDLE)

    def touch(self) -> None:
        """Say that something went through."""
        self.limit.reschedule(asyncio.get_running_loop().time() + IDLE)


def _check_upgrade(call: Call) -> None:
    if call.request.headers.get("Upgrade", "").lower() != "websocket":
        raise Problem("bad-request", "this is for WebSockets: `hostess connect` opens one")


async def _first(call: Call, clock: _Idle, *ways: Coroutine[object, object, None]) -> None:
    """Return when one way has ended, nothing went by for long, or the daemon stops."""
    closing = call.request.app[CLOSING].wait()
    tasks: Sequence[asyncio.Task[object]] = [asyncio.create_task(each) for each in (*ways, closing)]
    try:
        async with clock.limit:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        return
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                bug = None if isinstance(error, (Problem, OSError)) else error
                log.warning("%s broke off: %s", call.request.path, error, exc_info=bug)


async def _from_client(socket: web.WebSocketResponse, streams: Streams, clock: _Idle) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            clock.touch()
            streams.writer.write(message.data)
            await streams.writer.drain()
        elif message.type is WSMsgType.TEXT and _ends(message.data):
            clock.touch()
            streams.writer.write_eof()


async def _to_client(socket: web.WebSocketResponse, streams: Streams, clock: _Idle) -> None:
    while data := await streams.reader.read(PIECE):
        clock.touch()
        await socket.send_bytes(data)


async def _typed(socket: web.WebSocketResponse, terminal: Terminal, clock: _Idle) -> None:
    async for message in socket:
        clock.touch()
        if message.type is WSMsgType.BINARY:
            await terminal.write(message.data)
        elif message.type is WSMsgType.TEXT:
            await _told(terminal, message.data)


def _ends(text: str) -> bool:
    with suppress(ValueError, RecursionError):
        told = json.loads(text)
        return isinstance(told, dict) and bool(told.get("end"))
    return False


async def _told(terminal: Terminal, text: str) -> None:
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        told = json.loads(text)
        if told.get("end"):
            await terminal.end_input()
        elif "rows" in told:
            await terminal.resize(*(max(1, min(int(told[name]), 1000)) for name in ("rows", "columns")))


async def _shown(socket: web.WebSocketResponse, terminal: Terminal, clock: _Idle) -> None:
    try:
        while (said := await terminal.read()) is not None:
            clock.touch()
            await socket.send_bytes(STREAMS[said[0]] + said[1])
        await socket.send_json({"exit_code": await terminal.exit_code()})
    except Problem as problem:
        await socket.send_json({"problem": problem.what})


OPERATIONS = (reach, tunnel, terminal)
