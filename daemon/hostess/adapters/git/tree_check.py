"""Whether a pushed tree is safe to unpack and build: bounds, names, symlinks; what would become an empty folder or a stub is refused."""

from collections.abc import Mapping
from pathlib import Path

from hostess.adapters.git.objects import Entry, Objects, listing, objects
from hostess.domain.ports import TreeLimits
from hostess.domain.problem import Problem

_NAME = 255  # bytes; no Linux file system takes more
_TARGET = 4096  # bytes of a symlink's target, likewise
_HOPS = 40  # symlinks that a lookup follows, likewise
_STEPS = 5_000_000  # fifty for each of as many links as a tree can have files
_POINTER_SIZES = range(100, 1025)  # bytes (git-lfs specification)
_POINTER = b"version https://git-lfs.github.com/spec/"
_FORBIDDEN = frozenset({"", ".", "..", ".git"})


def check_tree(repository: Path, commit: str, limits: TreeLimits) -> None:
    """Problem with the first thing about the commit's tree that is out of bounds, unsafe or not supported."""
    links: dict[str, str] = {}
    files = total = 0
    with objects(repository) as blobs:
        for entry in listing(repository, commit):
            files += 1
            total += entry.size
            if files > limits.files:
                raise _beyond("tree-too-many-files", f"the pushed tree has more than {limits.files} files")
            if total > limits.bytes:
                raise _beyond(
                    "tree-too-large", f"the files of the pushed tree are larger than {limits.bytes} bytes together"
                )
            _check_entry(entry, limits)
            if entry.is_symlink:
                links[entry.path] = _target(entry, blobs)
            elif entry.size in _POINTER_SIZES:
                _check_content(entry, blobs)
    if (link := escaping(links)) is not None:
        what = f"the symlink {_shown(link)} -> {_shown(links[link])} leads out of the repository"
        raise Problem("symlink-escapes", what, remedy="make it point, by a relative path, at something inside")


def check_path(path: str, limits: TreeLimits) -> None:
    """Problem "path-too-long" or "path-unsafe" unless a path, relative and "/"-joined, can be made safely below any folder."""
    names = path.split("/")
    if len(path.encode(errors="surrogateescape")) > limits.path or any(
        len(name.encode(errors="surrogateescape")) > _NAME for name in names
    ):
        raise _beyond(
            "path-too-long",
            f"the path {_shown(path[:80])}… is longer than {limits.path} bytes, or a name in it than {_NAME}",
        )
    if any(name.lower() in _FORBIDDEN for name in names):
        raise Problem(
            "path-unsafe",
            f"the path {_shown(path)} is not safe to unpack",
            remedy="remove it from the repository",
        )


def _check_entry(entry: Entry, limits: TreeLimits) -> None:
    check_path(entry.path, limits)
    if entry.is_submodule:
        what = f"{_shown(entry.path)} is a git submodule, and submodules are not fetched: its folder would be empty"
        raise Problem(
            "submodule-unsupported", what, remedy="add its files to this repository, for instance with git subtree"
        )
    if entry.size > limits.file_bytes:
        raise _beyond(
            "file-too-large", f"the file {_shown(entry.path)} has {entry.size} bytes, {limits.file_bytes} are allowed"
        )


def _target(entry: Entry, blobs: Objects) -> str:
    if entry.size > _TARGET:
        raise _beyond("path-too-long", f"the target of the symlink {_shown(entry.path)} is longer than {_TARGET} bytes")
    return blobs.read(entry.id).decode(errors="surrogateescape")


def _check_content(entry: Entry, blobs: Objects) -> None:
    if blobs.read(entry.id).startswith(_POINTER):
        what = f"{_shown(entry.path)} is kept in Git LFS, which is not fetched: the image would contain a pointer instead of it"
        raise Problem("lfs-unsupported", what, remedy="commit the file itself (git lfs migrate export)")


def escaping(links: Mapping[str, str]) -> str | None:
    """Return the first symlink (path -> target, from the root of the tree) that leads out of the root, None when none does.

    Links are followed as a kernel does, since `a/b/..` is not `a` where b is a link. What loops leads nowhere, and so not out.
    Problem "tree-too-tangled" when finding that out takes too many steps.
    """
    taken = 0
    for path in links:
        leaves, steps = _followed(path, links)
        if leaves:
            return path
        taken += steps
        if taken > _STEPS:
            raise _beyond(
                "tree-too-tangled", f"the symlinks of the pushed tree take more than {_STEPS} steps to follow"
            )
    return None


def _followed(path: str, links: Mapping[str, str]) -> tuple[bool, int]:
    """Return whether a symlink leads out of the root, and in how many steps that was found out."""
    at = [""]  # the folders on the way, each with all that is above it
    ahead = path.split("/")[::-1]
    hops = steps = 0
    while ahead:
        steps += 1
        name = ahead.pop()
        if name == "..":
            if len(at) == 1:
                return True, steps
            at.pop()
        elif name not in {"", "."}:
            at.append(f"{at[-1]}/{name}" if at[-1] else name)
            target = links.get(at[-1])
            if target is None:
                continue
            hops += 1
            if target.startswith("/"):
                return True, steps
            if hops > _HOPS:
                return False, steps
            at.pop()
            ahead.extend(target.split("/")[::-1])
    return False, steps


def _beyond(code: str, what: str) -> Problem:
    return Problem(code, what, remedy="leave out of the repository what does not belong to the source")


def _shown(path: str) -> str:
    """Return a path as it can be printed: whatever is in its name, one line."""
    return path if path.isprintable() else ascii(path)
