"""hostess services upgrade."""

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import USAGE, Failure
from hostess.cli.following import carried_out
from hostess.cli.groups import example
from hostess.cli.output import show_json

REMOVE_WITHIN = 300.0


@example("hostess services upgrade database --version 18", "hostess services upgrade database --drop-old")
@click.command("upgrade")
@click.argument("service")
@click.option("--version", help="The major (or minor) of PostgreSQL to bring it to.")
@click.option("--drop-old", is_flag=True, help="Delete the data that upgrades have left.")
@options.force
@options.project
@options.environment
@options.form
@options.connected
def upgrade(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    service: str,
    version: str | None,
    drop_old: bool,  # noqa: FBT001 -- click's
    force: bool,  # noqa: FBT001 -- click's
    project: str | None,
    environment: str,
    form: str,
) -> None:
    """Bring SERVICE, a postgres, to a later major: it takes no writes while it is copied, and pauses for seconds at the end.

    The data before is kept in its volume until --drop-old.
    """
    if bool(version) == drop_old:
        raise Failure("one of --version and --drop-old is needed", exit_code=USAGE)
    path = options.place(project, environment, "services", service, "upgrade")
    if version:
        options.confirm(f"{service} takes no writes until this is done.", force=force)
        carried_out(client, client.send("POST", path, {"version": version}), form)
        return
    options.confirm(f"The data of {service} before its upgrades is deleted.", force=force)
    gone = client.send("DELETE", path, timeout=REMOVE_WITHIN)
    if form == "json":
        show_json(gone)
    else:
        click.echo(f"deleted: {', '.join(gone['volumes']) or 'nothing, there was none'}")
