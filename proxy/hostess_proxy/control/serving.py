"""The control socket: who may open it may ask."""

import asyncio
from contextlib import suppress
from pathlib import Path

from hostess_proxy.control import wire

_LAST_ANSWERS_SECONDS = 2.0


class ControlSocket:
    """Answers questions at the unix socket *path* by *handler*."""

    def __init__(self, path: Path, handler: wire.Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._open = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def open(self) -> None:
        """Listen, in the place of whoever listened here before; there is no moment at which nobody does."""
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.unlink(missing_ok=True)
        with wire.short_path(beside) as name:
            server = await asyncio.start_unix_server(self._converse, name, limit=wire.LINE_LIMIT)
        beside.chmod(0o660)
        beside.replace(self._path)
        before, self._server = self._server, server
        if before is not None:
            before.close()

    async def close(self) -> None:
        """Listen no more; what was asked is answered, if that takes no time."""
        if self._server is not None:
            self._server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_ANSWERS_SECONDS):
                await self._quiet.wait()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await wire.answer_all(reader, writer, self._answer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, op: str, question: wire.Message) -> wire.Message:
        self._open += 1
        self._quiet.clear()
        try:
            return await self._handler(op, question)
        finally:
            self._open -= 1
            if not self._open:
                asyncio.get_running_loop().call_soon(self._rest)

    def _rest(self) -> None:
        """Be quiet, now that the last answer has been written."""
        if not self._open:
            self._quiet.set()
