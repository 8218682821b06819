"""What a .dockerignore file leaves out, by Docker's own rules (github.com/moby/patternmatcher)."""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hostess.domain.problem import Problem

_WITHIN, _ACROSS, _FOLDERS = "[^/]*", ".*", "(?:.*/)?"
"""What may be of any length: within a folder, across folders, any number of whole folders."""
_ANY_LENGTH = frozenset({_WITHIN, _ACROSS, _FOLDERS})
_FEW = 2
"""So many of them `re` tries in all their lengths; with each one more that takes as many times longer as a path has letters."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A rule; *steps* are for one that has more than a few pieces of any length: such pieces, and expressions for what is between."""

    expression: re.Pattern[str]
    includes: bool
    text: str
    steps: tuple[str | re.Pattern[str], ...] = ()

    def matches(self, path: str) -> bool:
        if not self.steps:
            return self.expression.fullmatch(path) is not None
        places = {0}
        for step in self.steps:
            places = _reached(step, path, places)
            if not places:
                return False
        return len(path) in places


def _reached(step: str | re.Pattern[str], path: str, places: set[int]) -> set[int]:
    """Return where in *path* a step can end that begins at one of *places*: all at once, so that nothing is tried twice."""
    match step:
        case re.Pattern():
            return {found.end() for place in places if (found := step.match(path, place))}
        case "[^/]*":
            reached: set[int] = set()
            for place in sorted(places):
                if place not in reached:
                    end = path.find("/", place)
                    reached.update(range(place, (len(path) if end < 0 else end) + 1))
            return reached
        case ".*":
            return set(range(min(places), len(path) + 1))
        case _:
            first = min(places)
            return places | {at + 1 for at, letter in enumerate(path) if letter == "/" and at >= first}


class DockerIgnore:
    """The rules of one file. *always* are paths that no rule leaves out: the Dockerfile and the file itself."""

    def __init__(self, text: str, always: frozenset[str] = frozenset()) -> None:
        """Read the rules; Problem "dockerignore-invalid" with the line of the first that is none."""
        self._patterns = tuple(_patterns(text))
        self._always = always
        self._folders: dict[str, tuple[bool, ...]] = {"": (False,) * len(self._patterns)}

    def excludes(self, path: str) -> bool:
        """Whether *path* (of a file or folder, relative) is left out: the last rule that matches it, or a folder above it, decides."""
        if path in self._always:
            return False
        decisive = self._decisive(path)
        return decisive is not None and not decisive.includes

    def rule(self, path: str) -> str:
        """Return the rule that decides about *path*, as it is written; "" when none does."""
        decisive = self._decisive(path)
        return decisive.text if decisive else ""

    @property
    def includes(self) -> bool:
        """Whether a rule begins with "!": something in a folder that is left out may then be sent."""
        return any(pattern.includes for pattern in self._patterns)

    def lift(self, folder: str) -> None:
        """Forget what matches *folder* or one above it: what is in it is left out only by rules of its own."""
        self._folders[folder] = (False,) * len(self._patterns)

    def _decisive(self, path: str) -> _Pattern | None:
        matching = zip(self._patterns, self._matches(path), strict=True)
        return next((pattern for pattern, matches in reversed([*matching]) if matches), None)

    def _matches(self, path: str) -> tuple[bool, ...]:
        """Return for each rule whether it matches *path* or a folder above it; folders are remembered, files are not."""
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = self._matches(folder)
        above = self._folders[folder]
        return tuple(hit or pattern.matches(path) for hit, pattern in zip(above, self._patterns, strict=True))


def _patterns(text: str) -> list[_Pattern]:
    patterns = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        rule = line.strip()
        if line.startswith("#") or not rule:
            continue
        includes = rule.startswith("!")
        rule = rule[1:].strip() if includes else rule
        try:
            pieces = _pieces(_clean(rule))
            expression = re.compile("".join(pieces), re.DOTALL)
        except (ValueError, re.error) as error:
            raise Problem("dockerignore-invalid", f"line {number}: {error}", place=".dockerignore") from error
        patterns.append(_Pattern(expression, includes, line.strip(), _steps(pieces)))
    return patterns


def _steps(pieces: Iterable[str]) -> tuple[str | re.Pattern[str], ...]:
    """Return the steps of a rule that has more than a few pieces of any length; none of any other."""
    steps: list[str | re.Pattern[str]] = []
    between: list[str] = []
    for piece in [*pieces, ""]:
        if piece and piece not in _ANY_LENGTH:
            between.append(piece)
            continue
        if between:
            steps.append(re.compile("".join(between), re.DOTALL))
            between.clear()
        if piece:
            steps.append(piece)
    return tuple(steps) if sum(isinstance(step, str) for step in steps) > _FEW else ()


def _clean(rule: str) -> str:
    """Return a rule as Docker tidies it: "." and ".." resolved, no slash at either end; ValueError when there is none."""
    if not rule:
        raise ValueError('"!" alone says nothing')
    # posixpath keeps two leading slashes, and a relative "..": Go keeps the latter, too, and then it matches nothing.
    return posixpath.normpath(rule).lstrip("/") or "/"


_WILD = frozenset("*?[]\\")


def _pieces(rule: str) -> list[str]:
    """Return the pieces of the regular expression that a rule stands for, each for one letter of a path, or of any length."""
    rest = rule[2:]
    if rule.startswith("**") and not _WILD & set(rest):
        # A leading "**" is a question of the path's end only, even without a slash after it.
        return [_FOLDERS, re.escape(rest[1:])] if rest.startswith("/") else [_ACROSS, re.escape(rest)]
    pieces = []
    at = 0
    while at < len(rule):
        piece, at = _piece(rule, at)
        pieces.append(piece)
    return pieces


def _piece(rule: str, at: int) -> tuple[str, int]:
    """Return the expression for what stands at *at*, and where to go on."""
    if rule.startswith("**", at):
        after = at + 3 if rule.startswith("/", at + 2) else at + 2
        return (_ACROSS if after == len(rule) else _FOLDERS), after
    match rule[at]:
        case "*":
            return _WITHIN, at + 1
        case "?":
            return "[^/]", at + 1
        case "\\" if at + 1 < len(rule):
            return re.escape(rule[at + 1]), at + 2
        case "[":
            return _one_of(rule, at)
        case letter:
            return re.escape(letter), at + 1


def _one_of(rule: str, at: int) -> tuple[str, int]:
    end = rule.find("]", at + 1)
    members = rule[at + 1 : end]
    if end < 0 or not members.removeprefix("^"):
        raise ValueError(f'"{rule}" has a "[" without its "]", or nothing between them')
    inverted = "^" if members.startswith("^") else ""
    safe = re.sub(r"([^\w\-\\])", r"\\\1", members.removeprefix("^"))
    return f"[{inverted}{safe}]", end + 1
