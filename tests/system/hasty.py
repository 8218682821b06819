"""The daemon as it is, but that it looks for environments whose time is over each second: `python -m tests.system.hasty`."""

import sys
from datetime import timedelta

from hostess import main

if __name__ == "__main__":
    main.EXPIRE_EVERY = timedelta(seconds=1)
    sys.exit(main.main())
