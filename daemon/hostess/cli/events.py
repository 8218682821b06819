"""hostess events and hostess audit."""

import json
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example
from hostess.cli.output import show_json, shown

_KIND = click.option("--kind", "-k", default="", help='Only of this kind, or that begin with it and a dot ("backup").')
_FOLLOW = click.option("--follow", "-f", is_flag=True, help="Go on with each new one.")
_LIMIT = click.option(
    "--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 100), help="How many of the newest."
)


@example("hostess events --follow -p shop", "hostess events -k deployment -n 100")
@click.command()
@click.option("--project", "-p", help="Only of this project.")
@_KIND
@_FOLLOW
@_LIMIT
@options.form
@options.connected
def events(client: Client, project: str | None, kind: str, follow: bool, limit: int, form: str) -> None:  # noqa: FBT001 -- click's
    """Show what happened: deployments, changes of secrets and tokens, and who made them."""
    _told(client, {"project": project, "limit": limit, "kind": kind}, form, follow=follow)


@example("hostess audit", "hostess audit --follow -p shop")
@click.command()
@click.option("--project", "-p", help="Only of this project.")
@_FOLLOW
@_LIMIT
@options.form
@options.connected
def audit(client: Client, project: str | None, follow: bool, limit: int, form: str) -> None:  # noqa: FBT001 -- click's
    """Show who changed what by command or API: deployments, secrets, tokens, domains, locks."""
    _told(client, {"project": project, "limit": limit, "kind": "audit"}, form, follow=follow)


def _told(client: Client, query: dict[str, Any], form: str, *, follow: bool) -> None:
    if follow:
        for event in client.events("/v1/events", **query):
            _show(json.loads(event.data), event.data if form == "json" else "")
        return
    found = client.get("/v1/events", **query)["items"]
    if form == "json":
        show_json(found)
        return
    for each in found:
        _show(each, "")


def _show(event: dict[str, Any], raw: str) -> None:
    place = "/".join(part for part in (event["project"], event["environment"]) if part)
    at = event["at"][:19].replace("T", " ")
    remedy = event["data"].get("remedy")
    text = f"{event['message']}; {remedy}" if remedy else event["message"]
    message = "\n    ".join(map(shown, text.splitlines()))  # of what others have said no line can be taken for an entry
    click.echo(raw or "  ".join(part for part in (at, event["kind"], place, message) if part))
