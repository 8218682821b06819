"""One thing that was looked at."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ok, warn or fail; what was found, and what repairs it: a command, where one does."""

    state: str
    topic: str
    what: str
    remedy: str = ""


def said(*words: str) -> str | None:
    """Return what a program of the host prints on standard output; None when it is not there, does not end, or fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def text_of(path: Path) -> str:
    """Return a file's text; "" when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
