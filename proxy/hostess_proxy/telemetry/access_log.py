"""The access log: one line for each request, written in batches off the path of requests.

Lines are collected in memory and handed to a thread four times a second, so a slow disk costs lines (counted), never requests.
"""

import fcntl
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hostess_proxy.telemetry.log_lines import JsonLines, Lines

MAX_WAITING: Final = 50_000  # lines
_MAX_BATCHES = 64


class AccessLog:
    """Collects lines and writes them. A *path* of None writes to standard output; a closed log drops what comes.

    *lines* makes them.
    """

    def __init__(self, path: Path | None, lines: "Lines | None" = None) -> None:
        self.lines: Lines = lines or JsonLines()
        self._refused = 0
        self._collected: list[str] = []
        self._handed = 0
        self._batches: queue.Queue[list[str] | None] = queue.Queue(_MAX_BATCHES)
        self._file = _LogFile(path)
        self._thread = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines could not be taken or written."""
        return self._refused + self._file.lost

    def add(self, line: str) -> None:
        """Add a line, which ends with a line feed."""
        self._collected.append(line)

    def flush(self) -> None:
        """Hand over what has been collected; called by the worker's timer."""
        if not self._collected:
            return
        lines, self._collected = self._collected, []
        if self._handed - self._file.done + len(lines) > MAX_WAITING:
            self._refused += len(lines)
            return
        try:
            self._batches.put_nowait(lines)
        except queue.Full:
            self._refused += len(lines)
        else:
            self._handed += len(lines)

    def close(self) -> None:
        """Write what is left, for at most two seconds."""
        self.flush()
        try:
            self._batches.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(timeout=2)

    def _write_batches(self) -> None:
        while True:
            lines = self._batches.get()
            if lines is None:
                self._file.close()
                return
            self._file.write(lines)


class _LogFile:
    """The file behind the log; opened again when somebody has moved it away. Of the lines that are *done*, some are *lost*."""

    def __init__(self, path: Path | None) -> None:
        self.done = 0
        self.lost = 0
        self._path = path
        self._descriptor = 1 if path is None else -1
        self._is_torn = False

    def write(self, lines: list[str]) -> None:
        """Append lines, or lose them: all that do not fit wholly."""
        data = "".join(lines).encode("utf-8", "replace")
        written = 0
        try:
            with self._ready() as descriptor:
                if self._is_torn:
                    os.write(descriptor, b"\n")
                    self._is_torn = False
                view = memoryview(data)
                while written < len(data):
                    written += os.write(descriptor, view[written:])
        except OSError:
            self._is_torn = self._is_torn or (written > 0 and data[written - 1 : written] != b"\n")
            self.lost += len(lines) - data.count(b"\n", 0, written)
        self.done += len(lines)

    def close(self) -> None:
        """Close a file that was opened here."""
        if self._path is not None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @contextmanager
    def _ready(self) -> Iterator[int]:
        """Give the descriptor of the file that is at the path now, and stays the log while it is given (see `log_rotation`)."""
        path = self._path
        if path is None:
            yield self._descriptor
            return
        while True:
            if self._descriptor < 0:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            try:
                if self._is_current(path):
                    yield self._descriptor
                    return
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.close()

    def _is_current(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False
