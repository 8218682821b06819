"""Children of the daemon that the kernel may kill before the daemon when the host has no memory left."""

from contextlib import suppress
from pathlib import Path

from hostess.domain.oom import APP


def make_expendable(pid: int) -> None:
    """Let a child be killed as early as an app is; it has inherited the daemon's own score. One that has ended is no error."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(f"{APP}\n", encoding="ascii")
