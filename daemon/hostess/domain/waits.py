"""When a wait is over by a wall clock that may be set back meanwhile."""

from datetime import datetime, timedelta


def is_over(until: datetime, now: datetime, longest: timedelta) -> bool:
    """Whether a wait until then, of *longest* at most when it began, is over.

    More than that is left only where the clock was set back since; waiting for it to come round again may take days.
    """
    return until <= now or until - now > longest
