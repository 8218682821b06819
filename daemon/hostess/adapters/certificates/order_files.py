"""The keys of open orders, and certificates for tls-alpn-01, in the folder of certificates.

certs/orders/<order>/key.pem                 0600, the daemon's
certs/challenges/<order>-<digest>.pem, .key  for the proxy's user, while a challenge is open
"""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from hostess.adapters.certificates.store import Reader
from hostess.adapters.folder_sync import sync_folder
from hostess.adapters.whole_file import write_whole
from hostess.domain.problem import Problem

KEY = "key.pem"
_ID = re.compile(r"[0-9a-f]{1,64}")
_DIGEST = 16


class FileOrders:
    """Implements `ports.OrderFiles` below *folder*; *reader* None: the proxy runs as the daemon's user."""

    def __init__(self, folder: Path, reader: Reader | None = None) -> None:
        self._orders = folder.absolute() / "orders"
        self._challenges = folder.absolute() / "challenges"
        self._reader = reader

    async def keep_key(self, order: str, key: str) -> None:
        """Keep the key of an order."""
        await asyncio.to_thread(self._keep_key, order, key)

    async def key(self, order: str) -> str | None:
        """Return the key of an order."""
        return await asyncio.to_thread(self._key, order)

    async def show(self, order: str, name: str, chain: str, key: str) -> tuple[Path, Path]:
        """Keep what answers tls-alpn-01."""
        return await asyncio.to_thread(self._show, order, name, chain, key)

    async def forget(self, order: str) -> None:
        """Remove the files of an order."""
        await asyncio.to_thread(self._forget, order)

    async def keep_only(self, orders: Collection[str]) -> None:
        """Remove the files of all orders but these."""
        await asyncio.to_thread(self._keep_only, frozenset(orders))

    def _keep_key(self, order: str, key: str) -> None:
        with _kept(self._orders):
            folder = self._orders / _checked(order)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(folder / KEY, key.encode("ascii"))
            sync_folder(self._orders)

    def _key(self, order: str) -> str | None:
        try:
            return (self._orders / _checked(order) / KEY).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None

    def _show(self, order: str, name: str, chain: str, key: str) -> tuple[Path, Path]:
        stem = f"{_checked(order)}-{hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]}"
        paths = self._challenges / f"{stem}.pem", self._challenges / f"{stem}.key"
        with _kept(self._challenges):
            self._challenges.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._reader is not None:
                self._challenges.parent.chmod(0o710)
                os.chown(self._challenges.parent, os.geteuid(), self._reader.gid)
                os.chown(self._challenges, os.geteuid(), self._reader.gid)
                self._challenges.chmod(0o710)
            owner = (self._reader.uid, self._reader.gid) if self._reader else None
            for path, text in zip(paths, (chain, key), strict=True):
                write_whole(path, text.encode("ascii"), owner)
        return paths

    def _forget(self, order: str) -> None:
        shutil.rmtree(self._orders / _checked(order), ignore_errors=True)
        for path in self._challenges.glob(f"{order}-*"):
            path.unlink(missing_ok=True)

    def _keep_only(self, orders: frozenset[str]) -> None:
        found = [path.name for path in self._orders.glob("*")]
        found += [path.name.partition("-")[0] for path in self._challenges.glob("*")]
        for order in {each for each in found if _ID.fullmatch(each)} - orders:
            self._forget(order)


@contextlib.contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Make a Problem of what the disk says."""
    try:
        yield
    except OSError as error:
        raise Problem(
            "order-not-kept",
            f"the key of an order for a certificate could not be written to {folder}: {error.strerror}",
            serving="the certificates that were there before",
            remedy="make room on the disk, or give the daemon back its folder",
        ) from error


def _checked(order: str) -> str:
    if not _ID.fullmatch(order):
        raise ValueError(f"{order!r} is no id of an order")
    return order
