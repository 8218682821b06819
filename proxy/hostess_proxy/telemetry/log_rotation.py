"""Rotation of the access log: `access.log` becomes `access.log.1`, is compressed, and grows old until too many are there.

The supervisor does it, in a thread; workers go on writing meanwhile. Each of them looks before it writes whether the file that it has
open is still the one at the path, and holds a shared lock while it looks and writes. So whoever gets an exclusive lock on a file that
was moved away knows that nobody writes to it any more, and no line is lost. The folder's lock keeps two programs (an upgrade) from
doing it at once.
"""

import asyncio
import fcntl
import gzip
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 5.0
_PIECE = 256 * 1024
_NICE = 10


async def keep_small(path: Path, size: int, keep: int) -> None:
    """Look again and again whether the log has to be rotated, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await asyncio.to_thread(rotate, path, size, keep)
        except OSError as error:
            sys.stderr.write(f"hostess proxy: the access log cannot be rotated: {error}\n")


def rotate(path: Path, size: int, keep: int) -> bool:
    """Rotate the log at *path* if it has *size* bytes or more; return whether that was done. *keep* older files stay."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_size < size:
        return False
    with _locked(path.parent, fcntl.LOCK_EX | fcntl.LOCK_NB) as is_ours:
        if is_ours:
            _grow_old(path, keep)
            path.replace(_aged(path, 1))
            _compress_all(path, keep)
        return is_ours


def _grow_old(path: Path, keep: int) -> None:
    """Make room for the newest, compressed or not; the oldest goes."""
    for age in range(keep, 0, -1):
        for ending in ("", ".gz"):
            with suppress(FileNotFoundError):
                if age == keep:
                    _aged(path, age, ending).unlink()
                else:
                    _aged(path, age, ending).replace(_aged(path, age + 1, ending))


def _compress_all(path: Path, keep: int) -> None:
    """Compress what is there of older files, those too that were left plain by a crash. Who serves comes first."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    for age in range(1, keep + 1):
        plain, beside = _aged(path, age), _aged(path, age, ".gz.new")
        if plain.exists():
            try:
                _compress(plain, beside)
                beside.replace(_aged(path, age, ".gz"))
                plain.unlink()
            except OSError:  # a full disk: it stays as it is
                beside.unlink(missing_ok=True)


def _compress(plain: Path, beside: Path) -> None:
    with plain.open("rb") as source:
        fcntl.flock(source, fcntl.LOCK_EX)
        target = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        with os.fdopen(target, "wb") as raw, gzip.GzipFile("", "wb", 1, raw) as compressed:
            shutil.copyfileobj(source, compressed, _PIECE)


def _aged(path: Path, age: int, ending: str = "") -> Path:
    return path.with_name(f"{path.name}.{age}{ending}")


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[bool]:
    """Give whether the folder's lock could be had."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
