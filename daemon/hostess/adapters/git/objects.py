"""Many or large git objects, read through git's own plumbing: whatever their size, only a piece at a time is in memory."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PIECE = 256 * 1024
_SYMLINK, _SUBMODULE, _EXECUTABLE = 0o120000, 0o160000, 0o100755  # git's only other modes: 0o100644, 0o40000


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, symlink or submodule of a tree; *path* is relative to it. A submodule has no size."""

    mode: int
    id: str
    size: int
    path: str

    @property
    def is_symlink(self) -> bool:
        """Whether it is a symbolic link; its blob is the target."""
        return self.mode == _SYMLINK

    @property
    def is_submodule(self) -> bool:
        """Whether it only names a commit of another repository."""
        return self.mode == _SUBMODULE

    @property
    def is_executable(self) -> bool:
        """Whether it is a file with the executable bit."""
        return self.mode == _EXECUTABLE


@dataclass(frozen=True, slots=True)
class Found:
    """What an object name stands for; *kind* is git's word: blob, tree, commit, tag."""

    id: str
    kind: str
    size: int


def environment() -> dict[str, str]:
    """Return the environment for git: no settings but the repository's, no objects but those that were pushed."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def run(repository: Path, *arguments: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run git in a repository and return its exit code, output and complaints; TimeoutExpired after *within* seconds."""
    return subprocess.run(
        ["git", f"--git-dir={repository}", *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=within,
        check=False,
    )


def listing(repository: Path, tree: str) -> Iterator[Entry]:
    """Yield all entries of a tree or commit (40 hex) and of the trees below it, in git's order; OSError when git cannot."""
    rest = b""
    with _child(repository, "ls-tree", "-r", "-l", "-z", "--full-tree", tree) as child:
        while piece := child.output.read(PIECE):
            *records, rest = (rest + piece).split(b"\0")
            yield from map(_entry, records)
        if child.process.wait():
            raise OSError(f"git ls-tree {tree} failed in {repository}")


def _entry(record: bytes) -> Entry:
    head, _, path = text(record).partition("\t")
    mode, _, identity, size = head.split()
    return Entry(int(mode, 8), identity, 0 if size == "-" else int(size), path)


class Objects:
    """A child of git that answers for any number of objects, one after the other, for one thread."""

    def __init__(self, asking: IO[bytes], output: IO[bytes]) -> None:
        self._asking = asking
        self._output = output

    def open(self, name: str) -> tuple[Found, Iterator[bytes]] | None:
        """Return what *name* stands for and its content in pieces, which must be read to the end before the next call; None if absent.

        In `<commit>:<path>` symlinks are followed as long as they stay inside the tree; one that does not is absent.
        """
        if "\n" in name:
            return None
        self._asking.write(name.encode(errors="surrogateescape") + b"\n")
        self._asking.flush()
        head = text(self._output.readline()).rstrip("\n")
        if found := _FOUND.fullmatch(head):
            identity, kind, size = found.groups()
            return Found(identity, kind, int(size)), self._content(int(size))
        if outside := _OUTSIDE.fullmatch(head):
            self._output.read(int(outside[1]) + 1)
        return None

    def read(self, name: str) -> bytes:
        """Return the whole content of an object that is there and known to be small."""
        opened = self.open(name)
        if opened is None:
            raise OSError(f"object {name} is missing")
        return b"".join(opened[1])

    def _content(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._output.read(min(left, PIECE))
            if not piece:
                raise OSError("git cat-file ended in the middle of an object")
            left -= len(piece)
            yield piece
        self._output.read(1)  # the newline after it


@contextlib.contextmanager
def objects(repository: Path) -> Iterator[Objects]:
    """Give access to the objects of a repository inside the block."""
    with _child(repository, "cat-file", "--batch", "--follow-symlinks") as child:
        yield Objects(child.asking, child.output)


def find(repository: Path, name: str) -> Found | None:
    """Return what *name* (an id, ref, tag, or any of these with "^{commit}" or ":path") stands for, None when it is absent."""
    if "\n" in name or "\0" in name:
        return None
    with _child(repository, "cat-file", "--batch-check") as child:
        child.asking.write(name.encode(errors="surrogateescape") + b"\n")
        child.asking.close()
        found = _FOUND.fullmatch(text(child.output.read()).rstrip("\n"))
    return Found(found[1], found[2], int(found[3])) if found else None


def text(data: bytes) -> str:
    """Return git's bytes as text; names need not be UTF-8."""
    return data.decode(errors="surrogateescape")


_FOUND = re.compile(r"([0-9a-f]{40}) (blob|tree|commit|tag) ([0-9]+)")
_OUTSIDE = re.compile(r"(?:symlink|dangling|loop|notdir) ([0-9]+)")


@dataclass(frozen=True, slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    asking: IO[bytes]
    output: IO[bytes]


@contextlib.contextmanager
def _child(repository: Path, *arguments: str) -> Iterator[_Child]:
    with subprocess.Popen(
        ["git", f"--git-dir={repository}", *arguments],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            if process.stdin and process.stdout:
                yield _Child(process, process.stdin, process.stdout)
        finally:
            process.kill()
