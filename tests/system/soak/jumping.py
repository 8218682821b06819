"""The daemon as it is, but that its clock is off by as many seconds as the file SOAK_CLOCK says at that moment.

`python -m tests.system.soak.jumping`. The two that read the wall clock in it are the daemon's own clock and the scheduler of cron.
"""

import os
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

from apscheduler.executors import base as executors
from apscheduler.schedulers import base as schedulers

from hostess import main
from hostess.adapters import clock_system

CLOCK = Path(os.environ["SOAK_CLOCK"])


class Jumping(datetime):
    """Instants by the clock that jumps."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return what it is by that clock."""
        return super().now(tz) + timedelta(seconds=int(CLOCK.read_text()))


if __name__ == "__main__":
    for module in (clock_system, executors, schedulers):
        setattr(module, "datetime", Jumping)  # noqa: B010 -- a name of the module
    sys.exit(main.main())
