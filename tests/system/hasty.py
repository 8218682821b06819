"""The daemon as it is, but that it looks each second what is over, how full storage is, and what a place for backups lacks.

It calls a log late after a second.

`python -m tests.system.hasty`.
"""

import sys
from datetime import timedelta

from hostess import main, periodic
from hostess.services.backups import wal_archive

if __name__ == "__main__":
    periodic.EXPIRE_EVERY = timedelta(seconds=1)
    periodic.WATCH_STORAGE_EVERY = timedelta(seconds=1)
    periodic.COMPLETE_EVERY = timedelta(seconds=1)
    setattr(wal_archive, "LATE", timedelta(seconds=1))  # noqa: B010 -- a constant of the module above it
    sys.exit(main.main())
