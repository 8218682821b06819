"""What daemon and proxy tell systemd of their being alive, heard at a socket such as systemd's own."""

import asyncio
import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostess.adapters.service_manager_systemd import keep_alive
from tests.integration.proxy.processes import a_proxy
from tests.integration.proxy.test_upgrade import an_upgradable

ALIVE = "WATCHDOG=1"
WITHIN = 25.0


class Systemd:
    """Takes messages as systemd does: all the time, from the first call of `next` on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._taken: queue.Queue[tuple[str, int]] = queue.Queue()
        self._socket.settimeout(0.1)
        self._is_over = threading.Event()
        self._taker = threading.Thread(target=self._take)

    def next(self) -> tuple[str, int]:
        """Return the next message, and the process that sent it."""
        if not self._taker.is_alive():
            self._taker.start()
        return self._taken.get(timeout=WITHIN)

    def close(self) -> None:
        """Take no more."""
        self._is_over.set()
        if self._taker.is_alive():
            self._taker.join()
        self._socket.close()

    def _take(self) -> None:
        while not self._is_over.is_set():
            try:
                text, (credentials, *_), _, _ = self._socket.recvmsg(4096, 1024)
            except TimeoutError:
                continue
            self._taken.put((text.decode(), struct.unpack("3i", credentials[2])[0]))


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    """Give what is told to systemd by whoever is started in this test."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with contextlib.closing(Systemd(tmp_path / "notify")) as taking:
        yield taking


async def heard(systemd: Systemd, message: str, pid: int | None = None) -> int:
    """Return who sent *message*, the next time that it comes (from *pid*)."""
    async with asyncio.timeout(WITHIN):
        while True:
            text, sender = await asyncio.to_thread(systemd.next)
            if text == message and pid in {None, sender}:
                return sender


async def test_the_proxy_and_who_comes_after_it(
    tmp_path: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy says that it is ready and then, again and again, that it is alive; after an upgrade the new main process does."""
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    async with an_upgradable(tmp_path / "data") as proxy:
        assert await heard(systemd, "READY=1") == proxy.process.pid
        assert [await heard(systemd, ALIVE) for _ in range(3)] == [proxy.process.pid] * 3

        heir = await proxy.client.upgrade()
        assert await heard(systemd, f"MAINPID={heir}") == proxy.process.pid
        assert [await heard(systemd, ALIVE, heir) for _ in range(3)] == [heir] * 3


def fill(path: Path) -> None:
    """Send to a socket that takes nothing until no more fits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        sender.connect(str(path))
        with contextlib.suppress(BlockingIOError):
            while True:
                sender.send(b"STATUS=busy")


async def test_nobody_waits_for_a_systemd_that_hears_nothing(
    tmp_path: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While systemd takes no messages, and its queue is full, the proxy answers, and ends when it is told to."""
    monkeypatch.setenv("WATCHDOG_USEC", "4000")
    async with a_proxy(tmp_path / "data") as proxy:
        fill(systemd.path)
        for _ in range(5):
            assert (await proxy.get()).status == 404
            assert await proxy.client.workers() == list(proxy.state.workers)

        assert await proxy.stop() == 0


async def test_the_daemon(systemd: Systemd) -> None:
    """The daemon's event loop says four times in the time that systemd waits that it turns, and nothing when nobody waits."""
    alive = asyncio.create_task(keep_alive({"WATCHDOG_USEC": "400000"}))
    for _ in range(3):
        await heard(systemd, ALIVE)
    alive.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await alive

    await keep_alive({})  # returns
