"""Kept output of deployments: one text file each below the data folder, and live followers in memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from hostess.domain.hostess_yml.excerpt import Excerpt
from hostess.domain.transcripts import Kept

MAX_LINE = 8192


class FileTranscripts:
    """Transcripts in `<folder>/<deployment>.log`, of very long ones the beginning and the end.

    The beginning is flushed as it comes, the end is written by `close`; the journal, not this file, is the truth.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, TextIO] = {}
        self._kept: dict[str, Excerpt] = {}
        self._grown: dict[str, asyncio.Event] = {}

    def write(self, deployment: str, line: str) -> None:
        """Append one line; a full disk costs the line on disk, not the deployment."""
        line = line[:MAX_LINE].replace("\r", "")
        kept = self._kept.get(deployment)
        if kept is None:
            kept = self._kept[deployment] = self._stored(deployment)
        kept.add(line)
        self._wake(deployment)
        if kept.parted:
            return
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
        kept = self._kept.pop(deployment, None)
        if kept is not None and kept.parted:
            self._rewrite(deployment, kept)
        self._wake(deployment)

    def close_all(self) -> None:
        """Close every file: the daemon stops."""
        for deployment in list(self._kept):
            self.close(deployment)

    def read(self, deployment: str) -> list[str]:
        """Return what is kept so far, of a closed one from disk."""
        return self._now(deployment).lines()

    def count(self, deployment: str) -> int:
        """Return the number of the last line."""
        return self._now(deployment).count

    async def follow(self, deployment: str, after: int = 0) -> AsyncIterator[tuple[int, str]]:
        """Yield numbered lines, then wait for more until it is closed."""
        number = after
        while True:
            live = deployment in self._kept
            grown = self._grown.setdefault(deployment, asyncio.Event()) if live else asyncio.Event()
            for reached, line in self._now(deployment).after(number):
                number = reached
                yield number, line
            if not live:
                return
            await grown.wait()

    def kept(self) -> list[Kept]:
        """Return what is on the disk, but for those that are not closed."""
        found = []
        for path in self._folder.glob("*.log"):
            try:
                about = path.stat()
            except OSError:  # it has just gone
                continue
            if path.stem not in self._kept:
                found.append(Kept(path.stem, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC)))
        return found

    def remove(self, deployment: str) -> None:
        """Delete one that is closed; an absent one is no error."""
        if deployment not in self._kept:
            self._path(deployment).unlink(missing_ok=True)

    def _wake(self, deployment: str) -> None:
        grown = self._grown.pop(deployment, None)
        if grown is not None:
            grown.set()

    def _path(self, deployment: str) -> Path:
        return self._folder / f"{deployment}.log"

    def _now(self, deployment: str) -> Excerpt:
        return self._kept.get(deployment) or self._stored(deployment)

    def _stored(self, deployment: str) -> Excerpt:
        try:
            return Excerpt(self._path(deployment).read_text(encoding="utf-8", errors="replace").split("\n")[:-1])
        except OSError:
            return Excerpt()

    def _rewrite(self, deployment: str, kept: Excerpt) -> None:
        """Write the end, too. On a full disk the beginning stays."""
        path = self._path(deployment)
        beside = path.with_suffix(".new")
        try:
            beside.write_text("".join(f"{line}\n" for line in kept.lines()), encoding="utf-8", errors="replace")
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
