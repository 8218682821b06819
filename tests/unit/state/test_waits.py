"""Waits by a clock that may be set back."""

from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.waits import is_over

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("left", "over"),
    [
        (timedelta(seconds=-1), True),
        (timedelta(), True),
        (timedelta(seconds=1), False),
        (LONGEST, False),
        (LONGEST + timedelta(seconds=1), True),
        (timedelta(days=365), True),
    ],
)
def test_a_wait_is_over_when_it_has_passed_or_cannot_be(left: timedelta, over: bool) -> None:
    """It is over once its end has come, and where more is left of it than there was at its beginning: the clock was set back."""
    assert is_over(NOW + left, NOW, LONGEST) is over
