"""Prints the reference page of the command line, from the commands themselves. scripts/reference writes it to docs/reference/cli.md."""

import inspect
import sys
from collections.abc import Iterator

import click

from hostess.cli.main import ALIASES, cli

INTRODUCTION = """\
# Commands

<!-- Made by scripts/reference from the commands. Change those, not this page. -->

Each as `hostess COMMAND --help` tells it. What holds for all of them (which daemon, which project, formats, exit codes) is in
[the command line](../cli.md). `--help` (`-h`) is an option of each, and `--url` and `--token` are options of each that asks a daemon.

"""

FOR_ALL = frozenset({"url", "token"})


def blocks() -> Iterator[str]:
    """Yield the page, block by block."""
    context = click.Context(cli, info_name="hostess")
    yield from described(cli, context)
    yield from walked(cli, context)
    yield "## Aliases\n\n| alias | command |\n|---|---|\n" + "\n".join(
        f"| `hostess {alias}` | `hostess {command}` |" for alias, command in ALIASES.items()
    )


def walked(group: click.Group, context: click.Context) -> Iterator[str]:
    """Yield what is below a group, in its own order."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        yield from described(command, inner)
        if isinstance(command, click.Group):
            yield from walked(command, inner)


def described(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield one command: heading, usage, what it does, its options, an example."""
    path = context.command_path
    yield f"## {path}"
    yield "    " + " ".join([path, *command.collect_usage_pieces(context)])
    if command.help:
        yield inspect.cleandoc(command.help).replace("\b\n", "")
    rows = [
        row for each in command.params if command is cli or each.name not in FOR_ALL if (row := option(each, context))
    ]
    if rows:
        yield "| option | |\n|---|---|\n" + "\n".join(rows)
    if command.epilog:
        yield "\n".join(f"    {line.strip()}" for line in command.epilog.splitlines()[2:])


def option(param: click.Parameter, context: click.Context) -> str:
    """Return the row of an option; "" for an argument, which the usage shows, and for what is hidden."""
    record = param.get_help_record(context)
    if not isinstance(param, click.Option) or record is None:
        return ""
    names, told = (" ".join(each.split()).replace("|", "\\|") for each in record)
    return f"| `{names}` | {told} |"


if __name__ == "__main__":
    sys.stdout.write(INTRODUCTION + "\n\n".join(blocks()) + "\n")
