"""CAA records: which authorities may issue certificates for a name (RFC 8659), and in which ways (RFC 8657)."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_RECORD = re.compile(r'(\d+) ([A-Za-z0-9]+) (?:"((?:[^"\\]|\\.)*)"|(\S+))')
_KNOWN = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"})
_CRITICAL = 128
_IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "api.letsencrypt.org": ("letsencrypt.org",),
    "acme.zerossl.com": ("sectigo.com", "trust-provider.com", "usertrust.com", "comodoca.com", "comodo.com"),
    "acme-v02.api.pki.goog": ("pki.goog",),
    "acme.ssl.com": ("ssl.com",),
}
"""Host of an authority's directory, or what it is below -> what the authority calls itself in CAA records."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether authorities may issue; *named* are those that may. *kinds* are the challenges that they may take, None for all."""

    given: bool
    named: tuple[str, ...] = ()
    kinds: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Property:
    flags: int
    tag: str
    issuer: str
    kinds: frozenset[str] | None


def identities(directories: Iterable[str]) -> tuple[str, ...]:
    """Return what the authorities with these directories call themselves in CAA records; nothing where one is not known."""
    found: list[str] = []
    for directory in directories:
        host = urlsplit(directory).hostname or ""
        known = [names for suffix, names in _IDENTITIES.items() if host == suffix or host.endswith(f".{suffix}")]
        if not known:
            return ()
        found += known[0]
    return tuple(dict.fromkeys(found))


def climb(name: str) -> tuple[str, ...]:
    """Return the names whose CAA records count for *name*: those of the first that has any (RFC 8659 §3)."""
    labels = name.removeprefix("*.").split(".")
    return tuple(".".join(labels[first:]) for first in range(len(labels)))


def permission(name: str, records: Sequence[str], issuers: Collection[str]) -> Permission:
    """Return whether one of *issuers* (domain names that authorities say are theirs) may issue for *name* under these records.

    A record that cannot be read, or is critical and not known, permits nothing (RFC 8659 §4.1).
    """
    properties = [_property(each) for each in records]
    if any(each is None or (each.flags & _CRITICAL and each.tag not in _KNOWN) for each in properties):
        return Permission(given=False)
    read = [each for each in properties if each is not None]
    wild = [each for each in read if each.tag == "issuewild"] if name.startswith("*.") else []
    relevant = wild or [each for each in read if each.tag == "issue"]
    if not relevant:
        return Permission(given=True)
    named = tuple(dict.fromkeys(each.issuer for each in relevant if each.issuer))
    ours = {issuer.lower() for issuer in issuers}
    matching = [each.kinds for each in relevant if each.issuer in ours]
    limits = [kinds for kinds in matching if kinds is not None]
    kinds = frozenset[str]().union(*limits) if len(limits) == len(matching) else None
    return Permission(given=bool(matching), named=named, kinds=kinds if matching else None)


def _property(text: str) -> _Property | None:
    """Return a record in its text form as a value; None when it is none."""
    found = _RECORD.fullmatch(text)
    if found is None:
        return None
    issuer, *parameters = [part.strip() for part in (found[3] if found[4] is None else found[4]).split(";")]
    allowed = [each.partition("=")[2] for each in parameters if each.partition("=")[0].strip() == "validationmethods"]
    kinds = frozenset(kind.strip() for kind in allowed[0].split(",")) if allowed else None
    return _Property(int(found[1]), found[2].lower(), issuer.lower().rstrip("."), kinds)
