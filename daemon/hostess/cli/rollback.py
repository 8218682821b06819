"""hostess rollback."""

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import USAGE, Failure
from hostess.cli.following import carried_out
from hostess.cli.groups import example


@example("hostess rollback v12 -p shop")
@click.command()
@click.argument("release", required=False)
@options.project
@options.environment
@options.form
@options.connected
def rollback(client: Client, release: str | None, project: str | None, environment: str, form: str) -> None:
    """Go back to RELEASE (v12 or 12), by default to the one that was live before.

    Nothing is built and no migration runs: the database stays as the newer release left it.
    """
    body = {} if release is None else {"release": _number(release)}
    place = path_of("projects", options.chosen_project(project), "environments", environment, "rollback")
    carried_out(client, client.send("POST", place, body), form)


def _number(text: str) -> int:
    digits = text.removeprefix("v")
    if not (digits.isascii() and digits.isdigit() and int(digits) > 0):
        raise Failure(f"{text} is not a release such as v12", exit_code=USAGE, remedy="`hostess ls` shows the releases")
    return int(digits)
