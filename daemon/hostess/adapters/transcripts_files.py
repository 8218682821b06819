"""Kept output of deployments: one text file each below the data folder, and live followers in memory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TextIO

MAX_LINE = 8192


class FileTranscripts:
    """Transcripts in `<folder>/<deployment>.log`. Lines are flushed as they come; the journal, not this file, is the truth."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, TextIO] = {}
        self._lines: dict[str, list[str]] = {}
        self._grown: dict[str, asyncio.Event] = {}

    def write(self, deployment: str, line: str) -> None:
        """Append one line; a full disk costs the line on disk, not the deployment."""
        line = line[:MAX_LINE].replace("\r", "")
        lines = self._lines.get(deployment)
        if lines is None:
            lines = self._lines[deployment] = self._stored(deployment)
        lines.append(line)
        self._wake(deployment)
        try:
            if deployment not in self._open:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._open[deployment] = self._path(deployment).open("a", encoding="utf-8", errors="replace")
            self._open[deployment].write(line + "\n")
            self._open[deployment].flush()
        except OSError:
            self._open.pop(deployment, None)

    def close(self, deployment: str) -> None:
        """Close the file and end all followers."""
        stream = self._open.pop(deployment, None)
        if stream is not None:
            stream.close()
        self._lines.pop(deployment, None)
        self._wake(deployment)

    def close_all(self) -> None:
        """Close every file: the daemon stops."""
        for deployment in list(self._lines):
            self.close(deployment)

    def read(self, deployment: str) -> list[str]:
        """Return all lines so far, of a closed one from disk."""
        lines = self._lines.get(deployment)
        return list(lines) if lines is not None else self._stored(deployment)

    async def follow(self, deployment: str, after: int = 0) -> AsyncIterator[tuple[int, str]]:
        """Yield numbered lines, then wait for more until it is closed."""
        number = after
        while True:
            lines = self._lines.get(deployment)
            live = lines is not None
            grown = self._grown.setdefault(deployment, asyncio.Event()) if live else asyncio.Event()
            for line in (lines if lines is not None else self._stored(deployment))[number:]:
                number += 1
                yield number, line
            if not live:
                return
            if len(self._lines.get(deployment, ())) == number:
                await grown.wait()

    def _wake(self, deployment: str) -> None:
        grown = self._grown.pop(deployment, None)
        if grown is not None:
            grown.set()

    def _path(self, deployment: str) -> Path:
        return self._folder / f"{deployment}.log"

    def _stored(self, deployment: str) -> list[str]:
        try:
            return self._path(deployment).read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        except OSError:
            return []
