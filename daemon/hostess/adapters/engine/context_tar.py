"""A build context: a tree of a commit as a tar stream, straight from git's objects, with what .dockerignore leaves out left out."""

import hashlib
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hostess.adapters.engine.dockerignore import DockerIgnore
from hostess.adapters.git.objects import Entry, Objects, listing, objects
from hostess.domain.ports.repositories import NO_FILES
from hostess.domain.problem import Problem

STACK_FILE = "hostess.yml"
"""What says how to run a service is no part of what it is built from."""

_IGNORE_BYTES = 1024 * 1024
_EARLIEST = 315_619_200  # 1980-01-02: zip files, and so Python wheels, know no time before 1980
_SPAN = 600_000_000  # seconds, so that no file is from the future


def context_tar(repository: Path, tree: str, dockerfile: str, extra: Mapping[str, bytes] = NO_FILES) -> Iterator[bytes]:
    """Yield a tree (40 hex) as an uncompressed tar stream; equal contexts give equal bytes. *dockerfile* is a clean path inside it.

    *extra* are files at the root that come first; what the tree has under their names is not sent, and not looked at.

    Owner, modes and times depend on nothing but what is sent. The time is the same for all files, so that `make` sees nothing out
    of date, and differs between contexts, so that web servers which derive an ETag from time and size do not answer "not modified".
    """
    mtime = _EARLIEST + int(context_id(repository, tree, dockerfile, extra)[:8], 16) % _SPAN
    with objects(repository) as blobs:
        for name, content in extra.items():
            if name == f"{dockerfile}.dockerignore":  # it is only for us: the image need not have it
                continue
            yield _header(name, tarfile.REGTYPE, 0o644, mtime, size=len(content))
            yield content + bytes(-len(content) % tarfile.BLOCKSIZE)
        for entry, folders in _context(repository, blobs, tree, dockerfile, extra):
            for folder in folders:
                yield _header(f"{folder}/", tarfile.DIRTYPE, 0o755, mtime)
            if entry is not None:
                yield from _file(entry, blobs, mtime)
    yield bytes(2 * tarfile.BLOCKSIZE)


def context_id(repository: Path, tree: str, dockerfile: str, extra: Mapping[str, bytes] = NO_FILES) -> str:
    """Return a digest (64 hex) of what `context_tar` sends: what .dockerignore leaves out does not count."""
    digest = hashlib.sha256(dockerfile.encode(errors="surrogateescape"))
    with objects(repository) as blobs:
        for name, content in extra.items():
            digest.update(b"\0%b\0%b" % (name.encode(), hashlib.sha256(content).digest()))
        for entry, folders in _context(repository, blobs, tree, dockerfile, extra):
            for folder in folders:
                digest.update(b"\0%b/" % folder.encode(errors="surrogateescape"))
            if entry is not None:
                told = f"{entry.mode:o} {entry.id} {entry.path}"
                digest.update(b"\0" + told.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _context(
    repository: Path, blobs: Objects, tree: str, dockerfile: str, extra: Mapping[str, bytes]
) -> Iterator[tuple[Entry | None, list[str]]]:
    ignore = _ignore(blobs, tree, dockerfile, extra)
    # A change of hostess.yml alone (a replica more) must not make a new image of a service that is built from the root.
    left_out = {STACK_FILE, *extra}
    entries = (entry for entry in listing(repository, tree) if entry.path.split("/")[0] not in left_out)
    return _sent(entries, ignore)


def _ignore(blobs: Objects, tree: str, dockerfile: str, extra: Mapping[str, bytes]) -> DockerIgnore:
    """Return the rules that hold for this Dockerfile: those of a file named after it, else those of .dockerignore."""
    always = frozenset({dockerfile, ".dockerignore", f"{dockerfile}.dockerignore"})
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        if name in extra:
            return DockerIgnore(extra[name].decode(), always)
        opened = blobs.open(f"{tree}:{name}")
        if opened is None or opened[0].kind != "blob":
            continue
        found, content = opened
        if found.size > _IGNORE_BYTES:
            raise Problem("file-too-large", f"{name} has {found.size} bytes, {_IGNORE_BYTES} are allowed")
        return DockerIgnore(b"".join(content).decode(errors="surrogateescape"), always)
    return DockerIgnore("", always)


def _sent(entries: Iterable[Entry], ignore: DockerIgnore) -> Iterator[tuple[Entry | None, list[str]]]:
    """Yield what is sent: each entry that is not left out (None: it is), with the folders that must be made before it.

    A folder is sent when it is not left out itself, even if it is empty then, or when something in it is sent.
    """
    made: set[str] = set()
    for entry in entries:
        sent = not ignore.excludes(entry.path)
        folders = [folder for folder in _folders(entry.path) if folder not in made]
        while folders and not sent and ignore.excludes(folders[-1]):
            folders.pop()
        made.update(folders)
        if sent or folders:
            yield (entry if sent else None), folders


def _folders(path: str) -> list[str]:
    """Return the folders above *path*, the outermost first."""
    names = path.split("/")[:-1]
    return ["/".join(names[: depth + 1]) for depth in range(len(names))]


def _file(entry: Entry, blobs: Objects, mtime: int) -> Iterator[bytes]:
    if entry.is_submodule:
        raise Problem("submodule-unsupported", f"{entry.path} is a git submodule, and submodules are not fetched")
    if entry.is_symlink:
        yield _header(
            entry.path, tarfile.SYMTYPE, 0o777, mtime, target=blobs.read(entry.id).decode(errors="surrogateescape")
        )
        return
    opened = blobs.open(entry.id)
    if opened is None:
        raise OSError(f"object {entry.id} is missing")
    yield _header(entry.path, tarfile.REGTYPE, 0o755 if entry.is_executable else 0o644, mtime, size=entry.size)
    yield from opened[1]
    yield bytes(-entry.size % tarfile.BLOCKSIZE)


def _header(path: str, kind: bytes, mode: int, mtime: int, *, size: int = 0, target: str = "") -> bytes:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime, info.size, info.linkname = kind, mode, mtime, size, target
    info.uid = info.gid = 0
    # The GNU format keeps names that are not UTF-8 as they are.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def inside(path: str, what: str) -> str:
    """Return a relative path tidied ("" = the root itself); Problem "path-unsafe" when it leads out."""
    tidy = posixpath.normpath(path)
    if tidy.startswith(("/", "../")) or tidy == ".." or "\x00" in tidy:
        raise Problem("path-unsafe", f"{what} {path!r} is outside of the repository", remedy="give a path inside it")
    return "" if tidy == "." else tidy
