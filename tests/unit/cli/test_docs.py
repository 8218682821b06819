"""The two reference pages name everything there is, and nothing else."""

import re
from pathlib import Path

import click

from hostess.cli.main import cli
from hostess.doors.api.app import OPERATIONS

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_the_api_is_complete() -> None:
    """docs/api.md lists exactly the operations of the table."""
    page = (DOCS / "api.md").read_text(encoding="utf-8")

    listed = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(f"{operation.method} {operation.path}" for operation in OPERATIONS)


def test_the_page_of_the_command_line_is_complete() -> None:
    """docs/cli.md names every command and every command of a group."""
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    cells = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `hostess ")]
    context = click.Context(cli)

    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        own = " ".join(cell for cell in cells if f"hostess {name}" in cell or f"`{name}`" in cell)
        assert own, name
        for inner in command.list_commands(context) if isinstance(command, click.Group) else ():
            assert re.search(rf"\b{inner}\b", own), f"{name} {inner}"
