"""The reference page of the command line is what the commands say."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hostess.cli.main import cli

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "cli.md"


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield all commands that do something, by what is typed."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from commands(command, inner)
        elif not command.hidden:
            yield inner.command_path, command


EACH = dict(commands(cli, click.Context(cli, info_name="hostess")))


def test_the_page_is_what_the_commands_say() -> None:
    """The page in the repository equals what scripts/reference writes."""
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "cli_page.py"], capture_output=True, check=True, text=True, timeout=60
    )

    assert PAGE.read_text(encoding="utf-8") == made.stdout, "run scripts/reference"


@pytest.mark.parametrize("path", EACH)
def test_each_command_is_on_it_with_an_example(path: str) -> None:
    """Its heading, one sentence or more, and an example."""
    command = EACH[path]
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {path}\n")[1].split("\n## ")[0]

    assert command.help
    assert command.help.split(".")[0].split("\n")[0] in section
    assert "hostess " in (command.epilog or "").partition("Example:")[2]
