"""hostess projects ..."""

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_fields, show_json, show_table, tell

REMOVE_WITHIN = 300.0


@click.group(cls=Aliased)
def projects() -> None:
    """Look at projects, make, describe and delete them."""


@example("hostess projects list")
@projects.command("list")
@options.form
@options.connected
def list_(client: Client, form: str) -> None:
    """List projects."""
    found = client.get("/v1/projects")["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("NAME", "DESCRIPTION", "ENVIRONMENTS", "CREATED"),
        [
            (p["name"], p["description"], ", ".join(e["name"] for e in p["environments"]), ago(p["created_at"]))
            for p in found
        ],
        empty="no projects yet: `git push hostess main` makes one, or `hostess projects create NAME`",
    )


@example("hostess projects create shop", 'hostess projects create shop --description "What we sell"')
@projects.command("create")
@click.argument("name")
@click.option("--description", default="", help="What it is, for people.")
@options.form
@options.connected
def create(client: Client, name: str, description: str, form: str) -> None:
    """Make a project and its repository (a first push does it, too)."""
    made = client.send("POST", "/v1/projects", {"name": name, "description": description})
    if form == "json":
        show_json(made)
        return
    click.echo(f"project {made['name']} was made")
    if client.server.url:
        tell(f"push to it: git remote add hostess {client.server.url}/git/{made['name']}.git && git push hostess main")


@example("hostess projects info shop")
@projects.command("info")
@click.argument("name", required=False)
@options.project
@options.form
@options.connected
def info(client: Client, name: str | None, project: str | None, form: str) -> None:
    """Show a project and its environments."""
    found = client.get(path_of("projects", options.chosen_project(name or project)))
    if form == "json":
        show_json(found)
        return
    show_fields(
        [
            ("Name", found["name"]),
            ("Description", found["description"]),
            ("Created", f"{found['created_at']} ({ago(found['created_at'])})"),
        ]
    )
    for each in found["environments"]:
        live = f"v{each['release']} is live" if each["release"] else "nothing is live"
        click.echo(f"  {each['name']}: {live}")


@example('hostess projects update shop --description "What we sell"')
@projects.command("update")
@click.argument("name")
@click.option("--description", required=True, help="What it is, for people; an empty one takes it away.")
@options.form
@options.connected
def update(client: Client, name: str, description: str, form: str) -> None:
    """Say what a project is. Its name stays: hosts, networks and volumes are called by it."""
    changed = client.send("PATCH", path_of("projects", name), {"description": description})
    if form == "json":
        show_json(changed)
        return
    click.echo(f"{name}: {changed['description'] or 'has no description'}")


@example("hostess projects delete shop")
@projects.command("delete")
@click.argument("name")
@options.force
@options.connected
def delete(client: Client, name: str, force: bool) -> None:  # noqa: FBT001 -- click's
    """Remove a project with everything in it: containers, databases with their data, secrets, releases and repository."""
    found = client.get(path_of("projects", name))
    where = ", ".join(each["name"] for each in found["environments"]) or "no environments"
    options.confirm(f"This removes {name} ({where}) with all its data for good.", force=force)
    tell("removing it ...")
    client.send("DELETE", path_of("projects", name), timeout=REMOVE_WITHIN)
    click.echo(f"project {name} is gone")
