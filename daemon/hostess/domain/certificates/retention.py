"""Which certificates of ACME authorities may be forgotten."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.names import covered

KEPT = timedelta(days=30)
"""After its hosts are gone: who brings one back within that time has its certificate at once, and no order is spent."""


def forgettable(
    certificates: Iterable[Certificate], used: Collection[str], last_used: Mapping[str, datetime], now: datetime
) -> list[Certificate]:
    """Return those that nothing needs any more; never one whose id is among the *used*, and never one that was not issued by ACME.

    One is forgotten when another that is used has all of its names, when it has ended, or when it was *last_used* (by id; one that
    is not there was used just now) a while ago.
    """
    issued = [each for each in certificates if each.source is Source.ACME]
    shown = [each for each in issued if each.id in used]

    def replaced(certificate: Certificate) -> bool:
        return any(
            each.not_after >= certificate.not_after
            and all(name in each.names or covered(each.names, name) for name in certificate.names)
            for each in shown
        )

    return [
        each
        for each in issued
        if each.id not in used
        and (replaced(each) or each.not_after <= now or last_used.get(each.id, now) + KEPT <= now)
    ]
