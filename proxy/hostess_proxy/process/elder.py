"""The proxy whose place this program takes, as the newer one sees it (`heir` is the other end, and says in which order).

It is asked for what it holds, and, while it finishes its requests, for what it still has in flight.
"""

import asyncio
import json
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final

from hostess_proxy.control import wire
from hostess_proxy.process.heir import VARIABLE

_TAKE_SECONDS: Final = 10.0
_ASK_SECONDS = 10.0


class Elder:
    """Reached over *connection*, a socket that was inherited."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._caller: wire.Caller | None = None

    def take(self) -> wire.Message:
        """Return what it holds; OSError when it is gone."""
        return self._ask_at_once({"op": "take"})

    def failed(self, what: str) -> None:
        """Tell it why this program cannot take over."""
        with suppress(OSError, ValueError):
            self._ask_at_once({"op": "failed", "what": what})

    def _ask_at_once(self, question: wire.Message) -> wire.Message:
        """Ask without an event loop: it is needed before there is one."""
        self._connection.settimeout(_TAKE_SECONDS)
        self._connection.sendall(json.dumps({"id": 0, **question}).encode() + b"\n")
        received = bytearray()
        while not received.endswith(b"\n"):
            data = self._connection.recv(1024 * 1024)
            if not data:
                raise ConnectionResetError("the proxy that runs has ended")
            received += data
        answer: wire.Message = json.loads(received)
        return answer

    async def listen(self, hear: wire.Hearer) -> None:
        """Go on within an event loop; *hear* gets what it says unasked."""
        self._connection.settimeout(0)
        reader, writer = await asyncio.open_unix_connection(sock=self._connection, limit=wire.LINE_LIMIT)
        self._caller = wire.Caller(reader, writer, hear)

    async def tell(self, op: str) -> None:
        """Say how far this program is. An elder that has ended needs not to know."""
        if self._caller is not None:
            with suppress(wire.GoneError, wire.RemoteError):
                await self._caller.ask(op, _ASK_SECONDS)

    async def ask(self, op: str, seconds: float, /, **arguments: object) -> list[wire.Message]:
        """Ask its workers, and those of its own elder; [] when it is gone."""
        if self._caller is None:
            return []
        try:
            answers = (await self._caller.ask(op, seconds, **arguments))["answers"]
        except (wire.GoneError, wire.RemoteError):
            return []
        return answers if isinstance(answers, list) else []

    async def gone(self, within: float) -> None:
        """Return when it has ended, or after so many seconds."""
        if self._caller is not None:
            await self._caller.closed(within)


def elder_of(environ: MutableMapping[str, str]) -> Elder | None:
    """Return whose place this program takes, and forget that it was told; None when it begins anew."""
    descriptor = environ.pop(VARIABLE, "")
    return Elder(socket.socket(fileno=int(descriptor))) if descriptor.isdecimal() else None
