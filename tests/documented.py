"""The commands that README.md and the pages in docs/ name, as a reader would type them."""

import re
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IN_TICKS = re.compile(r"(?<!`)`((?:hostess\s[^`]+|(?:git\spush|systemctl|journalctl|age|scripts/\w+)(?:\s[^`]+)?))`")
SIBLING = re.compile(r"`([a-z-]+(?: [^`]*)?)`")
"""In a table's row that begins with a command: another command of the same group, without its beginning."""
KEY = re.compile(r"[\w.${}-]+")
GOES_ON = re.compile(r"(\\|&&|\|\|?|\bdo|\bthen)$")
SHOWN = (
    "git push, API, command line",
    "read tree",
    "→ switch:",
    "main, cli",
    "remote:",
    "RUN --mount",
    "NAMES ",
    "shop.example.com is not ready",
    "recovered in",
    "own = ",
    "app = ",
    "type Webhook",
    "{",
)
"""How blocks begin that are neither settings nor commands: pictures, output, code."""


@dataclass(frozen=True)
class Command:
    """A command of a page. *alone*: it has a line of its own, and is not one that a sentence speaks of."""

    page: str
    line: int
    text: str
    alone: bool

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}: {self.text}"


def documented() -> list[Command]:
    """Return all commands, page by page, in their order."""
    return [command for page in PAGES for command in commands(page.name, page.read_text(encoding="utf-8"))]


def commands(page: str, text: str) -> list[Command]:
    """Return the commands of a page in their order."""
    prose, blocks = _divided(text)
    found = [Command(page, line, said, alone=False) for line, said in _spoken_of(prose)]
    for first, block in blocks:
        if not _is_settings(block) and not block[0].lstrip().startswith(SHOWN):
            found += [Command(page, line, said, alone=True) for line, said in _statements(first, block)]
    return sorted(found, key=lambda command: command.line)


def _divided(text: str) -> tuple[str, list[tuple[int, list[str]]]]:
    """Return a page without its blocks, and these, each with its first line's number; an empty line ends one."""
    prose, blocks, fenced, inside = [], list[tuple[int, list[str]]](), False, False
    for number, line in enumerate(text.splitlines(), 1):
        is_fence = line.startswith("```")
        fenced ^= is_fence
        belongs = not is_fence and bool(line.strip()) and (fenced or line.startswith("    "))
        prose.append("" if belongs or is_fence else line)
        if belongs and inside:
            blocks[-1][1].append(line)
        elif belongs:
            blocks.append((number, [line]))
        inside = belongs
    return "\n".join(prose), blocks


def _is_settings(block: list[str]) -> bool:
    """Whether a block is YAML or TOML, which nobody types into a shell."""
    text = textwrap.dedent("\n".join(block))
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        try:
            read = YAML(typ="safe", pure=True).load(text)
        except YAMLError:
            return False
        return isinstance(read, list) or (isinstance(read, dict) and all(KEY.fullmatch(str(key)) for key in read))
    return True


def _statements(first: int, block: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the commands of a block, each with its line, without comments; one that goes on over several lines is one."""
    begun, said, loops = first, "", 0
    for number, line in enumerate(block, first):
        if not said:
            begun = number
        text = re.sub(r"(^|\s+)#\s.*$", "", line.strip())
        loops += text.endswith("; do") - (text == "done")
        said = f"{said.removesuffix(chr(92)).rstrip()}{chr(10) if loops or text == 'done' else ' '}{text}".strip()
        if said and not loops and not GOES_ON.search(said):
            yield begun, said
            said = ""
    if said:
        yield begun, said


def _spoken_of(prose: str) -> Iterator[tuple[int, str]]:
    """Yield the commands in ticks, each with its line; those of one group may share a row of a table."""
    for found in IN_TICKS.finditer(prose):
        yield prose.count("\n", 0, found.start()) + 1, " ".join(found[1].split())
    for number, line in enumerate(prose.splitlines(), 1):
        if line.startswith("| `hostess "):
            cell = line.split("|")[1]
            first = cell.split("`")[1].split()
            group = first[:2] if len(first) > 2 and not first[2].startswith(("-", "[")) else first[:1]
            for sibling in SIBLING.findall(cell.partition("`,")[2]):
                if not sibling.startswith("hostess "):
                    yield number, " ".join([*group, *sibling.split()])
