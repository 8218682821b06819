"""When a certificate is renewed: as its authority asks (RFC 9773), or else by what is left of its life."""

import hashlib
from datetime import datetime, timedelta

from hostess.domain.certificates.certificate import Certificate
from hostess.domain.certificates.order import RenewalWindow

SHORT = timedelta(days=10)
"""A certificate of this life or less is renewed at half of it: a third would leave too little time for trouble."""

ASK_AT_LEAST_EVERY = timedelta(hours=12)
ASK_AT_MOST_EVERY = timedelta(minutes=10)
ASK_AGAIN = timedelta(hours=6)
"""Where the authority does not say when, or did not answer (RFC 9773 §4.3)."""

_LAST_PART = 20
"""Of its life: a window that is later than what is left by then is not believed."""

_SPREAD = 20
"""Part of a life over which renewals of the same age are spread, always to the earlier side."""

_BREATH = timedelta(days=1)


def renewal_at(
    certificate: Certificate, window: RenewalWindow | None, now: datetime, last_order: datetime | None = None
) -> datetime:
    """Return when to order the successor of *certificate*: at once where that is not after *now*.

    It is an instant in the *window*, where the authority gave one, and always the same for the same certificate and window.
    *last_order* is when one was ordered for the same names. A while passes after it, whatever a clock that jumped or an authority
    that is wrong lets us believe of the certificate; where it lies in the future, the clock was set back, and it counts for nothing.
    """
    life = certificate.not_after - certificate.not_before
    share = _share(certificate.id)
    if window is None:
        left = life / 2 if life <= SHORT else life / 3
        at = certificate.not_after - left - life / _SPREAD * share
    else:
        chosen = window.start + max(window.end - window.start, timedelta(0)) * share
        at = min(chosen, certificate.not_after - life / _LAST_PART)
    if last_order is None or last_order > now:
        return at
    return max(at, last_order + min(life / _LAST_PART, _BREATH))


def ask_at(window: RenewalWindow | None, asked: datetime, now: datetime) -> datetime:
    """Return when to ask an authority anew for a window that was *asked* for then; None for *window*: there was no answer."""
    if asked > now:
        return now
    pause = ASK_AGAIN if window is None else window.ask_after
    return asked + min(max(pause, ASK_AT_MOST_EVERY), ASK_AT_LEAST_EVERY)


def _share(text: str) -> float:
    """Return a number from 0 to below 1 that is always the same for *text*, and evenly spread over texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
