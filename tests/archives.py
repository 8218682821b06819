"""Archives as an upload sends them, good and hostile."""

import gzip
import io
import tarfile
from collections.abc import Mapping

FILE, LINK, HARD, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def entry(path: str, *, kind: bytes = FILE, target: str = "", size: int = 0, mode: int = 0o644) -> bytes:
    """Return the header of one entry, whatever it says."""
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.size, info.mode = kind, target, size, mode
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def file(path: str, content: bytes = b"x") -> bytes:
    """Return a whole file as an archive holds it."""
    return entry(path, size=len(content)) + content + bytes(-len(content) % 512)


def archive(*parts: bytes, zipped: bool = True) -> bytes:
    """Return the parts with the end that an archive has."""
    whole = b"".join(parts) + bytes(1024)
    return gzip.compress(whole, mtime=0) if zipped else whole


def tree(files: Mapping[str, str]) -> bytes:
    """Return an archive of these files as the standard library makes it (pax)."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return made.getvalue()


HOSTILE: Mapping[str, tuple[bytes, str]] = {
    "absolute": (archive(file("/etc/cron.d/x")), "path-unsafe"),
    "parent": (archive(file("../x")), "path-unsafe"),
    "parent within": (archive(file("a/../../x")), "path-unsafe"),
    "git folder": (archive(file(".git/config")), "path-unsafe"),
    "git folder below, other case": (archive(file("a/.GIT/hooks/x")), "path-unsafe"),
    "absolute symlink": (archive(entry("a", kind=LINK, target="/etc/passwd")), "symlink-escapes"),
    "symlink to above": (archive(entry("a/b", kind=LINK, target="../../x")), "symlink-escapes"),
    "symlink by symlink": (
        archive(entry("a", kind=LINK, target="b/c"), entry("b/c", kind=LINK, target="../..")),
        "symlink-escapes",
    ),
    "file through a symlink": (archive(entry("a", kind=LINK, target="b"), file("a/x")), "archive-refused"),
    "file below a file": (archive(file("a"), file("a/x")), "archive-refused"),
    "hard link": (archive(file("a"), entry("b", kind=HARD, target="a")), "archive-refused"),
    "device": (archive(entry("sda", kind=tarfile.BLKTYPE)), "archive-refused"),
    "pipe": (archive(entry("pipe", kind=tarfile.FIFOTYPE)), "archive-refused"),
    "sparse": (archive(entry("a", kind=tarfile.GNUTYPE_SPARSE)), "archive-refused"),
    "twice": (archive(file("a"), file("./a")), "archive-refused"),
    "huge file that is not there": (archive(entry("a", size=1024**3 + 1)), "file-too-large"),
    "file and no more": (archive(entry("a", size=1000)), "archive-invalid"),
    "huge extended header": (archive(entry("a", kind=tarfile.XHDTYPE, size=2**30)), "archive-refused"),
    "broken extended header": (
        archive(entry("a", kind=tarfile.XHDTYPE, size=9) + b"99 path=a" + bytes(503)),
        "archive-invalid",
    ),
    "one name for all": (
        archive(entry("a", kind=tarfile.XGLTYPE, size=12) + b"12 path=../x" + bytes(500)),
        "archive-refused",
    ),
    "name too long": (archive(file("a" * 300)), "path-too-long"),
    "newline in a path, and commands after it": (
        archive(file("a\nM 100644 inline ../x"), file("a/../x")),
        "path-unsafe",
    ),
    "no archive": (b"PK\x03\x04" + bytes(1000), "archive-invalid"),
    "nothing": (b"", "archive-invalid"),
    "cut short": (archive(file("a"), file("b"))[:-40], "archive-invalid"),
    "wrong checksum of gzip": (archive(file("a"))[:-8] + bytes(8), "archive-invalid"),
}
"""Name -> archive, and the code of the problem that it is refused with."""
