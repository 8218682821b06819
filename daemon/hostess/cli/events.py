"""hostess events."""

import json
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example
from hostess.cli.output import show_json


@example("hostess events --follow -p shop")
@click.command()
@click.option("--project", "-p", help="Only of this project.")
@click.option("--follow", "-f", is_flag=True, help="Go on with each new one.")
@click.option(
    "--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 100), help="How many of the newest."
)
@options.form
@options.connected
def events(client: Client, project: str | None, follow: bool, limit: int, form: str) -> None:  # noqa: FBT001 -- click's
    """Show what happened: deployments, changes of secrets and tokens, and who made them."""
    if follow:
        for event in client.events("/v1/events", project=project, limit=limit):
            _show(json.loads(event.data), event.data if form == "json" else "")
        return
    found = client.get("/v1/events", project=project, limit=limit)["items"]
    if form == "json":
        show_json(found)
        return
    for each in found:
        _show(each, "")


def _show(event: dict[str, Any], raw: str) -> None:
    place = "/".join(part for part in (event["project"], event["environment"]) if part)
    at = event["at"][:19].replace("T", " ")
    remedy = event["data"].get("remedy")
    message = f"{event['message']}; {remedy}" if remedy else event["message"]
    click.echo(raw or "  ".join(part for part in (at, event["kind"], place, message) if part))
