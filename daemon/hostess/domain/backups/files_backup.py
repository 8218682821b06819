"""How services that are no databases are backed up: what their command writes below /backup, or their volumes as they are. Pure."""

import re
import tarfile
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from hostess.domain.backups.backup import Files
from hostess.domain.problem import Problem

DIRECTORY = "/backup"
ROOT = "0:0"
# Whoever the service's user is: it may write there, and finds nothing of the time before. What somebody mounts there, or leads elsewhere
# from there, is no leftover of ours.
_EMPTY = """while read -r _ _ _ _ at _; do
    case $at in "$0"|"$0"/*) echo "$at is a mount, and would be emptied" >&2; exit 1;; esac
done < /proc/self/mountinfo
if [ -L "$0" ]; then echo "$0 is a link, and what it leads to would be emptied" >&2; exit 1; fi
mkdir -p "$0" && chmod 0777 "$0" && cd "$0" && rm -rf -- * .[!.]* ..?*"""
EMPTY = ("sh", "-c", _EMPTY, DIRECTORY)
ENDING = ".tar"
LONGEST_HEADER = 1024 * 1024
"""Bytes of a header that says more of the next entry than fits into its own."""

_HEADERS = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE})
_LONG = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
_SIZE = re.compile(rb"(?:^|\n)\d+ size=(\d+)\n")


def places(command: Iterable[str], volumes: Mapping[str, str]) -> tuple[str, ...]:
    """Return the directories that are archived, given the command and the volumes (name -> path) of a service."""
    return (DIRECTORY,) if tuple(command) else tuple(sorted(volumes.values()))


def part_of(directory: str) -> str:
    """Return the name of a directory's part."""
    return quote(directory.strip("/"), safe="") + ENDING


def directory_of(part: str) -> str:
    """Return which directory a part is of."""
    return "/" + unquote(part.removesuffix(ENDING))


def differences(wanted: Iterable[Files], found: Iterable[Files]) -> list[str]:
    """Return in which directories what was *found* is not what was *wanted*, in words."""
    before, after = {each.directory: each for each in wanted}, {each.directory: each for each in found}
    return [
        f"{name} has {_told(after.get(name))}, and had {_told(before.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _told(files: Files | None) -> str:
    return f"{files.count} files of {files.size} bytes" if files else "nothing"


class Walk:
    """Counts what a tar archive holds (*entries*, of which *count* are no directories) while it passes by.

    Nothing of its content is kept. Problem "backup-damaged" at nonsense.
    """

    def __init__(self) -> None:
        self.entries = 0
        self.count = 0
        self.size = 0
        self.ended = False
        self._held = b""
        self._skip = 0
        self._header: bytearray | None = None
        self._wanted = 0
        self._override: int | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view and not self.ended:
            if self._skip:
                taken = min(self._skip, len(view))
                if self._header is not None:
                    self._header += view[:taken]
                self._skip -= taken
                view = view[taken:]
                if not self._skip and self._header is not None:
                    self._close_header()
                continue
            taken = min(tarfile.BLOCKSIZE - len(self._held), len(view))
            self._held += bytes(view[:taken])
            view = view[taken:]
            if len(self._held) == tarfile.BLOCKSIZE:
                block, self._held = self._held, b""
                self._take(block)

    def _take(self, block: bytes) -> None:
        if not block.strip(b"\0"):
            self.ended = True
            return
        try:
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise Problem("backup-damaged", f"what was to be an archive is none: {error}") from error
        size = entry.size if self._override is None else self._override
        if entry.type in _HEADERS:
            if size > LONGEST_HEADER:
                raise Problem("backup-damaged", "an archive has a header of more than a megabyte")
            self._header, self._wanted = (bytearray() if size else None), size
        else:
            self._override = None
            if entry.type not in _LONG:
                self.entries += 1
                self.count += not entry.isdir()
                self.size += size if entry.isreg() else 0
        self._skip = -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE if entry.isreg() or entry.size else 0

    def _close_header(self) -> None:
        header, self._header = bytes(self._header or b"")[: self._wanted], None
        found = _SIZE.search(header)
        self._override = int(found[1]) if found else None
