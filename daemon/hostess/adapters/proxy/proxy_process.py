"""The managed proxy: found alive and adopted, else started, and started again when it dies. It outlives the daemon."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from hostess.domain.problem import Problem
from hostess_proxy.client import alive

START_WITHIN = 15.0
LOOK_EVERY = 1.0
LONGEST_PAUSE = 10.0
TELL_WITHIN = 5.0
ANSWER_WITHIN = 2.0
LARGEST_LOG = 10 * 1024**2
"""Bytes of what the proxy says of itself; as much again is kept of what it said before."""

log = logging.getLogger(__name__)


class ProxyProcess:
    """Keeps one proxy running on a data folder. *arguments* are those of `hostess proxy`."""

    def __init__(self, run: Path, arguments: list[str], environment: dict[str, str], logs: Path) -> None:
        self._run = run
        self._arguments = arguments
        self._environment = environment
        self._logs = logs
        self._child: asyncio.subprocess.Process | None = None

    async def ensure(self) -> bool:
        """Return once a proxy answers; True when it had to be started. Problem "proxy-start-failed" with its last words."""
        if await alive(self._run / "proxy.sock"):
            return False
        (self._run / "proxy.json").unlink(missing_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._logs / "proxy.log").open("ab") as out:
            # A session of its own: what stops or kills the daemon does not reach what serves.
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hostess_proxy",
                *self._arguments,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_WITHIN):
                while not ((self._run / "proxy.json").exists() and await alive(self._run / "proxy.sock")):
                    if self._child.returncode is not None:
                        raise self._failed(f"it ended with exit code {self._child.returncode}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            if await alive(self._run / "proxy.sock"):  # it serves; what it is called is told once the disk takes it
                log.warning("the proxy serves, but cannot write %s", self._run / "proxy.json")
                return True
            self._child.kill()  # or each look would start one more
            raise self._failed(f"it did not answer within {START_WITHIN:.0f} s") from None
        return True

    async def watch(self, restarted: Callable[[], Awaitable[object]]) -> None:
        """Look until cancelled; after each start call *restarted* so that the proxy gets today's table."""
        pause = LOOK_EVERY
        while True:
            await self._gone_or(pause)
            try:
                keep_small(self._logs / "proxy.log", LARGEST_LOG)
                if await self.ensure():
                    log.warning("the proxy had gone and was started again")
                    await self._told(restarted)
                pause = LOOK_EVERY
            except (Problem, OSError) as error:
                log.error("%s", error)  # noqa: TRY400 -- words, not a traceback: the disk is full, or no process can be started
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _told(self, restarted: Callable[[], Awaitable[object]]) -> None:
        """Call *restarted*, but not for long: the proxy serves its last table, and must be looked after meanwhile."""
        try:
            async with asyncio.timeout(TELL_WITHIN):
                await restarted()
        except TimeoutError:
            log.warning("the proxy was not given today's table yet; it serves its last one")

    def stop(self) -> None:
        """Tell the proxy to drain and end.

        The kernel knows who listens at its socket: a file may have the number of one that is gone, which others have by now.
        """
        with socket.socket(socket.AF_UNIX) as asked, contextlib.suppress(OSError):
            asked.settimeout(ANSWER_WITHIN)
            asked.connect(str(self._run / "proxy.sock"))
            peer = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            os.kill(struct.unpack("3i", peer)[0], signal.SIGTERM)

    async def _gone_or(self, pause: float) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            await asyncio.sleep(pause)
            return
        try:
            async with asyncio.timeout(pause):
                await child.wait()
        except TimeoutError:
            return

    def _failed(self, how: str) -> Problem:
        try:
            last = (self._logs / "proxy.log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        except OSError:
            last = []
        return Problem(
            "proxy-start-failed",
            f"the proxy could not be started: {how}",
            remedy=f"read {self._logs / 'proxy.log'}; is another program on its ports?",
            tail=tuple(last),
        )


def keep_small(path: Path, largest: int) -> None:
    """Move what a log has to `<name>.1` when it is larger; who writes to it by appending goes on. An absent one is no error."""
    try:
        if path.stat().st_size <= largest:
            return
    except FileNotFoundError:
        return
    # Not renamed: the proxy holds the file open, and outlives the daemon that could tell it to open another one.
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
