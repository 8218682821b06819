"""When a wait is over by a wall clock that may be set back meanwhile."""

from datetime import datetime, timedelta

CORRECTED = timedelta(minutes=1)
"""What a clock may be put back without having been wrong: no wait ends early for that."""


FOLLOWS = timedelta(minutes=1)
"""The longest time between two looks at what is looked at every few seconds."""


def follows(before: datetime, now: datetime) -> bool:
    """Whether a look follows the one before it: if not, the clock was set, or the host slept, and what was seen says nothing of today."""
    return timedelta(0) <= now - before <= FOLLOWS


def is_over(until: datetime, now: datetime, longest: timedelta) -> bool:
    """Whether a wait until then, of *longest* at most when it began, is over.

    Clearly more than that is left only where the clock was set back since; waiting for it to come round again may take days.
    """
    return until <= now or until - now > longest + CORRECTED
