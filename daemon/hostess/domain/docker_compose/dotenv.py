"""Files of `NAME=value` lines, as `env_file` names them. Pure."""

import re

from hostess.domain.problem import Problem

_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=", re.ASCII)
_QUOTED = re.compile(r"""[ \t]*(?:'([^']*)'|"((?:[^"\\]|\\.)*)")""", re.DOTALL)
_BARE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"[ \t]#")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}


def parse_dotenv(text: str, name: str) -> dict[str, str]:
    """Return the variables of a file, in order; Problem "env-file-invalid" with the line that is none.

    Blank lines and those that begin with # are passed over. A value in quotes is what stands between them, over several lines if
    need be; behind a backslash in double quotes n, r and t mean what they usually do, and others themselves. Without quotes it
    ends at " #". Nothing is expanded: `${...}` in a file is text. A byte order mark and line ends of Windows are no part of any
    value.
    """
    rest = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if "\0" in rest:
        raise _wrong(name, rest, rest.index("\0"), "the file holds a NUL character")
    values: dict[str, str] = {}
    at = 0
    while at < len(rest):
        if blank := _BLANK.match(rest, at):
            at = blank.end()
            continue
        found = _NAME.match(rest, at)
        if found is None:
            raise _wrong(name, rest, at, "a line of the form NAME=value was expected")
        values[found[1]], at = _value(name, rest, found.end())
    return values


def _value(name: str, text: str, at: int) -> tuple[str, int]:
    """Return the value that begins at *at*, and where the next line does."""
    quoted = _QUOTED.match(text, at)
    if quoted is None:
        bare = _BARE.match(text, at)
        line = bare[0] if bare else ""
        if line.lstrip(" \t")[:1] in {"'", '"'}:
            raise _wrong(name, text, at, "a quote is not closed")
        return _COMMENT.split(line, maxsplit=1)[0].strip(), at + len(line) + 1
    end = _BLANK.match(text, quoted.end())
    if end is None:
        raise _wrong(name, text, at, "there is text behind the closing quote")
    if quoted[1] is not None:
        return quoted[1], end.end()
    return _ESCAPE.sub(lambda escape: _MEANT.get(escape[1], escape[1]), quoted[2]), end.end()


def _wrong(name: str, text: str, at: int, what: str) -> Problem:
    line = text.count("\n", 0, at) + 1
    return Problem("env-file-invalid", what, place=f"{name}:{line}:1", remedy="correct the line, or put # before it")
