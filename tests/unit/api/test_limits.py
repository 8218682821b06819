"""How often one caller may ask, and how much at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.doors.api.limits import BURST_SECONDS, CALLERS, Limits
from hostess.doors.api.problems import TooManyRequests


class Watch:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


def taken(limits: Limits, caller: str, times: int) -> int:
    """Return how many of so many requests are let pass."""
    passed = 0
    for _ in range(times):
        try:
            limits.spend(caller)
        except TooManyRequests:
            continue
        passed += 1
    return passed


def test_a_burst_passes_and_then_the_rate() -> None:
    """After silence ten seconds' worth passes at once, then what the rate allows; others are not concerned."""
    watch = Watch()
    limits = Limits(2, 0, watch)

    assert taken(limits, "a", 100) == 2 * BURST_SECONDS
    watch.at += 1.5
    assert taken(limits, "a", 100) == 3
    assert taken(limits, "b", 1) == 1


def test_who_is_refused_is_told_when_to_come_again() -> None:
    """The time that is told is enough, and a little less is not."""
    watch = Watch()
    limits = Limits(0.5, 0, watch)
    taken(limits, "a", 5)

    with pytest.raises(TooManyRequests) as refused:
        limits.spend("a")
    watch.at += refused.value.retry_after - 0.01
    assert taken(limits, "a", 1) == 0
    watch.at += 0.02
    assert taken(limits, "a", 1) == 1


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5))
def test_never_more_than_burst_and_rate(pauses: list[float], rate: int) -> None:
    """Whatever the pauses, what passes is at most the burst and the rate's share of the time, and a refusal costs nothing."""
    watch = Watch()
    limits = Limits(rate, 0, watch)
    passed = taken(limits, "a", 1000)

    for pause in pauses:
        watch.at += pause
        passed += taken(limits, "a", 30)

    assert passed <= rate * BURST_SECONDS + watch.at * rate + 1e-6


def test_as_many_as_may_be_at_once() -> None:
    """One more than the limit is refused, until another has ended, however it ends; nothing is left in mind."""
    limits = Limits(0, 2)

    with limits.under_way("a"), limits.under_way("b"):
        with limits.under_way("a"), pytest.raises(TooManyRequests), limits.under_way("a"):
            pass
        with pytest.raises(ZeroDivisionError), limits.under_way("a"):
            raise ZeroDivisionError
        with limits.under_way("a"):
            pass

    assert not limits._under_way


def test_zero_is_no_limit() -> None:
    """Who sets no limits has none."""
    limits = Limits(0, 0)

    assert taken(limits, "a", 10_000) == 10_000
    with limits.under_way("a"), limits.under_way("a"):
        pass


def test_callers_are_forgotten() -> None:
    """Strangers without number do not fill the memory."""
    limits = Limits(1, 0, Watch())

    for number in range(CALLERS + 100):
        limits.spend(f"{number}")

    assert len(limits._left) == CALLERS
