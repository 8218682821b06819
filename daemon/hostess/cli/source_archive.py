"""The archive of an upload: tar, gzip, in a temporary file; never as a whole in memory."""

import gzip
import io
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from hostess.cli.failure import USAGE, Failure
from hostess.cli.source_tree import HOSTESS, STACK_FILE, Source, Tree
from hostess.domain.quantities import size_text

PACKED = 500 * 1024**2
EXPANDED = 2 * 1024**3
FILES = 100_000
ONE_FILE = 1024**3


def check_limits(tree: Tree) -> None:
    """Raise a Failure that names what is too large, or too many."""
    if len(tree.sources) > FILES:
        raise _beyond(f"{len(tree.sources)} files would be uploaded, {FILES} are allowed")
    largest = max(tree.sources, key=lambda source: source.size, default=Source(""))
    if largest.size > ONE_FILE:
        raise _beyond(f"{largest.path} has {size_text(largest.size)}, {size_text(ONE_FILE)} are allowed for a file")
    total = sum(source.size for source in tree.sources)
    if total > EXPANDED:
        raise _beyond(
            f"the files have {size_text(total)} together, {size_text(EXPANDED)} are allowed; "
            f"the largest is {largest.path} with {size_text(largest.size)}"
        )


@contextmanager
def archive(root: Path, tree: Tree, stack_file: bytes) -> Iterator[IO[bytes]]:
    """Give the archive of *tree*, at its beginning; *stack_file* is hostess.yml's content. Failure when it is too large."""
    with tempfile.TemporaryFile() as made:
        with (
            gzip.GzipFile(fileobj=made, mode="wb", compresslevel=6, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar,
        ):
            _add(tar, Source(STACK_FILE, len(stack_file)), io.BytesIO(stack_file))
            for source in tree.sources:
                if source.path != STACK_FILE:
                    _add_source(tar, root, source)
                if made.tell() > PACKED:
                    raise _beyond(f"the archive is larger than {size_text(PACKED)}")
        if made.tell() > PACKED:
            raise _beyond(f"the archive is larger than {size_text(PACKED)}")
        made.seek(0)
        yield made


class Shown(io.RawIOBase):
    """A file that shows on a terminal how much of it was read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file = file
        self._size = max(size, 1)
        self._done = 0
        self._told = -1

    def read(self, size: int = -1) -> bytes:
        """Return the next piece."""
        piece = self._file.read(size)
        self._done += len(piece)
        percent = self._done * 100 // self._size
        if percent != self._told and sys.stderr.isatty():
            self._told = percent
            click.echo(f"\ruploading {size_text(self._size)}: {percent} %", err=True, nl=percent == 100)  # noqa: PLR2004 -- all of it
        return piece


def _add_source(tar: tarfile.TarFile, root: Path, source: Source) -> None:
    if source.target is not None:
        _add(tar, source, None)
        return
    try:
        with (root / source.path).open("rb") as content:
            _add(tar, source, content)
    except OSError as error:
        why = error.strerror or "it was changed while it was read"
        raise Failure(f"{source.path} cannot be read: {why}", exit_code=USAGE) from error


def _add(tar: tarfile.TarFile, source: Source, content: IO[bytes] | None) -> None:
    info = tarfile.TarInfo(source.path)
    info.size, info.mode = source.size, 0o755 if source.executable else 0o644
    if source.target is not None:
        info.type, info.linkname = tarfile.SYMTYPE, source.target
    tar.addfile(info, content)


def _beyond(what: str) -> Failure:
    return Failure(what, exit_code=USAGE, remedy=f"leave out what does not belong to the source, in {HOSTESS}")
