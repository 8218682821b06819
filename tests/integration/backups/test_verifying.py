"""Artefacts that are read back: many at once take nobody else's place."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from hostess.adapters.backups.artefacts_folder import FolderArtefacts
from hostess.domain.backups.backup import OK, Backup
from hostess.services.backups.backups import AT_ONCE, Backups
from tests.fakes.clock import FakeClock


class LargeArtefacts(FolderArtefacts):
    """Artefacts that take as long to read as a test wants."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read = threading.Event()

    def checksum(self, path: str, missing: str = "") -> str:
        """Return it at last."""
        self.read.wait()
        return path


async def test_the_threads_of_others(tmp_path: Path) -> None:
    """However many artefacts are verified at once, a thread is left for whatever else the daemon does on one."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE + 1))
    artefacts, nobody = LargeArtefacts(tmp_path), cast("Any", None)
    backups = Backups(nobody, nobody, nobody, artefacts, FakeClock())
    made = Backup("1", "shop", "production", "cache", "manual", datetime(2026, 1, 1, tzinfo=UTC), OK)
    whole = replace(made, checksum=made.path)
    verifying = [asyncio.create_task(backups.verify(whole)) for _ in range(3 * AT_ONCE)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(25):
            await asyncio.to_thread(artefacts.read.set)
    finally:
        artefacts.read.set()

    assert await asyncio.gather(*verifying) == [made.path] * len(verifying)
