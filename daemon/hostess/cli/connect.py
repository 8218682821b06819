"""hostess connect ..."""

import shlex
import sys
from urllib.parse import urlencode

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import Aliased, example


class Connect(Aliased):
    """`hostess connect SERVICE` is a command of its own beside `connect shell SERVICE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take what names no command for the words of a tunnel."""
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "to", self.commands["to"], args


@click.group(cls=Connect, context_settings={"ignore_unknown_options": True})
def connect() -> None:
    """Reach a service from here: `connect SERVICE` opens a local port that leads to it, `connect shell SERVICE` a terminal in it."""


@example("hostess connect database", "hostess connect database --database api --local-port 6000")
@connect.command("to", hidden=True)
@click.argument("service")
@options.project
@options.environment
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the service; by default its first.")
@click.option(
    "--local-port", "-l", type=click.IntRange(0, 65535), help="Port here; by default the same, or one of the next."
)
@click.option("--database", "group", default="", help="Which scoped database; by default the first.")
@options.form
@options.connected
def to(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    service: str,
    project: str | None,
    environment: str,
    port: int | None,
    local_port: int | None,
    group: str,
    form: str,
) -> None:
    """Open a local port that leads to SERVICE, until this command is interrupted."""
    place = options.place(project, environment, "services", service)
    found = client.get(f"{place}/reach", group=group)
    remote = port or found["port"]
    path = f"{place}/tunnel?{urlencode({'port': remote})}"
    # Only now: other commands load faster without these.
    import asyncio

    from hostess.cli.tunnels import tunnels

    asyncio.run(tunnels(client, path, (local_port, remote), found, form))


@example("hostess connect shell database", "hostess connect shell api -c 'python manage.py shell'")
@connect.command("shell")
@click.argument("service")
@options.project
@options.environment
@click.option("--command", "-c", help="What to run, as words of a shell; by default psql, redis-cli or /bin/sh.")
@options.connected
def shell(client: Client, service: str, project: str | None, environment: str, command: str | None) -> None:
    """Run a command in a container of SERVICE and talk to it; its exit code is the exit code."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    from hostess.cli.terminals import run_inside

    place = options.place(project, environment, "services", service)
    run_inside(client, place, shlex.split(command or ""), has_terminal=has_terminal)
