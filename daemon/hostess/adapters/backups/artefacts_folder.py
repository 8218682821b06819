"""Artefacts of backups in a local folder: one zstd-compressed tar each, read back from the disk, with a JSON manifest beside it.

Dumps have no length that is known before they end, and tar wants one first: each part lies in the tar as a row of files of at most
PIECE bytes (`app.dump.000000`, `app.dump.000001`, ...), which `tar -xO` joins again. Nothing is ever held but one piece.
"""

import errno
import hashlib
import os
import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from hostess.adapters.backups.encryption_age import Reader, Seal
from hostess.adapters.folder_sync import sync_folder
from hostess.domain.backups.backup import SUFFIX, Part, Written, damaged
from hostess.domain.problem import Problem

PIECE = 4 * 1024 * 1024
READ = 1024 * 1024
LEVEL = 3
MANIFEST = ".json"
LARGEST_MANIFEST = 64 * 1024 * 1024
"""Bytes: a table takes about a hundred. Whoever can write to a bucket must not fill the memory of its readers."""
BEGUN = ".part"
_NUMBER = 6


class FolderArtefacts:
    """Implements `ports.Artefacts` below *folder*. A name there is that of a whole artefact, whatever was killed when."""

    def __init__(self, folder: Path, seal: Seal | None = None) -> None:
        self._folder = folder
        self._seal = seal or Seal()

    @property
    def encryption(self) -> str:
        """How artefacts are encrypted."""
        return self._seal.name

    @property
    def twofold(self) -> bool:
        """No: there is nothing but the folder."""
        return False

    def write(self, path: str, parts: Iterable[tuple[str, Iterator[bytes]]], missing: str = "") -> Written:  # noqa: ARG002 -- no other place
        """Write an artefact; whatever *parts* raises, nothing of it is kept then."""
        packed = Packed(parts, self._seal)
        self.put(path, packed)
        return packed.written

    def copy(self, path: str, missing: str) -> None:
        """There is no other place."""

    def put(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file of these pieces; whatever they raise, there is none then."""
        self._make(path, lambda file: file.writelines(pieces))

    def checksum(self, path: str, missing: str = "") -> str:  # noqa: ARG002 -- no other place
        """Return the SHA-256 of what is on the disk: what the system remembers of the file is dropped first."""
        digest = hashlib.sha256()
        for piece in self._read(path, forget=True):
            digest.update(piece)
        return digest.hexdigest()

    def sound(self, path: str, checksum: str, missing: str = "") -> None:  # noqa: ARG002 -- no other place
        """Problem "backup-damaged" unless what is on the disk is what was written."""
        if (found := self.checksum(path)) != checksum:
            raise damaged(path, found, checksum)

    def pieces(self, path: str) -> Generator[bytes]:
        """Yield an artefact as it is; what was just compared is not fetched from the disk again. Problem "backup-gone"."""
        yield from self._read(path)

    def parts(self, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the parts of an artefact; each must be read to its end before the next. Problem "backup-damaged"."""
        return unpacked(path, self._seal.opened(path, self.pieces(path)))

    def has(self, name: str) -> bool:
        """Whether a file of that name is there."""
        return self._at(name).is_file()

    def put_manifest(self, path: str, text: str, missing: str = "") -> None:  # noqa: ARG002 -- no other place
        """Write the manifest beside an artefact."""
        self.put(path + MANIFEST, [text.encode()])

    def listed(self, folder: str) -> dict[str, str]:
        """Return the artefacts in a folder that have a manifest."""
        with _told("read", folder):
            if not self._folder.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the folder of backups is not there", str(self._folder))
            ending = SUFFIX + MANIFEST
            names = [path.name for path in self._at(folder).glob(f"*{ending}")]
        return {f"{folder}/{name.removesuffix(MANIFEST)}": "" for name in names}

    def manifest(self, path: str) -> str:
        """Return the manifest of an artefact. Problem "backup-gone", "backup-damaged"."""
        return manifest_text(path, self.pieces(path + MANIFEST))

    def remove(self, path: str) -> None:
        """Remove an artefact, its manifest first: what has none is no backup."""
        with _told("removed", path):
            for name in (path + MANIFEST, path + MANIFEST + BEGUN, path, path + BEGUN):
                self._at(name).unlink(missing_ok=True)
            if self._at(path).parent.is_dir():
                sync_folder(self._at(path).parent)

    def _read(self, path: str, *, forget: bool = False) -> Iterator[bytes]:
        with _told("read", path), self._open(path) as file:
            if forget:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while piece := file.read(READ):
                yield piece

    def _at(self, path: str) -> Path:
        """Return where an artefact lies: below the folder, or ValueError."""
        parts = path.split("/")
        if not all(parts) or not {".", ".."}.isdisjoint(parts):
            raise ValueError(f"{path!r} is no path of an artefact")
        return self._folder / path

    def _open(self, path: str) -> IO[bytes]:
        try:
            return self._at(path).open("rb")
        except FileNotFoundError:
            raise Problem(
                "backup-gone",
                f"{self._folder / path} is not there any more",
                remedy="somebody removed it, or the disk is not mounted: is backups.dir right?",
            ) from None

    def _make(self, path: str, pour: Callable[[IO[bytes]], object]) -> None:
        """Write a file beside its place, and give it its name when all of it is on the disk."""
        target, begun = self._at(path), self._at(path + BEGUN)
        with _told("written", path):
            if not self._folder.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the folder of backups is not there", str(self._folder))
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    pour(file)
                    file.flush()
                    os.fsync(file.fileno())
                begun.rename(target)
                sync_folder(target.parent)
            finally:
                begun.unlink(missing_ok=True)


class Packed:
    """An artefact of these parts in pieces; *written* tells what it came to when all of them were taken."""

    def __init__(self, parts: Iterable[tuple[str, Iterator[bytes]]], seal: Seal) -> None:
        self._parts = parts
        self._seal = seal
        self._counted: list[Part] = []
        self._digest = hashlib.sha256()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces; once."""
        for piece in self._seal.sealed(_compressed(_archive(self._parts, self._counted))):
            self._digest.update(piece)
            self._size += len(piece)
            yield piece

    @property
    def written(self) -> Written:
        """What was taken."""
        return Written(self._size, self._digest.hexdigest(), tuple(self._counted))


def manifest_text(path: str, pieces: Iterable[bytes]) -> str:
    """Return the manifest that comes in *pieces*. Problem "backup-damaged" for what is no text, or larger than any of ours."""
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > LARGEST_MANIFEST:
            raise Problem("backup-damaged", f"the manifest of {path} has more than {LARGEST_MANIFEST} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Problem("backup-damaged", f"the manifest of {path} is no text: {error}") from error


def unpacked(path: str, pieces: Iterator[bytes]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the parts of an artefact that comes in *pieces*. Problem "backup-damaged"."""
    reader = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", Reader(pieces)))
    with _whole(path), tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|", bufsize=READ) as tar:
        yield from _joined(tar, path)


@contextmanager
def _whole(path: str) -> Iterator[None]:
    """Turn what damaged archives raise into a Problem."""
    try:
        yield
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise Problem("backup-damaged", f"the artefact {path} is damaged: {error}") from error


def _archive(parts: Iterable[tuple[str, Iterator[bytes]]], counted: list[Part]) -> Iterator[bytes]:
    """Yield a tar of the parts, and put what they came to into *counted*."""
    for name, pieces in parts:
        size = 0
        for number, data in enumerate(_cut(pieces)):
            info = tarfile.TarInfo(f"{name}.{number:0{_NUMBER}}")
            info.size, info.mode = len(data), 0o600
            yield info.tobuf(tarfile.PAX_FORMAT)
            yield data
            yield bytes(-len(data) % tarfile.BLOCKSIZE)
            size += len(data)
        counted.append(Part(name, size))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of PIECE; at least one, so that an empty part is there, too."""
    held = bytearray()
    first = True
    for piece in pieces:
        held += piece
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
            first = False
    if held or first:
        yield bytes(held)


def _compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    # A thread of its own compresses while the next piece comes.
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=1).compressobj()
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _joined(tar: tarfile.TarFile, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each part's name and content, out of the row of files that it lies in."""
    members = iter(tar)
    member = next(members, None)

    def content(name: str) -> Iterator[bytes]:
        nonlocal member
        with _whole(path):
            while member is not None and _part_of(member.name) == name:
                file: Any = tar.extractfile(member)
                while data := file.read(READ):
                    yield data
                member = next(members, None)

    while member is not None:
        name = _part_of(member.name)
        rest = content(name)
        yield name, rest
        for _ in rest:
            pass


def _part_of(member: str) -> str:
    return member.rpartition(".")[0]


@contextmanager
def _told(doing: str, path: str) -> Iterator[None]:
    """Turn errors of the system into a Problem."""
    try:
        yield
    except OSError as error:
        raise Problem(
            "backup-target-failed",
            f"the backup {path} could not be {doing}: {error.strerror or error}",
            serving="the service itself, and the backups that are there",
            remedy="is the disk of backups.dir there, writable, and not full?",
        ) from error
