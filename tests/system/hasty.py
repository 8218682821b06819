"""The daemon as it is, but that it looks each second what is over and how full storage is: `python -m tests.system.hasty`."""

import sys
from datetime import timedelta

from hostess import main

if __name__ == "__main__":
    main.EXPIRE_EVERY = timedelta(seconds=1)
    main.WATCH_STORAGE_EVERY = timedelta(seconds=1)
    sys.exit(main.main())
