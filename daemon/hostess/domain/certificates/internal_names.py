"""Which certificates of the internal authority a set of hosts needs: few, and without the hosts of others in them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

from hostess.domain.certificates.certificate import Certificate
from hostess.domain.certificates.names import covered, is_address, takes_wildcard

MOST_NAMES = 100
"""In one certificate: it is sent with every handshake."""

Group = frozenset[str]


def grouped(hosts: Mapping[str, str], base_domain: str, kept: Sequence[Collection[str]] = ()) -> list[Group]:
    """Return sets of names that together are good for all *hosts* (to whom each belongs: a project), one per certificate.

    Hosts directly below the base domain share a wildcard, where browsers accept one there; others stand in by name. Hosts below the base
    domain, of localhost, and private addresses share certificates with one another; any other host only with those of its project.
    *kept* are the names of certificates that are there: as many of them as possible are used again.
    """
    wild = frozenset({base_domain, f"*.{base_domain}"}) if takes_wildcard(base_domain) else frozenset()
    rest: dict[str, set[str]] = defaultdict(set)
    for host, project in hosts.items():
        if not covered(wild, host):
            rest["" if _shared(host, base_domain) else project].add(host)
    groups = [wild] if any(covered(wild, host) for host in hosts) else []
    for project in sorted(rest):
        groups += _exact(rest[project], [frozenset(names) for names in kept], hosts)
    return groups


def renewal_due(certificate: Certificate, now: datetime) -> bool:
    """Whether a third of a certificate's life is left, or less."""
    return (certificate.not_after - now) * 3 <= certificate.not_after - certificate.not_before


def usable(certificate: Certificate, now: datetime) -> bool:
    """Whether a certificate may be used at this time, with some time left."""
    return certificate.not_before <= now < certificate.not_after - timedelta(minutes=1)


def _exact(names: Collection[str], kept: Iterable[Group], hosts: Mapping[str, str]) -> list[Group]:
    """Return groups for exactly these names: *kept* ones first, then one that was not full is filled up, then new ones are begun."""
    wanted, left = frozenset(names), set(names)
    groups: list[Group] = []
    for group in sorted(kept, key=lambda group: (-len(group), sorted(group))):
        used = group & left
        foreign = (group & hosts.keys()) - wanted
        # One in which most names are gone is not worth keeping.
        if used and not foreign and len(used) * 2 >= len(group):
            groups.append(group)
            left -= used
    if not left:
        return groups
    filled = next((group for group in groups if len(group & wanted) < MOST_NAMES), None)
    if filled is not None:
        groups.remove(filled)
        left |= filled & wanted
    ordered = sorted(left)
    return groups + [frozenset(ordered[at : at + MOST_NAMES]) for at in range(0, len(ordered), MOST_NAMES)]


def _shared(host: str, base_domain: str) -> bool:
    if is_address(host):
        return ip_address(host).is_private
    return any(host == domain or host.endswith(f".{domain}") for domain in (base_domain, "localhost"))
