"""hostess webhook ..."""

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_fields, show_json, tell


@click.group(cls=Aliased)
def webhook() -> None:
    """Deploy what is pushed to a forge: GitHub, GitLab, Gitea, Forgejo."""


@example("hostess webhook set https://github.com/me/shop.git -p shop")
@webhook.command("set")
@click.argument("repository")
@click.option(
    "--user",
    "-u",
    default="",
    help="Who reads a private repository; the password is asked for, or read from standard input.",
)
@options.project
@options.form
@options.connected
def set_(client: Client, repository: str, user: str, project: str | None, form: str) -> None:
    """Fetch from the repository at this URL when its forge says that somebody pushed, and deploy it as `git push` would.

    Prints what the forge must be told: an address and a secret, which is shown once.
    """
    given = {
        "url": repository,
        "user": user,
        "password": options.typed(f"Password (or access token) for {repository}") if user else "",
    }
    made = client.send("PUT", path_of("projects", options.chosen_project(project), "webhook"), given)
    if form == "json":
        show_json(made)
        return
    show_fields([("address", _address(client, made)), ("secret", made["secret"]), ("content type", "application/json")])
    tell(
        "give these to the forge, for push events (GitLab: the secret is its secret token); the secret is not shown again"
    )


@example("hostess webhook show -p shop")
@webhook.command("show")
@options.project
@options.form
@options.connected
def show(client: Client, project: str | None, form: str) -> None:
    """Show which repository a project is deployed from, and where its forge sends events."""
    found = client.get(path_of("projects", options.chosen_project(project), "webhook"))
    if form == "json":
        show_json(found)
        return
    shown = [("repository", found["url"]), ("user", found["user"] or "none"), ("address", _address(client, found))]
    show_fields([*shown, ("since", ago(found["added_at"]))])


@example("hostess webhook remove -p shop")
@webhook.command("remove")
@options.project
@options.connected
def remove(client: Client, project: str | None) -> None:
    """Listen to the forge no longer; what was deployed runs on."""
    name = options.chosen_project(project)
    client.send("DELETE", path_of("projects", name, "webhook"))
    click.echo(f"{name} is no longer deployed from a forge")


def _address(client: Client, found: dict[str, str]) -> str:
    return found["address"] or f"{client.server.url}{found['path']}"
