"""Want of memory: who is killed first, and what is said of who was. Pure.

Where the host has none left, apps go first, then what has data, then databases, and Hostess last.

The kernel adds these to the share of the memory that a process uses, in thousandths (filesystems/proc.rst of its documentation,
`oom_score_adj`): the steps are wide, so that a large database is not killed for a small app. The daemon's and the proxy's are in their
units.
"""

from typing import Final

from hostess.domain.quantities import size_text
from hostess.domain.releases.release import Workload

APP: Final = 900
"""Also for what is run once and thrown away, and for git and other children of the daemon."""
WITH_DATA: Final = 500
DATABASE: Final = 100
KILLED: Final = 137
"""The exit code of what SIGKILL ended."""


def score_of(workload: Workload, *, is_task: bool) -> int:
    """Return the score of a container of *workload*; one that runs a command of it once has no data of its own to lose."""
    if is_task:
        return APP
    if workload.is_database:
        return DATABASE
    return WITH_DATA if workload.volumes else APP


def killed_for(code: int | None, memory: int, *, told: bool) -> str:
    """Return in words that want of memory ended a container that nobody had killed, "" where nothing speaks for it.

    *memory*: its limit, in bytes; *told*: whether the engine says that it was that. Engines miss it where a container ends at once.
    """
    if told:
        return f"it needed more memory than its {size_text(memory)}"
    if code == KILLED:
        return f"it was killed (exit code {KILLED}), as is what needs more memory than its {size_text(memory)}"
    return ""
