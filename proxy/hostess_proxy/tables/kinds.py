"""The kinds of values that a table is made of: each function returns what was read from JSON, or names the place that is wrong."""

import re
from collections.abc import Collection, Iterable
from typing import Any, Final

from hostess_proxy.tables.table import DEFAULT_HOST, TableError

UNKNOWN_KEY: Final = "unknown key"

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_PATH = re.compile(r"(?:/[!$-.0-;=@-Z_a-z~%]*)+")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_object(place: str, raw: object, allowed: Collection[str], needed: Iterable[str] = ()) -> dict[str, Any]:
    """Return an object of no other keys than those *allowed*, with all that are *needed*."""
    if not isinstance(raw, dict):
        raise TableError(place, f"expected an object, found {_kind(raw)}")
    for key in raw:
        if key not in allowed:
            raise TableError(f"{place}.{key}" if place else str(key), UNKNOWN_KEY)
    for key in needed:
        if key not in raw:
            raise TableError(place, f"{key} is missing")
    return raw


def read_list(place: str, raw: object) -> list[object]:
    """Return a list of anything."""
    if not isinstance(raw, list):
        raise TableError(place, f"expected a list, found {_kind(raw)}")
    return raw


def read_text(place: str, raw: object) -> str:
    """Return a text for header and log lines."""
    # Control characters would end a header line or a log line early.
    if not isinstance(raw, str) or not raw.isprintable() or not raw.isascii():
        raise TableError(place, "expected printable ASCII text")
    return raw


def read_flag(place: str, raw: object) -> bool:
    """Return true or false."""
    if not isinstance(raw, bool):
        raise TableError(place, f"expected true or false, found {_kind(raw)}")
    return raw


def read_whole(place: str, raw: object) -> int:
    """Return a whole number, 0 or more."""
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise TableError(place, "expected a whole number, 0 or more")
    return raw


def read_seconds(place: str, raw: object) -> float:
    """Return a number of seconds, 0 or more."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw < float("inf"):
        raise TableError(place, "expected seconds, 0 or more")
    return float(raw)


def read_host(place: str, raw: object) -> str:
    """Return a host as `Route.host` spells it."""
    text = read_text(place, raw)
    if text in {"", DEFAULT_HOST}:
        return DEFAULT_HOST
    if text.startswith("["):
        host = text.lower()
        if not host.endswith("]"):
            raise TableError(place, f"{text!r} is not a host name")
        return host
    host = text.lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise TableError(place, f"{text!r} is not a host name")
    return host


def read_path(place: str, raw: object) -> str:
    """Return a path prefix as `Route.path` spells it."""
    text = read_text(place, raw)
    if not _PATH.fullmatch(text):
        raise TableError(place, f"{text!r} is not a path prefix (it begins with / and has no query)")
    return text.rstrip("/") or "/"


def read_digest(place: str, raw: object) -> str:
    """Return a SHA-256 digest."""
    if not isinstance(raw, str) or not _DIGEST.fullmatch(raw):
        raise TableError(place, "expected a SHA-256 digest: 64 lower-case hex digits")
    return raw


def _kind(raw: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(raw), "a number")
