"""What the files that list a Python project's dependencies say: names, files that belong together, versions of Python."""

import json
import posixpath
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from hostess.domain.recognisers.values import Folder, System
from hostess.domain.recognisers.versions import best

DEFAULT = "3.12"
_SERIES = ((3, 12), (3, 13), (3, 14), (3, 11), (3, 10), (3, 9), (3, 8))
_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?")
_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)")
_LOCAL = re.compile(
    r"^\s*(?:(?:-e|--editable)[\s=]+)?(?:\.|/|file:)|@\s*file:|^\s*(?:-e|--editable)[\s=]+(?!git|hg|svn|bzr|http)"
)
_DOTS = 500
"""Dots of a line: the library reads dotted keys in a time that grows with the square of their length."""
_COPIED = re.compile(r"[\w./+-]+")
_EXACT = re.compile(r"(?:python-|cpython[@-]?)?(\d+\.\d+)(?:\.\S+)?$")


_SYSTEM = {
    "psycopg2": System(("build-essential", "libpq-dev"), ("libpq5",)),
    "psycopg": System((), ("libpq5",)),
    "mysqlclient": System(("build-essential", "default-libmysqlclient-dev", "pkg-config"), ("libmariadb3",)),
}
"""Well-known packages that come without what they are built from or run with."""


def toml(text: str) -> Mapping[str, Any]:
    """Return a TOML file's content; nothing when it is none."""
    if any(line.count(".") > _DOTS for line in text.splitlines()):
        return {}
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):  # of numbers with thousands of digits, too
        return {}


def table(content: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the table at *path*; an empty one when there is none."""
    at: Any = content
    for key in path:
        at = at.get(key) if isinstance(at, Mapping) else None
    return at if isinstance(at, Mapping) else {}


def included(folder: Folder, name: str) -> tuple[str, ...] | None:
    """Return a requirements file and all that it includes; None when it needs more of the project than such files."""
    found: list[str] = []
    ahead = [name]
    while ahead:
        path = ahead.pop(0)
        if path in found:
            continue
        if not folder.has(path) or path not in folder.texts or not _COPIED.fullmatch(path):
            return None
        found.append(path)
        for line in folder.text(path).splitlines():
            if _LOCAL.search(line):
                return None
            if include := _INCLUDE.match(line):
                ahead.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), include[1])))
    return tuple(found)


def names(lines: Iterable[object]) -> set[str]:
    """Return the normalised names of requirements; "name[extra]" is there, too."""
    found = set()
    for line in lines:
        if isinstance(line, str) and (match := _NAME.match(line)):
            name = re.sub(r"[-_.]+", "-", match[1]).lower()
            extras = re.findall(r"[\w-]+", match[2] or "")
            found |= {name, *(f"{name}[{extra.lower()}]" for extra in extras)}
    return found


def system(found: set[str], texts: Iterable[str]) -> System:
    """Return what the distribution has to bring for the packages *found*; *texts* are the files that name them."""
    # With its binary extra (in a lock: the package of that name) psycopg brings all that it needs.
    needed = [n for name, n in _SYSTEM.items() if name in found and not {f"{name}[binary]", f"{name}-binary"} & found]
    git = ("git",) if any(re.search(r"\bgit(?:\+| = )", text) for text in texts) else ()
    build = {*git, *(package for needs in needed for package in needs.build)}
    return System(tuple(sorted(build)), tuple(sorted({package for needs in needed for package in needs.run})))


def locked(text: str) -> set[str]:
    """Return the names in a uv.lock, poetry.lock or Pipfile.lock."""
    if text.lstrip().startswith("{"):
        try:
            return names(table(json.loads(text), "default"))
        except (ValueError, RecursionError):
            return set()
    return names(re.findall(r'^name = "([^"]+)"', text, re.MULTILINE))


def python_version(folder: Folder, pyproject: Mapping[str, Any]) -> str:
    """Return the series of Python that the project asks for, else the default."""
    for name in (".python-version", "runtime.txt"):
        asked = next((line.strip() for line in folder.text(name).splitlines() if line.strip()), "")
        if found := _EXACT.match(asked):
            return found[1]
    pipfile = str(table(toml(folder.text("Pipfile")), "requires").get("python_version", ""))
    if found := _EXACT.match(pipfile):
        return found[1]
    for wish in (
        table(pyproject, "project").get("requires-python"),
        table(pyproject, "tool", "poetry", "dependencies").get("python"),
    ):
        series = best(wish, _SERIES) if isinstance(wish, str) else None
        if series:
            return ".".join(map(str, series))
    return DEFAULT
