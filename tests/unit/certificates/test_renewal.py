"""When certificates are renewed, and which may be forgotten."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.certificates.attempts import Failure, next_attempt
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.ledger import Grounds, Outcome, PastOrder, may_order
from hostess.domain.certificates.order import RenewalWindow, Trouble
from hostess.domain.certificates.renewal import ask_at, renewal_at
from hostess.domain.certificates.retention import forgettable
from tests.issuing import DAY, NOW

HOUR = timedelta(hours=1)
LOOK = timedelta(minutes=10)
LIVES = st.sampled_from([timedelta(hours=160), 10 * DAY, 45 * DAY, 64 * DAY, 90 * DAY])


def issued(life: timedelta, begins: datetime = NOW, name: str = "1") -> Certificate:
    """Return a certificate of an authority."""
    return Certificate(
        name, ("x.org",), Source.ACME, "an authority", name, begins, begins + life, "https://ca/directory"
    )


@given(number=st.integers(0, 10_000))
def test_by_what_is_left(number: int) -> None:
    """A certificate is due a little before a third of its life is left, one of ten days or less a little before half."""
    long, short = issued(90 * DAY, name=str(number)), issued(timedelta(hours=160), name=str(number))

    assert 55.5 * DAY < renewal_at(long, None, NOW) - NOW <= 60 * DAY
    assert 72 * HOUR <= renewal_at(short, None, NOW) - NOW <= 80 * HOUR
    assert renewal_at(long, None, NOW) == renewal_at(long, None, NOW + 70 * DAY)


@given(number=st.integers(0, 10_000), start=st.integers(-400, 400), length=st.integers(0, 200))
def test_by_the_authority(number: int, start: int, length: int) -> None:
    """A window's instant lies in it and stays the same, but something is always left of the certificate by then."""
    begin = NOW + start * HOUR
    window = RenewalWindow(begin, begin + length * HOUR, 6 * HOUR)
    certificate = issued(timedelta(hours=160), name=str(number))

    at = renewal_at(certificate, window, NOW)

    assert min(window.start, NOW + 152 * HOUR) <= at <= min(window.end, NOW + 152 * HOUR)
    assert at == renewal_at(certificate, window, NOW + DAY)


def test_renewals_spread() -> None:
    """Of a thousand certificates that were issued together, no hundredth of the window has more than 30."""
    window = RenewalWindow(NOW, NOW + 100 * HOUR, HOUR)
    hours = [(renewal_at(issued(90 * DAY, name=str(n)), window, NOW) - NOW) // HOUR for n in range(1000)]

    assert max(hours.count(hour) for hour in range(100)) <= 30


def test_a_window_that_ends_before_it_starts() -> None:
    """A window without a length is its beginning."""
    assert renewal_at(issued(90 * DAY), RenewalWindow(NOW + DAY, NOW, HOUR), NOW) == NOW + DAY


@pytest.mark.parametrize("ahead", [100 * DAY, 10_000 * DAY])
def test_a_clock_that_jumped_ahead(ahead: timedelta) -> None:
    """A certificate that was just ordered is not ordered again at once, even where it seems to have ended already."""
    now = NOW + ahead

    assert renewal_at(issued(90 * DAY), None, now, now - HOUR) == now + 23 * HOUR
    assert renewal_at(issued(90 * DAY), RenewalWindow(NOW, NOW, HOUR), now, now) == now + DAY
    assert renewal_at(issued(DAY), None, now, now) == now + DAY / 20


def test_a_clock_that_was_set_back() -> None:
    """An order that seems to be made in the future keeps nothing from being renewed."""
    assert renewal_at(issued(90 * DAY), None, NOW, NOW + 1000 * DAY) < NOW + 60 * DAY


@pytest.mark.parametrize(
    ("after", "pause"), [(6 * HOUR, 6 * HOUR), (timedelta(0), LOOK), (1000 * DAY, 12 * HOUR), (None, 6 * HOUR)]
)
def test_asking_for_windows(after: timedelta | None, pause: timedelta) -> None:
    """An authority is asked again when it says, but within half a day and not more often than every ten minutes."""
    window = None if after is None else RenewalWindow(NOW, NOW, after)

    assert ask_at(window, NOW, NOW) == NOW + pause
    assert ask_at(window, NOW + DAY, NOW) == NOW


@given(
    life=LIVES,
    downs=st.lists(st.tuples(st.integers(0, 90 * 24), st.integers(1, 24)), max_size=6),
    windows=st.booleans(),
)
def test_ninety_days(life: timedelta, downs: Sequence[tuple[int, int]], windows: bool) -> None:
    """In 90 days no certificate ends, though the authority is down for up to a day here and there, and few orders are made."""
    down = [(NOW + begin * HOUR, NOW + (begin + length) * HOUR) for begin, length in downs]
    now, certificate, orders = NOW, issued(life), 0
    failures: list[Failure] = []
    past: list[PastOrder] = []
    while now < NOW + 90 * DAY:
        middle = certificate.not_before + life / 2
        window = RenewalWindow(middle, middle + life / 10, HOUR) if windows else None
        due = max(renewal_at(certificate, window, now, past[-1].at if past else None), now)
        attempt = next_attempt(failures, ["ca"], "x.org", due, certificate.not_after)
        assert attempt is not None
        now = max(now, attempt.at, due) + LOOK
        assert now < certificate.not_after
        wait = may_order(past, certificate.names, "ca", now, Grounds.RENEWAL)
        if wait is not None:
            now = wait.until
        elif any(begin <= now < end for begin, end in down):
            failures.append(Failure(now, Trouble.AUTHORITY, "ca"))
        else:
            orders += 1
            past.append(PastOrder(now, "ca", certificate.names, Outcome.ISSUED, Grounds.RENEWAL))
            certificate, failures = issued(life, now, str(orders)), []

    assert orders <= 90 * DAY // (life * 0.44) + 1


def test_what_is_forgotten() -> None:
    """A certificate stays 30 days after its hosts are gone; one that another has taken the place of, or that ended, goes at once."""
    gone = issued(90 * DAY, name="gone")
    old, new = issued(60 * DAY, name="old"), issued(90 * DAY, name="new")
    other = replace(gone, names=("y.org",))
    brought = replace(other, id="brought", source=Source.IMPORTED)

    assert forgettable([other, brought], (), {"gone": NOW, "brought": NOW}, NOW + 29 * DAY) == []
    assert forgettable([other, brought], (), {"gone": NOW, "brought": NOW}, NOW + 30 * DAY) == [other]
    assert forgettable([other], (), {}, NOW) == []
    assert forgettable([old, new], {"new"}, {}, NOW) == [old]
    assert forgettable([old, new], {"old"}, {}, NOW) == []
    assert forgettable([other], (), {}, NOW + 90 * DAY) == [other]
    assert forgettable([other], {"gone"}, {"gone": NOW}, NOW + 200 * DAY) == []
