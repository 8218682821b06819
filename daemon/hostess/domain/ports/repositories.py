"""The git repositories, in our words."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """Bounds on a pushed tree; *archive*: on the bytes of an upload as they are sent."""

    files: int = 100_000
    bytes: int = 2 * 1024**3
    file_bytes: int = 1024**3
    path: int = 4096
    archive: int = 500 * 1024**2


@dataclass(frozen=True, slots=True)
class NewCommit:
    """What a new commit says besides its tree; *parent* None: it is the first."""

    author: str
    message: str
    at: datetime
    parent: str | None = None


class Repositories(Protocol):
    """The bare repositories, one per project, read with dulwich; refs are moved by compare-and-swap."""

    async def create(self, project: str) -> None:
        """Make `<data_dir>/repos/<project>.git` with the hook and settings that pushes need; an existing one is refreshed."""

    async def remove(self, project: str) -> None:
        """Delete a repository; an absent one is no error."""

    async def commit_of(self, project: str, revision: str) -> str | None:
        """Return the commit id (40 hex) that an object id, ref or tag stands for; None when it is no commit."""

    async def read_file(self, project: str, commit: str, path: str, limit: int) -> bytes | None:
        """Return a file of the commit, None when absent; Problem "file-too-large" beyond *limit* bytes."""

    async def files(self, project: str, commit: str, path: str, depth: int) -> dict[str, int]:
        """Return the files below the folder *path* ("." = root) with their sizes, in *depth* folders at most; none when it is absent.

        Their paths are relative to the folder. Symlinks are files; submodules are left out.
        """

    async def read_files(self, project: str, commit: str, limits: Mapping[str, int]) -> dict[str, bytes]:
        """Return the files of the commit, of those named in *limits*, that are there and have at most so many bytes."""

    async def tree_id(self, project: str, commit: str, path: str) -> str | None:
        """Return the id of the tree (or blob) at *path* ("." = root), None when absent. Equal ids mean equal content."""

    async def check_tree(self, project: str, commit: str, limits: TreeLimits) -> None:
        """Problem when the tree breaks a bound, holds an unsafe path, a submodule, an LFS pointer or a symlink that escapes."""

    async def context_id(
        self, project: str, commit: str, path: str, dockerfile: str, extra: Mapping[str, bytes] = NO_FILES
    ) -> str | None:
        """Return a digest of what `context` sends for the same arguments, None when there is no folder at *path*."""

    def context(
        self, project: str, commit: str, path: str, dockerfile: str, extra: Mapping[str, bytes] = NO_FILES
    ) -> Iterable[bytes]:
        """Yield the tree at *path* as a tar stream, symlinks kept, `.dockerignore` honoured by Docker's rules. Blocking: use a thread.

        `hostess.yml` at its root is left out.

        *extra* are files at its root that are not in the tree, or stand in for what is.
        """

    async def import_tree(
        self, project: str, words: NewCommit, archive: AsyncIterator[bytes], limits: TreeLimits
    ) -> str:
        """Make a commit of a tar archive (gzip or not) that comes in pieces; return its id. No ref leads to it.

        Problem "archive-invalid", "archive-too-large", "archive-refused", or one of those of `check_tree`: then nothing is kept.
        """

    async def ref(self, project: str, ref: str) -> str | None:
        """Return the object id a ref points to."""

    async def move_ref(self, project: str, ref: str, old: str, new: str) -> bool:
        """Move a ref if it still is *old* (ZERO: absent); *new* ZERO deletes. False when it was something else."""

    async def contains(self, project: str, descendant: str, ancestor: str) -> bool:
        """Whether *ancestor* can be reached from *descendant*."""

    async def title(self, project: str, commit: str) -> str:
        """Return the first line of the commit's message."""

    async def tag_of(self, project: str, commit: str) -> str | None:
        """Return a tag that points at the commit, if any (the first by name)."""
