"""A static site: the path of a request -> what is served for it. Decisions only; the files are asked about by a function.

real file ─► `_redirects` rule ─► `index.html` (SPA) ─► `404.html` ─► nothing
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from hostess_proxy.static.rules import REWRITE, HeaderRule, Rule

INDEX: Final = "index.html"
NOT_FOUND: Final = "404.html"
HIDDEN: Final = frozenset({"_redirects", "_headers"})
WELL_KNOWN: Final = ".well-known"
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ENCODED_SLASH = re.compile(rb"%2[fF]")

TYPES: Final = {
    "html": "text/html", "htm": "text/html", "css": "text/css", "js": "text/javascript", "mjs": "text/javascript",
    "json": "application/json", "map": "application/json", "webmanifest": "application/manifest+json",
    "xml": "application/xml", "rss": "application/rss+xml", "atom": "application/atom+xml", "txt": "text/plain",
    "md": "text/markdown", "csv": "text/csv", "ics": "text/calendar", "vtt": "text/vtt", "svg": "image/svg+xml",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "avif": "image/avif", "ico": "image/x-icon", "bmp": "image/bmp", "woff": "font/woff", "woff2": "font/woff2",
    "ttf": "font/ttf", "otf": "font/otf", "wasm": "application/wasm", "pdf": "application/pdf",
    "zip": "application/zip", "gz": "application/gzip", "mp3": "audio/mpeg", "ogg": "audio/ogg", "wav": "audio/wav",
    "m4a": "audio/mp4", "mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime",
}  # fmt: skip
"""Ending -> media type; what is not here is sent as bytes that no browser guesses about."""
_TEXT = re.compile(
    r"text/.*|application/(?:json|xml|.*\+(?:json|xml)|wasm)|image/svg\+xml|font/(?:ttf|otf)|image/x-icon"
)

_DIGEST = re.compile(r"(?:^|[.\-_])([0-9a-f]{8,64})(?=\.)")
_BUILT = re.compile(r"(?:^|/)(?:assets|_astro|_next/static|_app/immutable|build|static/(?:js|css|media))/")
_SHORT_DIGEST = re.compile(r"[.\-_]([A-Za-z0-9_-]{8})(?=\.[a-z0-9]+(?:\.map)?$)")


class BadPathError(ValueError):
    """A path that is refused: it has no single reading, or tries to lead out."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to serve, relative to the site's folder, and the status it is served with."""

    file: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """A redirect."""

    location: str
    status: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site says besides its files."""

    spa: bool = False
    redirects: tuple[Rule, ...] = ()
    headers: tuple[HeaderRule, ...] = ()


Kind = Callable[[str], str]
"""Says of a path relative to the site's folder ("" = itself): "file", "folder" or ""."""


def segments(path: bytes) -> tuple[str, ...]:
    """Return the segments of a request's path (without its query), decoded once; the last one is "" for a folder's path.

    Empty segments between are left out. BadPathError for NUL and other control characters, backslashes, "." and "..", encoded
    slashes, escapes that are none and what is not UTF-8.
    """
    if _BAD_ESCAPE.search(path) or _ENCODED_SLASH.search(path):
        raise BadPathError
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise BadPathError from error
    if _FORBIDDEN.search(text) or not text.startswith("/"):
        raise BadPathError
    *between, last = text[1:].split("/")
    found = (*(segment for segment in between if segment), last)
    if {".", ".."} & set(found):
        raise BadPathError
    return found


def choose(path: tuple[str, ...], query: str, rules: Rules, kind: Kind) -> Found | Moved | None:
    """Return what answers a path, as `segments` gave it; None for nothing."""
    if (found := _real(path, query, kind)) is not None:
        return found
    text = f"/{'/'.join(path)}"
    if (ruled := _ruled(text, query, rules, kind)) is not None:
        return ruled
    if rules.spa and kind(INDEX) == "file":
        return Found(INDEX)
    if kind(NOT_FOUND) == "file":
        return Found(NOT_FOUND, 404)
    return None


def _real(path: tuple[str, ...], query: str, kind: Kind) -> Found | Moved | None:
    """Return the file of a path, or of a folder its index.html; a folder's path without its slash is redirected."""
    if hidden(path):
        return None
    name = "/".join(path)
    if path[-1] == "":
        index = name + INDEX
        return Found(index) if kind(index) == "file" else None
    match kind(name):
        case "file":
            return Found(name)
        case "folder" if kind(f"{name}/{INDEX}") == "file":
            return Moved(f"/{quote(name)}/{f'?{query}' if query else ''}", 308)
        case _:
            return None


def _ruled(text: str, query: str, rules: Rules, kind: Kind) -> Found | Moved | None:
    """Return what the first rule for a path says; a rewrite to what is not there is passed over."""
    for rule in rules.redirects:
        if not rule.matches(text):
            continue
        if rule.status != REWRITE:
            return Moved(rule.location(text, query), rule.status)
        target = rule.target(text).partition("?")[0].partition("#")[0]
        try:
            to = segments(quote(target).encode())
        except BadPathError:
            continue
        found = _real(to, "", kind)
        if isinstance(found, Moved):
            found = _real((*to, ""), "", kind)
        if found is not None:
            return found
    return None


def hidden(path: tuple[str, ...]) -> bool:
    """Whether nothing is ever served at a path: dot files (but `.well-known`) and the files with the rules."""
    if len(path) == 1 and path[0] in HIDDEN:
        return True
    return any(segment.startswith(".") and (place or segment != WELL_KNOWN) for place, segment in enumerate(path))


def media_type(name: str) -> str:
    """Return the Content-Type of a file."""
    kind = TYPES.get(name.rpartition("/")[2].rpartition(".")[2].lower(), "application/octet-stream")
    if "." not in name.rpartition("/")[2] and name.startswith(WELL_KNOWN):
        return "text/plain; charset=utf-8"
    plain = kind.startswith("text/") or kind in {"application/json", "application/xml", "image/svg+xml"}
    return f"{kind}; charset=utf-8" if plain else kind


def compressible(kind: str) -> bool:
    """Whether a Content-Type is of text (or like it), which compression makes smaller."""
    return _TEXT.fullmatch(kind.partition(";")[0]) is not None


def is_digested(name: str) -> bool:
    """Whether a file's name holds a digest of its content, so that one of that name never changes."""
    if _DIGEST.search(name.rpartition("/")[2]) and _mixed(name):
        return True
    short = _SHORT_DIGEST.search(name)
    return short is not None and _BUILT.search(name) is not None and _is_random(short[1])


def cache_control(name: str) -> str:
    """Return how long a file may be kept without asking: for ever where its name holds a digest of its content, else not at all."""
    if is_digested(name):
        return "public, max-age=31536000, immutable"
    return "no-cache" if name.lower().endswith((".html", ".htm")) else "public, max-age=0, must-revalidate"


def _mixed(name: str) -> bool:
    """Whether a digest of hexadecimal digits has both digits and letters: dates and words have not."""
    digests = _DIGEST.findall(name.rpartition("/")[2])
    return any(re.search("[0-9]", digest) and re.search("[a-f]", digest) for digest in digests)


def _is_random(text: str) -> bool:
    """Whether eight letters look like a bundler's digest: upper case, lower case and a digit in them."""
    return all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9]"))
