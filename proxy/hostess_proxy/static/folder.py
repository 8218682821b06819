"""The folder of a static site on disk: its rules, and its files made ready to be sent; small ones are kept in memory.

Nothing outside of the folder is ever opened: what a name leads to, symlinks followed, must lie inside.
"""

import gzip
import hashlib
import os
import stat
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Final

from hostess_proxy.static.rules import MAX_BYTES, header_rules, redirects, with_rules
from hostess_proxy.static.site import Rules, cache_control, compressible, media_type

SMALL: Final = 128 * 1024
"""Files up to here are read at once and kept in memory."""
MEMORY: Final = 32 * 1024 * 1024
"""Bytes that a worker keeps of one site."""
_WORTH: Final = 512  # below this compression gains less than its own fields take
_GZIP = 6
_SIBLINGS = {"br": ".br", "gzip": ".gz"}
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class File:
    """One form of a file, ready to be sent. *body* is None where it has to be read from *path*; *coding* is "" for the file as it is."""

    path: str
    size: int
    etag: str
    coding: str = ""
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file and its compressed forms, best first. *fields* go with each answer."""

    signature: Signature
    plain: File
    coded: tuple[File, ...]
    modified: str
    fields: dict[str, str]


class Folder:
    """One site's folder."""

    def __init__(self, root: str, *, spa: bool, earlier: str = "") -> None:
        self.earlier = Folder(earlier, spa=False) if earlier else None
        self.root = os.path.realpath(root)
        self._inside = self.root.rstrip("/") + "/"
        self._kept: dict[str, Prepared] = {}
        self._bytes = 0
        self._read_at = self._stamp()
        self.rules = Rules(spa, redirects(self._text("_redirects")), header_rules(self._text("_headers")))

    def is_there(self) -> bool:
        """Whether the folder can be read."""
        return os.access(self.root, os.R_OK | os.X_OK)

    def is_current(self) -> bool:
        """Whether the rules that were read are those on disk."""
        return self._read_at == self._stamp()

    def kind(self, name: str) -> str:
        """Return "file" or "folder" for a path relative to the root, "" for what is absent, special or leads out."""
        try:
            mode = Path(self._real(name)).stat().st_mode
        except OSError:
            return ""
        return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else ""

    def prepared(self, name: str) -> Prepared | None:
        """Return a file (relative to the root) ready to be sent; None when it is gone or cannot be read."""
        try:
            path = self._real(name)
            found = Path(path).stat()
            kept = self._kept.get(name)
            if kept is not None and kept.signature == _signature(found):
                return kept
            made = self._prepare(name, path, found)
        except OSError:
            return None
        self._keep(name, made)
        return made

    def open(self, file: File) -> int:
        """Return a descriptor of a file that is not in memory; OSError when it is gone, or is another one by now."""
        descriptor = os.open(file.path, _OPEN)
        if os.fstat(descriptor).st_size != file.size:
            os.close(descriptor)
            raise OSError("the file has changed")
        return descriptor

    def _real(self, name: str) -> str:
        """Return where *name* leads; OSError when that is outside."""
        path = os.path.realpath(self._inside + name, strict=True)
        if path != self.root and not path.startswith(self._inside):
            raise PermissionError(name)
        return path

    def _prepare(self, name: str, path: str, found: os.stat_result) -> Prepared:
        kind = media_type(name)
        plain = _form(path, found)
        coded = self._coded(name, plain) if compressible(kind) else ()
        modified = formatdate(found.st_mtime, usegmt=True)
        own = {
            "Content-Type": kind,
            "Cache-Control": cache_control(name),
            "X-Content-Type-Options": "nosniff",
            "Last-Modified": modified,
            "Accept-Ranges": "bytes",
            **({"Vary": "Accept-Encoding"} if compressible(kind) else {}),
        }
        return Prepared(_signature(found), plain, coded, modified, own)

    def _coded(self, name: str, plain: File) -> tuple[File, ...]:
        """Return the compressed forms: files beside it that hold them, else a small one is compressed here."""
        forms = []
        for coding, ending in _SIBLINGS.items():
            try:
                path = self._real(name + ending)
                found = Path(path).stat()
                if stat.S_ISREG(found.st_mode):
                    forms.append(_form(path, found, coding))
            except OSError:
                continue
        if plain.body is not None and plain.size >= _WORTH and all(form.coding != "gzip" for form in forms):
            body = gzip.compress(plain.body, _GZIP, mtime=0)
            if len(body) < plain.size:
                forms.append(File("", len(body), f'{plain.etag[:-1]}-gz"', "gzip", body))
        return tuple(forms)

    def _keep(self, name: str, made: Prepared) -> None:
        size = sum(len(form.body) for form in (made.plain, *made.coded) if form.body is not None) + 1024
        if self._bytes + size > MEMORY:
            self._kept.clear()
            self._bytes = 0
        self._kept[name] = made
        self._bytes += size

    def fields_of(self, prepared: Prepared, path: str) -> dict[str, str]:
        """Return the fields of an answer to *path* (as it was asked for) with this file, the site's own rules applied."""
        return with_rules(prepared.fields, self.rules.headers, path) if self.rules.headers else prepared.fields

    def _stamp(self) -> tuple[object, ...]:
        """Return what tells whether root and rule files are those that were read."""
        found: list[object] = [os.path.realpath(self.root)]
        for name in ("", "_redirects", "_headers"):
            try:
                info = Path(self._inside, name).stat()
                found.append((info.st_ino, *((info.st_size, info.st_mtime_ns) if name else ())))
            except OSError:
                found.append(None)
        return tuple(found)

    def _text(self, name: str) -> str:
        try:
            path = Path(self._real(name))
            return path.read_bytes()[:MAX_BYTES].decode("utf-8-sig", "replace") if path.is_file() else ""
        except OSError:
            return ""


def _form(path: str, found: os.stat_result, coding: str = "") -> File:
    """Return one form. The ETag of a small file is made of its content, so that it outlives releases that do not change it."""
    if found.st_size > SMALL:
        return File(path, found.st_size, f'"{found.st_size:x}-{found.st_mtime_ns:x}"', coding)
    descriptor = os.open(path, _OPEN)
    try:
        body = os.read(descriptor, SMALL + 1)
    finally:
        os.close(descriptor)
    return File(path, len(body), f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"', coding, body)


def _signature(found: os.stat_result) -> Signature:
    return found.st_ino, found.st_size, found.st_mtime_ns
