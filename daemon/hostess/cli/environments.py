"""hostess environments ..."""

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_json, show_table


@click.group(cls=Aliased)
def environments() -> None:
    """Look at the environments of a project."""


@example("hostess environments list -p shop")
@environments.command("list")
@options.project
@options.form
@options.connected
def list_(client: Client, project: str | None, form: str) -> None:
    """List the environments of a project; a first push to one of its branches makes it."""
    found = client.get(path_of("projects", options.chosen_project(project), "environments"))["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("NAME", "RELEASE", "CREATED"),
        [(e["name"], f"v{e['release']}" if e["release"] else "none", ago(e["created_at"])) for e in found],
        empty="no environments yet: `git push hostess main` makes production",
    )
