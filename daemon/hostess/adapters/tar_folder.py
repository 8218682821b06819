"""A folder that was packed as a tar, unpacked again: nothing lands outside of it, and nothing but files, folders and links is made.

Python's own filters would do that, too, but Debian 12's Python (3.11.2) has none.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_MODE = 0o755
"""The bits that are kept: no program of a bundle runs as somebody else, and nobody else writes there."""


def unpack_folder(packed: Path, target: Path) -> None:
    """Unpack into *target*, a folder that is there. tarfile.TarError, for what leads out of it, too; OSError."""
    with tarfile.open(packed, "r:") as tar:
        tar.extraction_filter = lambda member, _: member  # newer Pythons want one, and `_checked` has looked
        tar.extractall(target, members=_checked(tar, target))  # noqa: S202 -- that looks at each


def _checked(tar: tarfile.TarFile, target: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members, each when all before it have been made."""
    for member in tar:
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            raise tarfile.TarError(f"{member.name!r} is neither file nor folder nor link")
        last = not member.issym()  # whose own place may be that of another link
        if not _is_inside(target, member.name, last=last) or (
            member.islnk() and not _is_inside(target, member.linkname, last=True)
        ):
            raise tarfile.TarError(f"{member.name!r} leads out of the folder")
        member.mode &= _MODE
        yield member


def _is_inside(target: Path, name: str, *, last: bool) -> bool:
    """Whether the way to *name*, its *last* step included, is one of folders below *target*, and of no link."""
    steps = PurePosixPath(name).parts
    if name.startswith("/") or ".." in steps:
        return False
    return not any(target.joinpath(*steps[:end]).is_symlink() for end in range(1, len(steps) + last))
