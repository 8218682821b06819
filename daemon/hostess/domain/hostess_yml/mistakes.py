"""Mistakes in hostess.yml: what is wrong, where, and what to write instead; and the one error that carries them all."""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hostess.domain.problem import Problem

Path = tuple[str | int, ...]
"""Where in the file: keys and list indexes, outermost first."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LONGEST_QUOTE = 60
_MOST_CANDIDATES = 200


class WrongValue(ValueError):  # noqa: N818 -- it says what is wrong with a value, in a sentence for people
    """A value that does not fit its field. Message and *hint* are what the person reads; *below* is where inside the value."""

    def __init__(self, message: str, hint: str = "", below: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.below = below


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake; line and column count from 1. Its text is one line, ready to be printed."""

    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    file: str = field(default="hostess.yml", compare=False)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        what = f"{self.path}: {self.message}" if self.path else self.message
        return f"{where}{what} ({self.hint})" if self.hint else where + what


class InvalidStack(Problem):
    """A file with mistakes: *mistakes* are all of them, in the order of their places."""

    def __init__(
        self, mistakes: Iterable[Mistake], name: str = "hostess.yml", *, serving: str = "", remedy: str = ""
    ) -> None:
        self.name = name
        self.mistakes = tuple(sorted(set(mistakes)))
        count = len(self.mistakes)
        super().__init__(
            "invalid-stack",
            f"{name} has {'one mistake' if count == 1 else f'{count} mistakes'}",
            serving=serving,
            remedy=remedy or "correct the file, check it with `hostess validate`, and push again",
        )

    def but(self, *, serving: str | None = None, remedy: str | None = None) -> "InvalidStack":
        """Return the same with what a caller higher up knows better."""
        return InvalidStack(
            self.mistakes,
            self.name,
            serving=self.serving if serving is None else serving,
            remedy=self.remedy if remedy is None else remedy,
        )


def dotted(path: Path) -> str:
    """Return a path as people read it: "services.api.ports.0"; unusual keys are quoted and shortened."""
    return ".".join(str(step) if isinstance(step, int) or _PLAIN_KEY.fullmatch(step) else quoted(step) for step in path)


def quoted(text: str) -> str:
    """Return a text from the file in double quotes, on one line, shortened, safe to print anywhere."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
    safe = shown.isprintable() and "\\" not in shown and '"' not in shown
    return f'"{shown}"' if safe else json.dumps(shown)


def listed(words: Iterable[str], last: str = "or") -> str:
    """Return words as a person would list them: "a, b or c"."""
    known = list(words)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} {last} {known[-1]}" if known else "nothing"


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return the question with the nearest candidate, or "" when none is near."""
    known = list(candidates)
    if len(word) > _LONGEST_QUOTE or len(known) > _MOST_CANDIDATES:
        return ""
    folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return f"did you mean {quoted(folded[near[0]])}?" if near else ""
