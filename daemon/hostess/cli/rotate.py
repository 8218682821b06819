"""hostess services rotate."""

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.following import carried_out
from hostess.cli.groups import example


@example("hostess services rotate database", "hostess services rotate database --group api")
@click.command("rotate")
@click.argument("service")
@click.option("--group", default="", help="Only the password of this scoped database; all of the service unless given.")
@options.project
@options.environment
@options.form
@options.connected
def rotate(client: Client, service: str, group: str, project: str | None, environment: str, form: str) -> None:
    """Give SERVICE, a postgres or redis, new passwords, and replace its consumers' containers, without a lost request.

    The passwords of before are taken until nobody runs with them any more; the database is not restarted.
    """
    path = options.place(project, environment, "services", service, "rotation")
    carried_out(client, client.send("POST", path, {"group": group}), form)
