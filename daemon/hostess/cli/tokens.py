"""hostess tokens ..."""

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_json, show_table, tell


@click.group(cls=Aliased)
def tokens() -> None:
    """Who may come in: access tokens of people and machines."""


@example("hostess tokens list")
@tokens.command("list")
@options.form
@options.connected
def list_(client: Client, form: str) -> None:
    """List tokens (never the tokens themselves: only what tells them apart)."""
    found = client.get("/v1/tokens")["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("ID", "NAME", "ROLE", "PROJECTS", "CREATED", "EXPIRES", "USED"),
        [
            (
                t["id"],
                t["name"],
                t["role"],
                ", ".join(t["projects"]) or "all",
                ago(t["created_at"]),
                t["expires_at"] or "never",
                ago(t["used_at"]) or "never",
            )
            for t in found
        ],
    )


@example("hostess tokens create ci --role developer -p shop --expires-in 90d")
@tokens.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["owner", "developer", "viewer"]),
    default="developer",
    show_default=True,
    help="What it may do.",
)
@click.option(
    "--project", "-p", "projects", multiple=True, help="Only for this project (repeatable); by default for all."
)
@click.option("--expires-in", help="A lifetime such as 90d; by default it does not expire.")
@options.form
@options.connected
def create(client: Client, name: str, role: str, projects: tuple[str, ...], expires_in: str | None, form: str) -> None:
    """Make a token and print it; it cannot be shown again."""
    body = {"name": name, "role": role, "projects": list(projects), "expires_in": expires_in}
    made = client.send("POST", "/v1/tokens", body)
    if form == "json":
        show_json(made)
        return
    tell(f"token {made['id']} for {made['name']} ({made['role']}); it is shown only now:")
    click.echo(made["token"])


@example("hostess tokens revoke 9f0c3a61b2d4")
@tokens.command("revoke")
@click.argument("token_id")
@options.force
@options.connected
def revoke(client: Client, token_id: str, force: bool) -> None:  # noqa: FBT001 -- click's
    """Make a token worthless at once, by its id."""
    options.confirm(f"Whoever uses token {token_id} is locked out at once.", force=force)
    client.send("DELETE", path_of("tokens", token_id))
    click.echo(f"token {token_id} is revoked")
