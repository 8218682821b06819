"""Names as certificates carry them (RFC 6125, RFC 9525): which there may be, and which hosts they are good for."""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_SUFFIXES = frozenset({"home.arpa"})
"""Of two labels, but no place for a wildcard: in the public suffix list, and for private use (RFC 8375)."""


def name_fault(name: str) -> str:
    """Return why a certificate must not be for *name*, as a clause, or "" when it may."""
    if is_address(name):
        return ""
    if not _NAME.fullmatch(name):
        return "is no host name"
    if name.startswith("*.") and not takes_wildcard(name[2:]):
        return "is a wildcard that no browser accepts"
    return ""


def spelled(name: str) -> str:
    """Return a name of people's as certificates have it: in lower case, without the dot at its end, other letters as xn--."""
    text = name.strip().rstrip(".").lower()
    if text.isascii() or is_address(text):
        return text
    wild, bare = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    try:
        return wild + bare.encode("idna").decode("ascii")
    except UnicodeError:
        return text


def takes_wildcard(domain: str) -> bool:
    """Whether browsers accept a wildcard directly below *domain*: not below a single label, whether it is in DNS or not."""
    return "." in domain and domain not in _SUFFIXES and not is_address(domain)


def covers(name: str, host: str) -> bool:
    """Whether a certificate's *name* is good for *host*: the same, or a wildcard for its first label (RFC 9525 §6.3)."""
    if name.startswith("*.") and not is_address(host):
        first, dot, rest = host.partition(".")
        return bool(first and dot) and rest == name[2:]
    return name == host


def coverage(names: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether one of *names* is good for a host: `covered`, for many hosts and many names."""
    known = frozenset(names)

    def is_covered(host: str) -> bool:
        return host in known or wildcard_of(host) in known

    return is_covered


def wildcard_of(host: str) -> str:
    """Return the wildcard that is good for *host*; "" where none can be."""
    first, dot, rest = host.partition(".")
    return f"*.{rest}" if first and dot and not is_address(host) else ""


def covered(names: Iterable[str], host: str) -> bool:
    """Whether one of a certificate's *names* is good for *host*."""
    return any(covers(name, host) for name in names)


def is_address(name: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, as certificates spell it: without brackets."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
