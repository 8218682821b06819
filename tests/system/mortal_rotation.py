"""A daemon that dies on purpose: kill -9 of itself at one moment of a rotation. `python -m tests.system.mortal_rotation`.

MORTAL_AT names the moment: "before" or "after" a step (open, give, close) or the switch.
"""

import sys

from hostess import main
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.services.databases.rotations import Rotations
from tests.system.dying import watch

if __name__ == "__main__":
    for kind, method, name in (
        (Rotations, "_open", "open"),
        (Rotations, "_give", "give"),
        (Rotations, "_close", "close"),
        (SqliteJournal, "switch", "switch"),
    ):
        watch(kind, method, name)
    sys.exit(main.main())
