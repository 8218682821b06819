"""A push as the doors hand it in, and the answer for each of its refs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

ZERO = "0" * 40
"""The object id that git uses for "no such ref"."""

Say = Callable[[str], None]
"""Tells the pusher one line (no newline at its end) as soon as possible; never blocks, never raises."""


COMMAND = 100


def in_one_line(command: Iterable[str]) -> str:
    """Return a command as it is told: a script of several lines in one, and the beginning of a long one."""
    words = " ".join(" ".join(command).split())
    return words if len(words) <= COMMAND else f"{words[:COMMAND]}..."


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref that the pusher wants moved; *old* or *new* is ZERO for a creation or a deletion."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Push:
    """All refs of one push. Its objects are in the repository, permanent, when a handler sees it."""

    id: str
    project: str
    actor: str
    updates: tuple[RefUpdate, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the ref was moved (by the daemon itself, by compare-and-swap), else why not, in a few words for git's status line."""

    ref: str
    accepted: bool
    reason: str = ""
