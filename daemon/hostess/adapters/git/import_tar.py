"""A tar archive becomes a commit by `git fast-import`: nothing is unpacked to disk, and nothing is kept of an archive that is refused.

The child writes to a repository of its own beside the project's; only when the whole archive was accepted are its packs moved over.
"""

import asyncio
import contextlib
import hashlib
import posixpath
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from hostess.adapters.git.objects import environment, find, run
from hostess.adapters.git.tree_check import check_path, escaping
from hostess.adapters.tar_stream import Archive, Member, Type
from hostess.domain.ports import NewCommit, TreeLimits
from hostess.domain.problem import Problem

_REF = "refs/heads/import"
_BESIDE = ".import-"
_END = 60.0  # seconds for git to finish its pack once it has everything
_MODES = {(Type.FILE, False): "100644", (Type.FILE, True): "100755", (Type.SYMLINK, False): "120000"}


class Feed(Iterator[bytes]):
    """Gives a thread what an asynchronous iterator yields; `close` ends a thread that waits for more."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._waiting: Future[bytes | None] | None = None

    def __next__(self) -> bytes:
        """Return the next piece; Problem "cancelled" once it is closed."""
        if self._closed:
            raise Problem("cancelled", "the upload was given up")
        self._waiting = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        piece = self._waiting.result()
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """End it; to be called in the loop."""
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def _next(self) -> bytes | None:
        if self._closed:
            raise Problem("cancelled", "the upload was given up")
        return await anext(self._source, None)


def import_tar(repository: Path, words: NewCommit, pieces: Iterator[bytes], limits: TreeLimits) -> str:
    """Return the id of a new commit of the archive's content; no ref leads to it. Blocking.

    Problem "archive-invalid", "archive-too-large", "archive-refused", "path-unsafe", "path-too-long", "symlink-escapes",
    "tree-too-many-files", "tree-too-large", "file-too-large", or "import-failed".
    """
    with tempfile.TemporaryDirectory(prefix=_BESIDE, dir=repository.parent) as folder:
        beside = Path(folder)
        if run(beside, "init", "--quiet", "--bare", "--template=").returncode:
            raise Problem("import-failed", "git could not make a repository for what is uploaded")
        (beside / "objects" / "info").mkdir(exist_ok=True)
        (beside / "objects" / "info" / "alternates").write_text(f"{(repository / 'objects').absolute()}\n")
        with _fast_import(beside) as asking:
            asking.write(_head(words))
            _send(Archive(pieces, limits), limits, asking)
            asking.write(b"\ndone\n")
        found = find(beside, _REF)
        if found is None:
            raise Problem("import-failed", "git made no commit of the archive")
        _move_packs(beside / "objects" / "pack", repository / "objects" / "pack")
    if find(repository, found.id) is None:
        raise Problem("import-failed", "what git made of the archive did not arrive in the repository")
    return found.id


def sweep(root: Path) -> None:
    """Remove what imports left below *root* that were killed. None may be under way."""
    for left in root.glob(f"{_BESIDE}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _fast_import(repository: Path) -> Iterator[IO[bytes]]:
    """Give what the child reads. It is killed when the block raises, and must end well when it does not."""
    words = ("-c", "fastimport.unpackLimit=0", "-c", "core.bigFileThreshold=16m", "-c", "pack.compression=1")
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            ["git", f"--git-dir={repository}", *words, "fast-import", "--quiet", "--done", "--date-format=raw"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
        ) as child,
    ):
        if child.stdin is None:
            raise AssertionError  # a pipe was asked for
        broken = False
        try:
            try:
                yield child.stdin
                child.stdin.close()
            except BrokenPipeError:
                broken = True
            if child.wait(_END) or broken:
                said.seek(0)
                lines = said.read(4096).decode(errors="replace").strip().splitlines()
                raise Problem("import-failed", f"git could not take the archive: {(lines or ['it gave no reason'])[0]}")
        finally:
            child.kill()
            with contextlib.suppress(BrokenPipeError):  # what is still buffered is for nobody
                child.stdin.close()


def _head(words: NewCommit) -> bytes:
    """Return the commands before the files; names must not break out of their line."""
    name = "".join(letter for letter in words.author if letter.isprintable() and letter not in "<>").strip() or "nobody"
    who = f"{name} <upload@localhost> {int(words.at.timestamp())} +0000"
    message = words.message.encode(errors="replace") + b"\n"
    lines = [f"commit {_REF}", f"author {who}", f"committer {who}", f"data {len(message)}"]
    parent = f"from {words.parent}\n" if words.parent else ""
    return "\n".join([*lines, ""]).encode() + message + f"\n{parent}deleteall\n".encode()


def _send(archive: Archive, limits: TreeLimits, asking: IO[bytes]) -> None:
    names = _Names(limits)
    links: dict[str, str] = {}
    total = 0
    for member in archive.members():
        path = names.take(member)
        total += member.size
        if member.size > limits.file_bytes:
            raise Problem("file-too-large", f"{path} has {member.size} bytes, {limits.file_bytes} are allowed")
        if total > limits.bytes:
            raise Problem("tree-too-large", f"the uploaded files are larger than {limits.bytes} bytes together")
        if member.type is Type.FOLDER:
            continue
        if member.type is Type.SYMLINK:
            links[path] = _target(path, member)
        content = (
            archive.content(member) if member.type is Type.FILE else [links[path].encode(errors="surrogateescape")]
        )
        size = member.size if member.type is Type.FILE else len(links[path].encode(errors="surrogateescape"))
        mode = _MODES[member.type, member.executable and member.type is Type.FILE]
        asking.write(b"M %b inline %b\ndata %d\n" % (mode.encode(), _quoted(path), size))
        for piece in content:
            asking.write(piece)
        asking.write(b"\n")
    if (link := escaping(links)) is not None:
        raise Problem(
            "symlink-escapes",
            f"the symlink {link!a} -> {links[link]!a} leads out of what is uploaded",
            remedy="make it point, by a relative path, at something inside",
        )


def _target(path: str, member: Member) -> str:
    if not member.target or "\0" in member.target or len(member.target) > 4096:  # noqa: PLR2004 -- Linux's own bound
        raise Problem("archive-refused", f"the symlink {path!a} has no target that could be")
    return member.target


class _Names:
    """The paths of the archive so far: each once, none below what is no folder. Of each only a digest is kept."""

    def __init__(self, limits: TreeLimits) -> None:
        self._limits = limits
        self._files: set[bytes] = set()
        self._folders: set[bytes] = set()

    def take(self, member: Member) -> str:
        """Return a member's path tidied; Problem for one that is unsafe, there already, or one too many."""
        if member.path.startswith("/") or "\0" in member.path:
            raise _unsafe(member.path)
        path = "/".join(part for part in member.path.split("/") if part not in {"", "."})
        if not path:
            if member.type is Type.FOLDER:
                return ""
            raise _unsafe(member.path)
        check_path(path, self._limits)
        if member.type is Type.FOLDER:
            self._folder(path)
            return path
        digest = _digest(path)
        if digest in self._files or digest in self._folders:
            raise Problem("archive-refused", f"{path!a} is in the archive twice")
        self._files.add(digest)
        self._folder(posixpath.dirname(path))
        if len(self._files) > self._limits.files or len(self._folders) > self._limits.files:
            raise Problem("tree-too-many-files", f"more than {self._limits.files} files or folders are uploaded")
        return path

    def _folder(self, path: str) -> None:
        """Note a folder and those above it."""
        while path and (digest := _digest(path)) not in self._folders:
            if digest in self._files:
                raise Problem("archive-refused", f"{path!a} is in the archive as a file and as a folder")
            self._folders.add(digest)
            path = posixpath.dirname(path)


def _unsafe(path: str) -> Problem:
    return Problem("path-unsafe", f"the path {path!a} in the archive leads out of it", remedy="use relative paths")


def _digest(path: str) -> bytes:
    return hashlib.blake2b(path.encode(errors="surrogateescape"), digest_size=16).digest()


def _quoted(path: str) -> bytes:
    raw = path.encode(errors="surrogateescape")
    return b'"%b"' % raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


def _move_packs(source: Path, target: Path) -> None:
    """Move packs in the order in which a reader may see them: the index last."""
    target.mkdir(exist_ok=True)
    for path in sorted(source.glob("pack-*"), key=lambda path: path.suffix == ".idx"):
        path.replace(target / path.name)
