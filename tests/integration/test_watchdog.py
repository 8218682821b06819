"""What daemon and proxy tell systemd of their being alive, heard at a socket such as systemd's own."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostess.adapters.service_manager_systemd import keep_alive
from tests.integration.proxy.test_upgrade import an_upgradable

ALIVE = "WATCHDOG=1"
WITHIN = 20.0


@pytest.fixture
def hear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[str, int]]]:
    """Be systemd: give what returns the next message, and the process that sent it."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(path))
        notified.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        notified.settimeout(WITHIN)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))

        def next_message() -> tuple[str, int]:
            text, (credentials, *_), _, _ = notified.recvmsg(4096, 1024)
            return text.decode(), struct.unpack("3i", credentials[2])[0]

        yield next_message


async def heard(hear: Callable[[], tuple[str, int]], message: str, pid: int | None = None) -> int:
    """Return who sent *message*, the next time that it comes (from *pid*)."""
    async with asyncio.timeout(WITHIN):
        while True:
            text, sender = await asyncio.to_thread(hear)
            if text == message and pid in {None, sender}:
                return sender


async def test_the_proxy_and_who_comes_after_it(
    tmp_path: Path, hear: Callable[[], tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy says that it is ready and then, again and again, that it is alive; after an upgrade the new main process does."""
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    async with an_upgradable(tmp_path / "data") as proxy:
        assert await heard(hear, "READY=1") == proxy.process.pid
        assert [await heard(hear, ALIVE) for _ in range(3)] == [proxy.process.pid] * 3

        heir = await proxy.client.upgrade()
        assert await heard(hear, f"MAINPID={heir}") == proxy.process.pid
        assert [await heard(hear, ALIVE, heir) for _ in range(3)] == [heir] * 3


async def test_the_daemon(hear: Callable[[], tuple[str, int]]) -> None:
    """The daemon's event loop says four times in the time that systemd waits that it turns, and nothing when nobody waits."""
    alive = asyncio.create_task(keep_alive({"WATCHDOG_USEC": "400000"}))
    for _ in range(3):
        await heard(hear, ALIVE)
    alive.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await alive

    await keep_alive({})  # returns
