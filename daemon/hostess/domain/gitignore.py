"""What a .gitignore file leaves out, by git's own rules (gitignore(5))."""

import re
from dataclasses import dataclass

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_NEVER = "(?!)"


@dataclass(frozen=True, slots=True)
class _Rule:
    expression: re.Pattern[str]
    includes: bool
    folders_only: bool
    by_name: bool

    def matches(self, path: str, *, folder: bool) -> bool:
        """Whether it speaks of this path; a rule without a slash looks at the last name alone."""
        if self.folders_only and not folder:
            return False
        return self.expression.fullmatch(path.rpartition("/")[2] if self.by_name else path) is not None


class GitIgnore:
    """The rules of one file. A line that is no rule matches nothing, as in git."""

    def __init__(self, text: str) -> None:
        lines = text.removeprefix("\ufeff").split("\n")
        self._rules = [rule for rule in map(_rule, lines) if rule is not None]

    def decision(self, path: str, *, folder: bool) -> bool | None:
        """Return whether *path*, relative to the file's folder, is left out; None when no rule speaks of it: the last one decides.

        What is in a folder that is left out is not to be asked for: it is left out, too.
        """
        for rule in reversed(self._rules):
            if rule.matches(path, folder=folder):
                return not rule.includes
        return None


def _rule(line: str) -> _Rule | None:
    line = line.removesuffix("\r")
    if line.startswith("#"):
        return None
    # Spaces at the end count only when the last is escaped, and then it alone with those before it.
    stripped = line.rstrip(" ")
    escapes = len(stripped) - len(stripped.rstrip("\\"))
    rule = stripped + " " if escapes % 2 and stripped != line else stripped
    includes = rule.startswith("!")
    rule = rule[1:] if includes else rule
    folders_only = rule.endswith("/")
    rule = rule.removesuffix("/")
    if not rule:
        return None
    by_name = "/" not in rule
    try:
        expression = re.compile(_expression(rule.removeprefix("/")), re.DOTALL)
    except re.error:
        expression = re.compile(_NEVER)
    return _Rule(expression, includes, folders_only, by_name)


def _expression(rule: str) -> str:
    pieces = []
    at = 0
    while at < len(rule):
        piece, at = _piece(rule, at)
        pieces.append(piece)
    return "".join(pieces)


def _piece(rule: str, at: int) -> tuple[str, int]:
    """Return the expression for what stands at *at*, and where to go on."""
    match rule[at]:
        case "*":
            return _stars(rule, at)
        case "?":
            return "[^/]", at + 1
        case "[":
            return _one_of(rule, at)
        case "\\":
            return (re.escape(rule[at + 1]), at + 2) if at + 1 < len(rule) else (_NEVER, at + 1)
        case letter:
            return re.escape(letter), at + 1


def _stars(rule: str, at: int) -> tuple[str, int]:
    """Return what stars stand for: two or more between slashes (or at an end) are any number of folders, else they are as one."""
    end = at
    while end < len(rule) and rule[end] == "*":
        end += 1
    whole = end - at > 1 and (at == 0 or rule[at - 1] == "/") and (end == len(rule) or rule[end] == "/")
    if not whole:
        return "[^/]*", end
    if end == len(rule):
        return ".+" if at else ".*", end
    return "(?:.*/)?", end + 1


def _one_of(rule: str, at: int) -> tuple[str, int]:
    """Return what a bracket stands for; one that is not closed matches nothing."""
    start = at + 1
    inverted = rule[start : start + 1] in {"!", "^"}
    start += inverted
    members, here = [], start
    while here < len(rule) and (rule[here] != "]" or here == start):
        member, here = _of_bracket(rule, here)
        members.append(member)
    if here >= len(rule):
        return _NEVER, len(rule)
    return f"(?!/)[{'^' if inverted else ''}{''.join(members)}]", here + 1


def _of_bracket(rule: str, here: int) -> tuple[str, int]:
    named = re.compile(r"\[:([a-z]+):\]").match(rule, here)
    if named:
        return _CLASSES.get(named[1], ""), named.end()
    if rule[here] == "\\" and here + 1 < len(rule):
        return re.escape(rule[here + 1]), here + 2
    letter = rule[here]
    return ("-" if letter == "-" else re.escape(letter)), here + 1
