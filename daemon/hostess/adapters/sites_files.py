"""Sites as folders of the data folder: unpacked beside, checked, then renamed, so that no half of one is ever served."""

import asyncio
import gzip
import os
import posixpath
import re
import secrets
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from hostess.adapters.pieces import Pieces
from hostess.domain.ports.sites import SiteLimits
from hostess.domain.problem import Problem

UNFINISHED = ".new-"
PIECE = 256 * 1024
_KEY = re.compile(r"[0-9a-f]{64}")
_TEXT = re.compile(
    r".*\.(?:html?|css|m?js|json|map|svg|xml|txt|md|csv|webmanifest|wasm|ttf|otf|ico|rss|atom)", re.IGNORECASE
)
_WORTH = 1024
_COMPRESSED_BELOW = 16 * 1024**2


class FileSites:
    """Implements `ports.Sites` in *folder*. The proxy's user may read what is in it, and needs no more."""

    def __init__(self, folder: Path, limits: SiteLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or SiteLimits()

    async def has(self, key: str) -> bool:
        """Whether there is a folder of that key."""
        return await asyncio.to_thread(self._path(key).is_dir)

    def put(self, key: str, archive: Iterable[bytes], below: str) -> bool:
        """Make the folder of *key* from what lies *below* in a tar stream; return whether it has an index.html."""
        path = self._path(key)
        if not path.is_dir():
            self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._folder.chmod(0o711)  # whatever the umask is: the proxy's user passes through
            beside = self._folder / f"{UNFINISHED}{key[:16]}-{secrets.token_hex(4)}"
            beside.mkdir(mode=0o755)
            try:
                _Unpacking(beside, self._limits).run(archive, below)
                _compress(beside)
                os.sync()  # what is renamed is on the disk: a power cut leaves all of it or nothing
                _settle(beside, path)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        return (path / "index.html").is_file()

    async def keys(self) -> set[str]:
        """Return the keys of all folders."""
        return await asyncio.to_thread(self._keys)

    async def remove(self, key: str) -> int:
        """Remove a folder, by another name first: what is left of it after a crash is no site."""
        return await asyncio.to_thread(self._remove, key)

    def _keys(self) -> set[str]:
        if not self._folder.is_dir():
            return set()
        return {entry.name for entry in self._folder.iterdir() if _KEY.fullmatch(entry.name)}

    def _remove(self, key: str) -> int:
        for left in self._folder.glob(f"{UNFINISHED}gone-*"):
            shutil.rmtree(left, ignore_errors=True)
        gone = self._folder / f"{UNFINISHED}gone-{secrets.token_hex(4)}"
        try:
            self._path(key).rename(gone)
        except FileNotFoundError:
            return 0
        size = sum(path.lstat().st_size for path in gone.rglob("*") if not path.is_dir())
        shutil.rmtree(gone, ignore_errors=True)
        return size

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a site")
        return self._folder / key


class _Unpacking:
    """One tar stream on its way into a folder. Symlinks are made last, so that nothing is written through one."""

    def __init__(self, root: Path, limits: SiteLimits) -> None:
        self._root = root
        self._limits = limits
        self._files = 0
        self._bytes = 0
        self._links: list[tuple[Path, str]] = []
        root.chmod(0o755)

    def run(self, archive: Iterable[bytes], below: str) -> None:
        """Unpack what lies *below*."""
        with tarfile.open(fileobj=cast("IO[bytes]", Pieces(archive)), mode="r|") as tar:
            for member in tar:
                name = _relative(member.name, below)
                if name is not None:
                    self._take(tar, member, name, below)
        if not self._files:
            raise Problem("site-empty", "there are no files to serve", remedy="correct `source` or `special.output`")
        for path, target in self._links:
            self._folder(path.parent)
            path.symlink_to(target)
        root = self._root.resolve()
        for path, target in self._links:
            # A link whose target is absent is harmless: it leads nowhere, and from inside to inside if it ever does.
            if not path.resolve().is_relative_to(root):
                raise _unsafe(f"the symlink {path.relative_to(self._root)} -> {target} leads out of the site")

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, below: str) -> None:
        path = self._root / name
        if member.isdir():
            self._folder(path)
            return
        self._count(member.size)
        self._folder(path.parent)
        if member.issym():
            self._links.append((path, member.linkname))
        elif member.islnk():
            origin = _relative(member.linkname, below)
            if not origin or not (self._root / origin).is_file():
                raise _unsafe(f"{name} is a hard link to {member.linkname}, which is not part of the site")
            path.hardlink_to(self._root / origin)
        elif member.isreg():
            self._write(path, tar.extractfile(member))
        else:
            raise _unsafe(f"{name} is neither a file nor a folder")

    def _write(self, path: Path, content: IO[bytes] | None) -> None:
        with path.open("wb") as file:
            while content is not None and (piece := content.read(PIECE)):
                file.write(piece)
        path.chmod(0o644)

    def _folder(self, path: Path) -> None:
        if not path.is_dir():
            self._folder(path.parent)
            path.mkdir()
            path.chmod(0o755)

    def _count(self, size: int) -> None:
        self._files += 1
        self._bytes += size
        if self._files > self._limits.files or self._bytes > self._limits.bytes:
            raise Problem(
                "site-too-large",
                f"a static site may have {self._limits.files} files and {self._limits.bytes // 1024**2} MB, and this one has more",
                remedy="serve large files from elsewhere, or correct `special.output`",
            )


def _relative(name: str, below: str) -> str | None:
    """Return a member's path below a folder of the archive, None for what lies elsewhere or is that folder itself."""
    tidy = posixpath.normpath(name)
    if tidy.startswith(("/", "../")) or tidy == "..":
        raise _unsafe(f"{name} leads out of the site")
    folder = posixpath.normpath(below)
    if folder == ".":
        return None if tidy == "." else tidy
    return tidy.removeprefix(f"{folder}/") if tidy.startswith(f"{folder}/") else None


def _unsafe(what: str) -> Problem:
    return Problem("path-unsafe", what, remedy="a site is made of files and folders, and symlinks between them")


def _compress(root: Path) -> None:
    """Put a compressed copy beside each text that has none: it is done once here, and by no worker of the proxy."""
    for path in [path for path in root.rglob("*") if _TEXT.fullmatch(path.name) and not path.is_symlink()]:
        beside = path.with_name(f"{path.name}.gz")
        if not path.is_file() or beside.exists() or not _WORTH <= path.stat().st_size <= _COMPRESSED_BELOW:
            continue
        content = path.read_bytes()
        packed = gzip.compress(content, 9, mtime=0)
        if len(packed) < len(content) * 0.95:
            beside.write_bytes(packed)
            beside.chmod(0o644)


def _settle(beside: Path, path: Path) -> None:
    try:
        beside.rename(path)
    except OSError:
        if not path.is_dir():  # somebody else was faster, with the same content
            raise
