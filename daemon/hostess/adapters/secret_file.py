"""A secret that the operator keeps in a file of its own, read each time that it is needed: so it can be changed at any time."""

from pathlib import Path

from hostess.domain.problem import Problem


def read_secret(path: Path) -> str:
    """Return what a file says, without the line's end; Problem "notice-not-sent" when it says nothing or cannot be read."""
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _unreadable(path, f"cannot be read: {what}") from None
    if not found:
        raise _unreadable(path, "is empty")
    return found


def _unreadable(path: Path, what: str) -> Problem:
    return Problem(
        "notice-not-sent", f"the secret in {path} {what}", remedy="write it there, readable by the daemon's user alone"
    )
