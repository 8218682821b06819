"""Tunnels and terminals that break off. How they work is shown by real containers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import pytest

from hostess.domain.ports import Terminal
from hostess.domain.problem import Problem
from tests.integration.api.stage import WITHIN, Stage

TERMINAL = "/v1/projects/shop/environments/production/services/web/terminal"


class Broken:
    """A terminal that says one thing and cannot be read any more."""

    def __init__(self, error: Exception) -> None:
        self._left: list[tuple[str, bytes]] = [("stdout", b"hello")]
        self._error = error

    async def read(self) -> tuple[str, bytes] | None:
        """Return what it says, then fail."""
        if self._left:
            return self._left.pop()
        raise self._error


async def told(stage: Stage, error: Exception) -> list[str]:
    """Return what a client of a terminal that fails with *error* is sent, as text."""

    @asynccontextmanager
    async def terminal(_container: str, _command: Sequence[str], _mark: str, *, tty: bool) -> AsyncIterator[Terminal]:
        assert not tty
        yield cast("Terminal", Broken(error))

    setattr(stage.engine, "terminal", terminal)  # noqa: B010 -- the engine is a fake
    await stage.live()
    headers = {"Authorization": f"Bearer {stage.token}"}
    async with stage.session.ws_connect(stage.url + TERMINAL, headers=headers) as socket:
        said = [message.data async for message in socket]
    assert said[0] == b"\x01hello"
    return said[1:]


async def test_a_client_is_told_why_its_terminal_cannot_be_read(stage: Stage) -> None:
    """When the engine is away in the middle of a terminal, the last message has the problem."""
    said = await told(stage, Problem("engine-unreachable", "the engine did not answer"))

    assert said == ['{"problem": "the engine did not answer"}']


async def test_a_bug_that_ends_a_terminal_is_in_the_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody has foreseen is written down with where it comes from."""
    assert await told(stage, ValueError("not foreseen")) == []

    [record] = [each for each in caplog.records if each.name == "hostess.doors.api.connections"]
    assert (record.getMessage(), record.exc_info is not None) == (f"{TERMINAL} broke off: not foreseen", True)


async def test_who_has_said_all_still_hears_the_answer(stage: Stage) -> None:
    """The end of what a client says goes through a tunnel, and what the service answers to that comes back."""
    await stage.live()
    live = await stage.journal.live("shop", "production")
    assert live is not None
    container = await stage.world.replicas.running(live, live.workloads["web"])
    assert container is not None

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(len(await reader.read())).encode())
        writer.close()

    server = await asyncio.start_server(count, container.address, 0)
    port = server.sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {stage.token}"}
    url = f"{stage.url}{TERMINAL.removesuffix('terminal')}tunnel?port={port}"
    async with server, asyncio.timeout(WITHIN), stage.session.ws_connect(url, headers=headers) as socket:
        await socket.send_bytes(b"x" * 100_000)
        await socket.send_str('{"end": true}')
        said = [message.data async for message in socket if message.type is aiohttp.WSMsgType.BINARY]

    assert b"".join(said) == b"100000"
