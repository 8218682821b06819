"""When what ends again and again is stopped, and how long it rests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.crash_loops import Health, Limits, Loop, health_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHORT = timedelta(seconds=5)
LONG = timedelta(minutes=1)
LIMITS = Limits()


def after(*lives: timedelta | None) -> Loop:
    """Return what is remembered after so many lives, all of which ended at noon."""
    loop = Loop()
    for lived in lives:
        loop = loop.after(lived, NOON, LIMITS)
    return loop


def test_ten_short_lives_in_a_row_are_a_loop() -> None:
    """After nine it is left to the engine, after ten it rests; a life whose length nobody knows counts as short."""
    assert not after(*[SHORT] * 9).rests(NOON, LIMITS)
    assert after(*[SHORT] * 10).rests(NOON, LIMITS)
    assert after(*[None] * 10).rests(NOON, LIMITS)


def test_a_long_life_begins_anew() -> None:
    """What has run for a minute is in no loop, whatever was before."""
    assert not after(*[SHORT] * 9, LONG, *[SHORT] * 8).rests(NOON, LIMITS)
    assert after(*[SHORT] * 12, LONG) == Loop(deaths=1)


def test_each_further_try_has_one_chance() -> None:
    """It rests ten minutes, then twenty, then forty, and never more than an hour."""
    rests = []
    for more in range(6):
        until = after(*[SHORT] * (10 + more)).until
        assert until is not None
        rests.append((until - NOON) / timedelta(minutes=1))

    assert rests == [10, 20, 40, 60, 60, 60]
    assert after(*[SHORT] * 5000).until == NOON + timedelta(hours=1)


def test_a_clock_that_is_set_back_prolongs_nothing() -> None:
    """A rest that is longer than any can be is over."""
    loop = after(*[SHORT] * 10)

    assert loop.rests(NOON - timedelta(minutes=30), LIMITS)
    assert not loop.rests(NOON - timedelta(hours=2), LIMITS)


def test_a_try_is_no_end() -> None:
    """While it is tried again it still is a loop, until it has run for a minute."""
    loop = after(*[SHORT] * 10)
    later = NOON + timedelta(minutes=11)

    assert not loop.rests(later, LIMITS)
    assert loop.lasts(NOON, NOON, LIMITS, running=False)
    assert loop.lasts(later, later + SHORT, LIMITS, running=True)
    assert loop.lasts(None, later, LIMITS, running=True)
    assert not loop.lasts(later, later + LONG, LIMITS, running=True)
    assert not after(*[SHORT] * 9).lasts(NOON, NOON, LIMITS, running=False)


@pytest.mark.parametrize(
    ("state", "facts", "expected"),
    [
        ("running", (True, True, False), Health.HEALTHY),
        ("running", (True, False, False), Health.STARTING),
        ("running", (False, False, False), Health.UNHEALTHY),
        ("restarting", (True, True, False), Health.RESTARTING),
        ("exited", (True, True, False), Health.STOPPED),
        ("exited", (True, True, True), Health.CRASH_LOOPING),
        ("running", (True, True, True), Health.CRASH_LOOPING),
    ],
)
def test_health(state: str, facts: Sequence[bool], expected: Health) -> None:
    """How a replica is follows from the engine's word, its check, and what is remembered of it."""
    well, proved, looping = facts

    assert health_of(state, well=well, proved=proved, looping=looping) is expected
