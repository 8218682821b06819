"""hostess run SERVICE -- COMMAND."""

import json

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import UNREACHABLE, Failure
from hostess.cli.groups import example
from hostess.cli.output import tell

CODES = 256


@example("hostess run api -e staging -- python manage.py createsuperuser --noinput")
@click.command()
@click.argument("service")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@options.project
@options.environment
@options.set_env
@options.connected
def run(
    client: Client,
    service: str,
    command: tuple[str, ...],
    project: str | None,
    environment: str,
    set_env: tuple[str, ...],
) -> None:
    """Run COMMAND once, in a new container with the image and environment of SERVICE; without its volumes.

    Its output is passed on as it comes, its exit code is the exit code. It ends with this command: an interrupt kills it.
    """
    body = {"command": list(command), "env": options.variables(set_env)}
    for event in client.told(options.place(project, environment, "services", service, "run"), body):
        if event.event == "end":
            ended = json.loads(event.data)
            if ended["killed"]:
                tell("killed: it took longer than a command may")
            raise click.exceptions.Exit(ended["exit_code"] % CODES)
        click.echo(event.data, err=event.event == "stderr")
    raise Failure("the daemon stopped before the command ended; the command was stopped with it", exit_code=UNREACHABLE)
