"""hostess services exec."""

import sys

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example


@example("hostess services exec api -- python manage.py check", "hostess services exec database -- df -h")
@click.command("exec")
@click.argument("service")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@options.project
@options.environment
@click.option("--no-tty", "-T", is_flag=True, help="No terminal for it, although there is one here.")
@options.connected
def execute(
    client: Client,
    service: str,
    command: tuple[str, ...],
    project: str | None,
    environment: str,
    no_tty: bool,  # noqa: FBT001 -- click's
) -> None:
    """Run COMMAND in a container of SERVICE that runs; what it reads is typed here, its exit code is the exit code.

    It ends with this command. `hostess run` takes a new container instead, `hostess connect shell` opens a client or a shell.
    """
    has_terminal = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    from hostess.cli.terminals import run_inside

    place = options.place(project, environment, "services", service)
    run_inside(client, place, command, has_terminal=has_terminal)
