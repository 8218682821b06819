"""Waits by a clock that may be set back."""

from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.routing.closures import Closing, Closure, over
from hostess.domain.waits import CORRECTED, is_over

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("left", "over"),
    [
        (timedelta(seconds=-1), True),
        (timedelta(), True),
        (timedelta(seconds=1), False),
        (LONGEST, False),
        (LONGEST + CORRECTED, False),
        (LONGEST + CORRECTED + timedelta(seconds=1), True),
        (timedelta(days=365), True),
    ],
)
def test_a_wait_is_over_when_it_has_passed_or_cannot_be(left: timedelta, over: bool) -> None:
    """It is over once its end has come, and where more is left of it than there was at its beginning: the clock was set back."""
    assert is_over(NOW + left, NOW, LONGEST) is over


@pytest.mark.parametrize(("later", "ended"), [(0, False), (29, False), (30, True), (-2, False), (-86400, True)])
def test_no_pause_outlasts_a_clock_that_was_put_back(later: int, ended: bool) -> None:
    """A pause of 30 seconds is over after them, and at once when it is a day before it began."""
    pause = Closure("shop", "production", Closing.PAUSE, "web", NOW, "ada", until=NOW + timedelta(seconds=30))

    assert over(pause, NOW + timedelta(seconds=later)) is ended
