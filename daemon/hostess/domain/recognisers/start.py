"""How a command line of a file becomes the argv of a container: without a shell where none is needed, and never below one."""

import re
import shlex

from hostess.domain.recognisers.values import Folder, Start

_SHELL = frozenset("$&|;<>()`\\\"'*?[]#~\n{}!")
_LONGEST = 10_000
"""Characters of a line that is taken apart here, which takes time that grows with their square."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=\S*(?:\s|$)")
_ENTRY = re.compile(r"^(?P<name>[\w-]+):[ \t]*(?P<command>\S.*)$", re.MULTILINE)


def of_procfile(folder: Folder) -> Start | None:
    """Return what the Procfile's `web:` line starts."""
    lines = {found["name"]: found["command"].rstrip() for found in _ENTRY.finditer(folder.text("Procfile"))}
    return Start(argv(lines["web"]), "Procfile") if "web" in lines else None


def argv(line: str) -> tuple[str, ...]:
    """Return *line* as argv. Where only a shell can read it, the program still takes the shell's place, to get its signals."""
    if len(line) <= _LONGEST and _ASSIGNMENT.match(line) is None and not _SHELL & set(_unquoted(line)):
        try:
            return tuple(shlex.split(line))
        except ValueError:  # a quotation without an end: the shell will say so
            pass
    *before, last = line.split("&&")
    if set("|;`\n()") & set(line) or "&" in last:
        return ("sh", "-c", line)
    word = "exec env" if _ASSIGNMENT.match(last.strip()) else "exec"
    return ("sh", "-c", " && ".join([*(part.strip() for part in before), f"{word} {last.strip()}"]))


def _unquoted(line: str) -> str:
    """Return *line* without what stands in single quotes, or in double quotes without anything that a shell reads there."""
    return re.sub(r"'[^'\\]*'|\"[^\"\\$`!]*\"", "", line)
