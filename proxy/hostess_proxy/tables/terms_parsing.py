"""Reading what a route asks of requests: the keys of `Terms`, which stand among the other keys of a route."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from hostess_proxy.tables.kinds import (
    read_digest,
    read_flag,
    read_host,
    read_list,
    read_object,
    read_seconds,
    read_text,
    read_whole,
)
from hostess_proxy.tables.table import DEFAULT_HOST, TableError
from hostess_proxy.tables.terms import Credential, Hold, Hsts, Maintenance, RateLimit, Redirect, Terms

TERMS: Final = frozenset(Terms.__dataclass_fields__)
MAX_PAGE: Final = 64 * 1024
_MAX_PAGES = 16
_MAX_CREDENTIALS = 100
_MAX_NETWORKS = 1000
_MAX_MESSAGE = 2000
_MAX_COUNT = 1_000_000
_LONGEST = 86_400.0
_OLDEST = 10 * 365 * 86_400
_REDIRECTS = (301, 302, 307, 308)
_SALT = re.compile(r"(?:[0-9a-f]{2}){1,64}")
_VOUCHER = re.compile(r"[0-9a-f]{32,128}")
_STATUS = re.compile(r"[45](?:[0-9]{2}|xx)")


def read_terms(place: str, entry: Mapping[str, Any]) -> Terms:
    """Return the terms that stand in a route's *entry*; absent and null are the same."""
    found: dict[str, Any] = {}
    for key, read in _READERS.items():
        if entry.get(key) is not None:
            found[key] = read(f"{place}.{key}", entry[key])
    if "basic_auth" in found and entry.get("sign_in") is not None:
        raise TableError(f"{place}.basic_auth", "a route asks for sign_in or basic_auth, not both")
    if "wake" in found and entry.get("static") is not None:
        raise TableError(f"{place}.wake", "static files do not sleep")
    redirect = found.get("redirect")
    if redirect is not None and redirect.host == read_host(f"{place}.host", entry.get("host")):
        raise TableError(f"{place}.redirect.host", f"{redirect.host} would be sent to itself")
    return Terms(**found)


def _basic_auth(place: str, raw: object) -> tuple[Credential, ...]:
    entries = _bounded(place, raw, _MAX_CREDENTIALS)
    found = tuple(_credential(f"{place}[{i}]", one) for i, one in enumerate(entries))
    seen: set[bytes] = set()
    for index, one in enumerate(found):
        if one.user in seen:
            raise TableError(f"{place}[{index}].user", f"{one.user.decode()} is there already")
        seen.add(one.user)
    return found


def _credential(place: str, raw: object) -> Credential:
    entry = read_object(place, raw, Credential.__dataclass_fields__, needed=("user", "salt", "digest"))
    user, salt = read_text(f"{place}.user", entry["user"]), entry["salt"]
    if not user or ":" in user:
        raise TableError(f"{place}.user", "expected a name without a colon")
    if not isinstance(salt, str) or not _SALT.fullmatch(salt):
        raise TableError(f"{place}.salt", "expected 2 to 128 lower-case hex digits")
    digest = read_digest(f"{place}.digest", entry["digest"])
    return Credential(user.encode(), bytes.fromhex(salt), bytes.fromhex(digest))


def read_networks(place: str, raw: object) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return networks of clients."""
    return tuple(_network(f"{place}[{i}]", one) for i, one in enumerate(_bounded(place, raw, _MAX_NETWORKS)))


def _network(place: str, raw: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(read_text(place, raw))
    except ValueError:
        raise TableError(place, f"{raw!r} is not a network (as 10.0.0.0/8 or 2001:db8::/32)") from None


def _rate_limit(place: str, raw: object) -> RateLimit:
    entry = read_object(place, raw, RateLimit.__dataclass_fields__, needed=("requests", "seconds"))
    requests = _count(f"{place}.requests", entry["requests"])
    return RateLimit(
        requests, _span(f"{place}.seconds", entry["seconds"]), _count(f"{place}.burst", entry.get("burst", requests))
    )


def _redirect(place: str, raw: object) -> Redirect:
    entry = read_object(place, raw, Redirect.__dataclass_fields__, needed=("host",))
    host, status = read_host(f"{place}.host", entry["host"]), entry.get("status", 308)
    if host == DEFAULT_HOST or host.startswith("*."):
        raise TableError(f"{place}.host", "expected the name of one host")
    if isinstance(status, bool) or status not in _REDIRECTS:
        raise TableError(f"{place}.status", "expected 301, 302, 307 or 308")
    return Redirect(host, status)


def _hsts(place: str, raw: object) -> Hsts:
    entry = read_object(place, raw, Hsts.__dataclass_fields__, needed=("max_age",))
    if read_whole(f"{place}.max_age", entry["max_age"]) > _OLDEST:
        raise TableError(f"{place}.max_age", f"expected seconds, at most {_OLDEST}")
    flags = {name: read_flag(f"{place}.{name}", entry.get(name, False)) for name in ("subdomains", "preload")}
    return Hsts(entry["max_age"], **flags)


def _maintenance(place: str, raw: object) -> Maintenance:
    entry = read_object(place, raw, Maintenance.__dataclass_fields__)
    message, path = entry.get("message", ""), read_text(f"{place}.health_path", entry.get("health_path", ""))
    if not isinstance(message, str) or len(message) > _MAX_MESSAGE or not message.replace("\n", " ").isprintable():
        raise TableError(f"{place}.message", f"expected printable text of at most {_MAX_MESSAGE} characters")
    if path and (not path.startswith("/") or "?" in path or " " in path):
        raise TableError(f"{place}.health_path", "expected a path that begins with / and has no query")
    return Maintenance(
        message=message,
        retry_after=_count(f"{place}.retry_after", entry.get("retry_after", 60)),
        allow=read_networks(f"{place}.allow", entry.get("allow", [])),
        health_path=path,
    )


def _hold(place: str, raw: object, *, otherwise: float) -> Hold:
    entry = read_object(place, raw, Hold.__dataclass_fields__)
    requests = _count(f"{place}.requests", entry.get("requests", 1000))
    return Hold(requests, _span(f"{place}.seconds", entry.get("seconds", otherwise)))


def read_wake(place: str, raw: object) -> Hold:
    """Return how many requests wait for a service that sleeps, and for how long."""
    return _hold(place, raw, otherwise=60.0)


def _voucher(place: str, raw: object) -> str:
    if not isinstance(raw, str) or not _VOUCHER.fullmatch(raw):
        raise TableError(place, "expected 32 to 128 lower-case hex digits")
    return raw


def _error_pages(place: str, raw: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, dict) or len(raw) > _MAX_PAGES:
        raise TableError(place, f"expected an object of at most {_MAX_PAGES} pages")
    for status, page in raw.items():
        if not isinstance(status, str) or not _STATUS.fullmatch(status):
            raise TableError(f"{place}.{status}", 'expected an error\'s status as "502", or "4xx" or "5xx"')
        if not isinstance(page, str) or not 0 < len(page.encode("utf-8", "surrogatepass")) <= MAX_PAGE:
            raise TableError(f"{place}.{status}", "expected HTML of at most 64 KiB")
    return tuple(raw.items())


_READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "strip_prefix": read_flag,
    "basic_auth": _basic_auth,
    "allow": read_networks,
    "rate_limit": _rate_limit,
    "redirect": _redirect,
    "hsts": _hsts,
    "maintenance": _maintenance,
    "pause": partial(_hold, otherwise=30.0),
    "wake": read_wake,
    "error_pages": _error_pages,
    "voucher": _voucher,
}


def _bounded(place: str, raw: object, most: int) -> list[object]:
    found = read_list(place, raw)
    if len(found) > most:
        raise TableError(place, f"more than {most} entries")
    return found


def _count(place: str, raw: object) -> int:
    found = read_whole(place, raw)
    if not 0 < found <= _MAX_COUNT:
        raise TableError(place, f"expected a whole number from 1 to {_MAX_COUNT}")
    return found


def _span(place: str, raw: object) -> float:
    found = read_seconds(place, raw)
    if not 0 < found <= _LONGEST:
        raise TableError(place, f"expected seconds, more than 0 and at most {_LONGEST:g}")
    return found
