"""The values of Compose files: variables, durations, sizes, ports and commands, in the forms that Compose allows."""

import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from hostess.domain import quantities
from hostess.domain.docker_compose.reading import items, mapping, scalar
from hostess.domain.hostess_yml.reading import Token, Tree

OPEN, CLOSE = "\ue000", "\ue001"
"""Stand for the braces of a magic variable while `${` still means one of Compose's own."""

_VARIABLE = re.compile(
    r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^{}]*(?:\{[^{}]*\}[^{}]*)*))?\})", re.ASCII
)
_SECRET = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|PRIVATE|DSN|AUTH|SALT", re.IGNORECASE)
_BYTES = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*([bkmgt]?)i?b?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_PORT = re.compile(
    r"(?:(?P<ip>\[[^\]]*\]|[\d.]+):)?(?:(?P<host>[\d-]*):)?(?P<port>[\d-]+)(?:/(?P<kind>\w+))?", re.ASCII
)
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_LARGEST_PORT = 65535
_MOST_PORTS = 20
_LOCAL = ("127.", "[::1]", "::1", "localhost")
_MIB = 2**20


class Checkout(Protocol):
    """The folder that the Compose file belongs to; paths are relative to it and lead down."""

    def text(self, path: str) -> str | None:
        """Return the text of a file; None where there is none, or none that can be read."""

    def is_file(self, path: str) -> bool:
        """Whether there is a file."""

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Compose file is read with: the folder, where in it the file lies, and the variables of `.env`."""

    checkout: Checkout
    base: str = "."
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, place: str, sentence: str) -> None:
        """Tell what could not be carried over, or was changed."""
        line = "".join(letter if letter.isprintable() else "?" for letter in f"{place}: {sentence}")
        if line not in self.notes:
            self.notes.append(line)

    def text(self, value: Tree) -> str:
        """Return a scalar with its variables filled in, from their defaults or `.env`; unknown ones stay, "" for no scalar."""
        return _filled(scalar(value) or "", lambda name: self.variables.get(name, f"${{{name}}}"))

    def env_text(self, value: str) -> str:
        """Return a value of `environment` in which variables without a value have become secrets; see `closed`."""

        def unknown(name: str) -> str:
            known = None if _SECRET.search(name) else self.variables.get(name)
            return magic(f"secret:{name}") if known is None else known

        return _filled(value, unknown)

    def located(self, path: str) -> str | None:
        """Return a path of the Compose file as one below the folder; None when it leads elsewhere."""
        if path.startswith(("/", "~")) or "\\" in path or "$" in path:
            return None
        steps: list[str] = []
        for step in f"{self.base}/{path}".split("/"):
            if step == ".." and (not steps or steps[-1] == ".."):
                return None
            if step == "..":
                steps.pop()
            elif step not in {"", "."}:
                steps.append(step)
        return "./" + "/".join(steps) if steps else "."


def closed(text: str) -> str:
    """Return a value of hostess.yml: what stands for magic variables becomes one, what only looks like one is escaped."""
    return text.replace("${", "$${").replace(OPEN, "${").replace(CLOSE, "}")


def magic(reference: str) -> str:
    """Return what stands for a magic variable until the value is `closed`."""
    return f"{OPEN}{reference}{CLOSE}"


def _filled(text: str, unknown: Callable[[str], str]) -> str:
    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name, mark, rest = found[2] or found[3], found[4] or "", found[5] or ""
        if mark.endswith("+"):
            return ""
        return _VARIABLE.sub(fill, rest) if mark.endswith("-") else unknown(name)

    return _VARIABLE.sub(fill, text)


def pairs(value: Tree) -> dict[str, str | None]:
    """Return what Compose writes as a mapping or as a list of NAME=value; None is a name without a value."""
    if isinstance(value, dict):
        return {key: scalar(below) for key, below in value.items()}
    found = (scalar(item) or "" for item in items(value))
    split = (item.partition("=") for item in found if item)
    return {name: text if sign else None for name, sign, text in split}


def argv(value: Tree, around: Surroundings) -> list[str] | None:
    """Return a command as words; None when there is none, or none that can be split."""
    if isinstance(value, list):
        return [around.text(item) for item in value] or None
    try:
        return shlex.split(around.text(value)) or None
    except ValueError:
        return ["sh", "-c", around.text(value)]


def duration(value: Tree, low: timedelta, high: timedelta) -> str | None:
    """Return a duration within bounds, in whole seconds; None when there is none."""
    text = scalar(value) or ""
    try:
        length = quantities.parse_duration(f"{text}s" if isinstance(value, Token) else text)
    except ValueError:
        return None
    return f"{math.ceil(min(max(length, low), high).total_seconds())}s"


def memory(value: Tree, around: Surroundings) -> int | None:
    """Return a size in MiB; None when there is none."""
    found = _BYTES.fullmatch(around.text(value).strip())
    return max(1, round(float(found[1]) * 1024 ** _POWERS[found[2].lower()] / _MIB)) if found else None


@dataclass(frozen=True, slots=True)
class Published:
    """A port of a container; *outside* when it can be reached from other hosts."""

    number: int
    outside: bool


def ports(body: Mapping[str, Tree], around: Surroundings, place: str) -> list[Published]:
    """Return the ports that a service publishes or exposes, each once."""
    found: dict[int, bool] = {}
    for item in items(body.get("ports")):
        for port in _published(item, around, place):
            found[port.number] = found.get(port.number, False) or port.outside
    for item in items(body.get("expose")):
        for number in _numbers(around.text(item).partition("/")[0]):
            found.setdefault(number, False)
    return [Published(number, outside) for number, outside in found.items()]


def _published(item: Tree, around: Surroundings, place: str) -> list[Published]:
    if isinstance(item, dict):
        target, kind = around.text(item.get("target")), around.text(item.get("protocol")) or "tcp"
        address = around.text(item.get("host_ip"))
        outside = bool(scalar(item.get("published"))) and not address.startswith(_LOCAL)
    else:
        parsed = _PORT.fullmatch(around.text(item))
        target, kind = (parsed["port"], parsed["kind"] or "tcp") if parsed else ("", "tcp")
        outside = parsed is not None and not (parsed["ip"] or "").startswith(_LOCAL)
    if kind != "tcp":
        around.note(place, f"port {target}/{kind} is left out: only TCP is served")
        return []
    numbers = _numbers(target)
    if not numbers:
        around.note(place, f"{around.text(item) or 'an entry'} is left out: not a port that can be taken over")
    return [Published(number, outside) for number in numbers]


def _numbers(text: str) -> list[int]:
    found = _RANGE.fullmatch(text)
    if found is None:
        return []
    first, last = int(found[1]), int(found[2] or found[1])
    fits = 1 <= first <= last <= _LARGEST_PORT and last - first < _MOST_PORTS
    return list(range(first, last + 1)) if fits else []


def limits(body: Mapping[str, Tree], around: Surroundings) -> dict[str, float | str] | None:
    """Return limits of CPU and memory within what hostess.yml allows; None when the file has none."""
    deployed = mapping(mapping(mapping(body.get("deploy")).get("resources")).get("limits"))
    size = memory(deployed.get("memory") or body.get("mem_limit"), around)
    asked = around.text(deployed.get("cpus") or body.get("cpus"))
    cores = float(asked) if re.fullmatch(r"\d{1,4}(?:\.\d{1,6})?", asked, re.ASCII) else None
    if size is None and cores is None:
        return None
    cpu = min(max(round(cores or 1.0, 2), 0.1), 16.0)
    return {"cpu": int(cpu) if cpu == int(cpu) else cpu, "memory": f"{min(max(size or 1024, 128), 65536)}Mi"}
