"""hostess lock and hostess unlock."""

from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example
from hostess.cli.output import show_json, tell


@example('hostess lock -m "the move to the new database, until 9"', "hostess lock -e staging")
@click.command()
@click.option("--message", "-m", default="", help="What whoever deploys meanwhile is told.")
@options.project
@options.environment
@options.form
@options.connected
def lock(client: Client, message: str, project: str | None, environment: str, form: str) -> None:
    """Keep pushes, uploads, rollbacks, promotions, upgrades and rotations out of an environment, until `hostess unlock`.

    What is live stays live: it is kept well, restarted and scaled as ever. A deployment that runs goes on; one that waits is refused.
    """
    _shown(client.send("PUT", options.place(project, environment, "lock"), {"message": message}), form)


@example("hostess unlock", "hostess unlock -p shop -e staging")
@click.command()
@options.project
@options.environment
@options.form
@options.connected
def unlock(client: Client, project: str | None, environment: str, form: str) -> None:
    """Let deployments in again, whoever locked the environment."""
    _shown(client.send("DELETE", options.place(project, environment, "lock")), form)


def _shown(found: dict[str, Any], form: str) -> None:
    if form == "json":
        show_json(found)
    elif found["actor"]:
        tell(f"{found['environment']} of {found['project']} is locked by {found['actor']}")
    else:
        tell(f"{found['environment']} of {found['project']} is open for deployments")
