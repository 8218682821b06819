"""A daemon that dies on purpose: kill -9 of itself at one moment of an upgrade. `python -m tests.system.mortal_upgrade`.

MORTAL_AT names the moment: "before" or "after" a step (fence, fill) or the switch.
"""

import sys

from hostess import main
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.services.databases.upgrades import Upgrades
from tests.system.dying import watch

if __name__ == "__main__":
    for kind, method, name in (
        (Upgrades, "_fence", "fence"),
        (Upgrades, "_fill", "fill"),
        (SqliteJournal, "switch", "switch"),
    ):
        watch(kind, method, name)
    sys.exit(main.main())
