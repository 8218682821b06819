"""The access log: one JSON line for each request, written in batches off the path of requests.

Lines are collected in memory and handed to a thread four times a second, so a slow disk costs lines (counted), never requests.
"""

import json
import os
import queue
import threading
from pathlib import Path

_MAX_WAITING = 64  # batches


class AccessLog:
    """Collects lines and writes them. A *path* of None writes to standard output; a closed log drops what comes."""

    def __init__(self, path: Path | None) -> None:
        self.dropped = 0
        self._lines: list[str] = []
        self._batches: queue.Queue[list[str] | None] = queue.Queue(_MAX_WAITING)
        self._file = _LogFile(path)
        self._thread = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
        self._thread.start()

    def add(self, line: str) -> None:
        """Add a line, which ends with a line feed."""
        self._lines.append(line)

    def flush(self) -> None:
        """Hand over what has been collected; called by the worker's timer."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            self._batches.put_nowait(lines)
        except queue.Full:
            self.dropped += len(lines)

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
            if not self._file.write("".join(lines).encode("utf-8", "replace")):
                self.dropped += len(lines)


class _LogFile:
    """The file behind the log; opened again when somebody has moved it away (logrotate)."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor = 1 if path is None else -1

    def write(self, data: bytes) -> bool:
        """Append *data*; False when that was impossible."""
        try:
            self._ready()
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close a file that was opened here."""
        if self._path is not None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _ready(self) -> None:
        if self._path is None or self._is_current(self._path):
            return
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)

    def _is_current(self, path: Path) -> bool:
        if self._descriptor < 0:
            return False
        try:
            return path.stat().st_ino == os.fstat(self._descriptor).st_ino
        except FileNotFoundError:
            return False


def quoted(value: bytes) -> str:
    """Return bytes that somebody sent as a JSON string, quotes included."""
    text = value.decode("latin-1")
    if text.isascii() and '"' not in text and "\\" not in text and text.isprintable():
        return f'"{text}"'
    return json.dumps(text)
