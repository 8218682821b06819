"""The daemon as it is, but that a year has gone by for its schedules: `python -m tests.system.punctual`.

A time that fell into that year was missed.
"""

import sys
from datetime import datetime, timedelta

from hostess import main
from hostess.domain.jobs import cron


def a_year_later(schedule: str, since: datetime, now: datetime) -> bool:
    """Whether it would have fired after *since* and before the year was over."""
    return before(schedule, since, now + timedelta(days=366))


before = cron.missed

if __name__ == "__main__":
    cron.missed = a_year_later
    sys.exit(main.main())
