"""Every command that a page, a help text or an error's remedy names is one that the command line takes, option by option."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hostess.cli.main import cli

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IN_TICKS = re.compile(r"`(hostess [^`{]*)`")
ON_A_LINE = re.compile(r"^(?:    |\$ |sudo )*(hostess [^#\n]*)", re.MULTILINE)
NOT_WORDS = re.compile(r"[\[\]…]|\.\.\.")
"""What stands in a page for what is left out."""


def commands(text: str) -> Iterator[str]:
    """Yield the commands of a text, in ticks or on lines of their own."""
    for found in (*IN_TICKS.findall(text), *ON_A_LINE.findall(text)):
        words = (
            NOT_WORDS.sub(" ", found).split(" | ")[0].split(" > ")[0].split(" && ")[0].split(" || ")[0].split(" < ")[0]
        )
        yield words.strip().rstrip(".,;:\\")


OWN_PARSER = frozenset({"daemon", "proxy"})
"""Programs that read their words themselves."""


def check(words: list[str]) -> None:
    """Raise click's own error for a command, or an option of it, that is not there; arguments may be left out."""
    command: click.Command = cli
    rest = words
    context = click.Context(cli, info_name="hostess")
    while isinstance(command, click.Group):
        while rest and rest[0].startswith("-"):  # options for any command
            rest = rest[1:] if "=" in rest[0] or rest[0] in {"--version", "--help", "-h"} else rest[2:]
        if not rest or rest[0].isupper():  # `hostess COMMAND --help`
            return
        inner = command.get_command(context, rest[0])
        if inner is None and command.name == "connect" and not rest[0].startswith("-"):  # `connect SERVICE`
            inner = command.get_command(context, "to")
            rest = ["to", *rest]
        if inner is None:
            raise click.UsageError(f"there is no {rest[0]}")
        context = click.Context(inner, parent=context, info_name=rest[0])
        command, rest = inner, rest[1:]
        if command.name in OWN_PARSER:
            return
    check_options(command, rest)


def check_options(command: click.Command, words: list[str]) -> None:
    """Raise click's own error for an option that a command does not have."""
    given = [param for param in command.params if isinstance(param, click.Option)]
    known = {name for param in given for name in (*param.opts, *param.secondary_opts)} | {
        "--help",
        "-h",
        "--url",
        "--token",
    }
    for word in words[: words.index("--")] if "--" in words else words:
        name = word.partition("=")[0]
        if re.fullmatch(r"--[a-z-]+|-[a-zA-Z]", name) and name not in known:
            raise click.UsageError(f"{command.name} has no {name}")


def wrong(text: str) -> list[str]:
    """Return the commands of a text that the command line does not take, and why."""
    found = []
    for line in commands(text):
        try:
            words = shlex.split(line)[1:]
        except ValueError:  # a quote that goes on after what was left out
            words = line.split()[1:]
        try:
            check(words)
        except click.UsageError as error:
            found.append(f"{line}: {error.message}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_commands_that_there_are(page: Path) -> None:
    """In the README and each page of the guide."""
    assert wrong(page.read_text(encoding="utf-8")) == []


def test_remedies_name_commands_that_there_are() -> None:
    """In what Hostess itself says: errors, events, help."""
    sources = [path for folder in ("daemon", "proxy", "hooks") for path in sorted((ROOT / folder).rglob("*.py"))]
    told = [f"{path.relative_to(ROOT)}: {each}" for path in sources for each in wrong(path.read_text(encoding="utf-8"))]

    assert told == []


def test_a_wrong_one_is_found() -> None:
    """The check itself sees what is not there."""
    assert (
        len(wrong("`hostess dance`, `hostess backups dance database`, `hostess status --dance`, `hostess ps -X`")) == 4
    )
    assert wrong("`hostess backups restore database --to MOMENT`, `hostess run api -- python -c x --anything`") == []
