"""hostess registry ..."""

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_json, show_table


@click.group(cls=Aliased)
def registry() -> None:
    """Where private images come from: registries that the host signs in at."""


@example("hostess registry login ghcr.io -u octocat < token.txt")
@registry.command("login")
@click.argument("host")
@click.option("--user", "-u", required=True, help="Who signs in.")
@click.option(
    "--password", help="The password, or an access token. Process lists show it: a prompt or standard input do not."
)
@options.form
@options.connected
def login(client: Client, host: str, user: str, password: str | None, form: str) -> None:
    """Sign in at HOST, for images of services and for those that builds begin with.

    The password is prompted for, or read from standard input. It is tried at once, and kept sealed.
    """
    said = client.send("PUT", path_of("registries", host), {"user": user, "password": _password(host, password)})
    if form == "json":
        show_json(said)
        return
    click.echo(f"signed in at {said['host']} as {said['user']}")


@example("hostess registry list")
@registry.command("list")
@options.form
@options.connected
def list_(client: Client, form: str) -> None:
    """List the registries that the host signs in at; passwords are not shown."""
    found = client.get("/v1/registries")["items"]
    if form == "json":
        show_json(found)
        return
    show_table(("HOST", "USER", "SINCE"), [(each["host"], each["user"], ago(each["added_at"])) for each in found])


@example("hostess registry logout ghcr.io")
@registry.command("logout")
@click.argument("host")
@options.connected
def logout(client: Client, host: str) -> None:
    """Forget how to sign in at HOST; images that are on the host stay."""
    client.send("DELETE", path_of("registries", host))
    click.echo(f"signed out of {host}")


def _password(host: str, given: str | None) -> str:
    return options.typed(f"Password for {host}") if given is None else given
