"""Which certificate of an ACME authority is shown for a host."""

from collections.abc import Collection, Iterable
from datetime import datetime

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.names import wildcard_of


def chosen(
    hosts: Iterable[str], certificates: Iterable[Certificate], now: datetime, withheld: Collection[str] = frozenset()
) -> dict[str, Certificate]:
    """Return host -> certificate, for those of the *hosts* that one is good for; never one whose id is among the *withheld*.

    One that is valid goes first, then one for the very name, then the newest. One that has ended goes on to be shown while there is no
    other: clients see whose it was, and since when it is no good. One of the internal authority would be as much of a warning to
    them, and say less; and who was sent to HTTPS before does not come back by plain HTTP.
    """
    best: dict[str, Certificate] = {}
    for each in certificates:
        if each.source is Source.ACME and each.id not in withheld:
            for name in each.names:
                best[name] = max(best.get(name, each), each, key=lambda one: _rank(one, now))
    found = {}
    for host in hosts:
        exact, wildcard = best.get(host), best.get(wildcard_of(host))
        if exact is not None and (wildcard is None or _valid(exact, now) or not _valid(wildcard, now)):
            found[host] = exact
        elif wildcard is not None:
            found[host] = wildcard
    return found


def _rank(certificate: Certificate, now: datetime) -> tuple[bool, datetime, str]:
    return _valid(certificate, now), certificate.not_before, certificate.id


def _valid(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_before <= now < certificate.not_after
