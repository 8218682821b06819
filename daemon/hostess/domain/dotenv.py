"""Files of `NAME=value` lines, as `env_file` names them. Pure."""

import re
import shlex

from hostess.domain.problem import Problem

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.ASCII)


def parse_dotenv(text: str, name: str) -> dict[str, str]:
    """Return the variables of a file, in order; Problem "env-file-invalid" with the line that is none.

    Blank lines and those that begin with # are passed over. A value in quotes is what stands between them (with double quotes
    the shell's escapes count); without quotes it ends at " #". Nothing is expanded: `${...}` in a file is text.
    """
    values: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise Problem(
                "env-file-invalid",
                "a line of the form NAME=value was expected",
                place=f"{name}:{number}:1",
                remedy="correct the line, or put # before it",
            )
        values[found[1]] = _value(found[2], f"{name}:{number}")
    return values


def _value(text: str, place: str) -> str:
    if text[:1] not in {"'", '"'}:
        return text.split(" #", 1)[0].rstrip()
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise Problem("env-file-invalid", f"the quotes do not match ({error})", place=f"{place}:1") from error
    if len(words) != 1:
        raise Problem("env-file-invalid", "there is text behind the closing quote", place=f"{place}:1")
    return words[0]
