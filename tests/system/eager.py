"""The daemon as it is, but that it scales within seconds: `python -m tests.system.eager`."""

import sys
from datetime import timedelta

from hostess import main, periodic
from hostess.domain.scaling import Pace
from hostess.services.keeping import autoscaler, usage

SECOND = timedelta(seconds=1)

if __name__ == "__main__":
    periodic.SUPERVISE_EVERY = SECOND
    setattr(autoscaler, "PACE", Pace(2 * SECOND, 5 * SECOND, 2 * SECOND))  # noqa: B010 -- a constant of the module above it
    setattr(usage, "LOOK_AROUND_EVERY", SECOND)  # noqa: B010 -- a constant of the module above it
    setattr(usage, "LOOK_AROUND_IDLY", SECOND)  # noqa: B010 -- a constant of the module above it
    sys.exit(main.main())
