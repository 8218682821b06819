"""Where settings come from: the TOML file, with the line of each key, and environment variables named after the keys."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hostess.domain.problem import Problem

PREFIX = "HOSTESS_"
_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=")


@dataclass(slots=True)
class Sourced:
    """Settings as they were written, before they are checked.

    *tree* is nested as in the file. *sources* says where each key was set last, for people; *places* the same for every key
    and table, as a place to point at ("config.toml:3").
    """

    file: str
    tree: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: object, source: str) -> None:
        """Set one key, above what was there."""
        *tables, last = key.split(".")
        table = self.tree
        for name in tables:
            inner = table.get(name)
            table[name] = inner if isinstance(inner, dict) else {}
            table = table[name]
        table[last] = value
        self.sources[key] = self.places[key] = source


def gather(config: Path | None, default: Path, environ: Mapping[str, str], *, known: frozenset[str]) -> Sourced:
    """Return what the file says, and the environment above it. Without *config*, *default* is read if it exists.

    Problem "settings-invalid" for text that is no TOML and for every key that is not *known*; "settings-unreadable" when the
    file cannot be read.
    """
    path = config or default
    found = Sourced(str(path))
    text = _read(path, required=config is not None)
    mistakes = []
    if text is not None:
        lines = _lines(text)
        for key, value in _leaves(_parse(path, text)):
            found.put(key, value, f"{path}:{_line_of(key, lines)}")
        found.places |= {key: f"{path}:{line}" for key, line in lines.items()}
        mistakes += [f"{found.places[key]}: {_unknown(key, known)}" for key in found.sources if not _fits(key, known)]
    for variable, key in _variables(environ, known):
        if key not in known:
            mistakes.append(f"{variable}: {_unknown(key, known)}")
        found.put(key, environ[variable], variable)
    if mistakes:
        raise Problem("settings-invalid", "\n".join(mistakes), remedy="`hostess config show` lists the keys there are")
    return found


def _read(path: Path, *, required: bool) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if not required:
            return None
        raise Problem("settings-unreadable", f"there is no settings file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Problem("settings-unreadable", f"the settings file {path} cannot be read: {error}") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = where[1] if where else str(text.count("\n") + 1)
        raise Problem("settings-invalid", str(error), place=f"{path}:{line}") from None


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _lines(text: str) -> dict[str, int]:
    """Return the line in which each key or table of a TOML text is first named; the parser itself does not tell."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _plain(header[1]) + "."
            lines.setdefault(table[:-1], number)
        elif assignment := _ASSIGNMENT.match(line):
            lines.setdefault(table + _plain(assignment[1]), number)
    return lines


def _plain(dotted: str) -> str:
    return ".".join(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _line_of(key: str, lines: Mapping[str, int]) -> int:
    """Return the line of a key, or of the innermost table around it (a key of an inline table has no line of its own)."""
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key, 1)


def _variables(environ: Mapping[str, str], known: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (variable, key) of the variables that set something.

    `HOSTESS_TOKEN`, `HOSTESS_URL` and others of one word are not for the daemon's settings; one that is close to a key is
    taken for a misspelling of it.
    """
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            key = variable.removeprefix(PREFIX).lower().replace("__", ".")
            top = [each for each in known if "." not in each]
            if "." in key or get_close_matches(key, top, n=1, cutoff=0.85):
                yield variable, key


def _fits(key: str, known: frozenset[str]) -> bool:
    """Whether a key of the file is known; a plain value where a table belongs is left for the types to refuse."""
    return key in known or any(each.startswith(f"{key}.") for each in known)


def _unknown(key: str, known: frozenset[str]) -> str:
    near = get_close_matches(key, sorted(known), n=1) or [
        each for each in sorted(known) if each.rpartition(".")[2] == key.rpartition(".")[2]
    ]
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f'there is no setting "{key}"{hint}'
