"""Who is killed first when the host has no memory left: apps, then what has data, then databases, and Hostess last. Pure.

The kernel adds these to the share of the memory that a process uses, in thousandths (filesystems/proc.rst of its documentation,
`oom_score_adj`): the steps are wide, so that a large database is not killed for a small app. The daemon's and the proxy's are in their
units.
"""

from typing import Final

from hostess.domain.releases.release import Workload

APP: Final = 900
"""Also for what is run once and thrown away, and for git and other children of the daemon."""
WITH_DATA: Final = 500
DATABASE: Final = 100


def score_of(workload: Workload, *, is_task: bool) -> int:
    """Return the score of a container of *workload*; one that runs a command of it once has no data of its own to lose."""
    if is_task:
        return APP
    if workload.is_database:
        return DATABASE
    return WITH_DATA if workload.volumes else APP
