"""hostess keys ..."""

from typing import TextIO

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import USAGE, Failure
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_json, show_table


@click.group(cls=Aliased)
def keys() -> None:
    """Who may push over SSH: public keys of people and machines."""


@example("hostess keys list")
@keys.command("list")
@options.form
@options.connected
def list_(client: Client, form: str) -> None:
    """List keys, with the fingerprints that `ssh-keygen -l` shows."""
    found = client.get("/v1/keys")["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("ID", "NAME", "FINGERPRINT", "ROLE", "PROJECTS", "ADDED", "USED"),
        [
            (
                key["id"],
                key["name"],
                key["fingerprint"],
                key["role"],
                ", ".join(key["projects"]) or "all",
                ago(key["created_at"]),
                ago(key["used_at"]) or "never",
            )
            for key in found
        ],
    )


@example("hostess keys add laptop ~/.ssh/id_ed25519.pub -p shop")
@keys.command("add")
@click.argument("name")
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@click.option(
    "--role",
    type=click.Choice(["owner", "developer", "viewer"]),
    default="developer",
    show_default=True,
    help="What it may do: a viewer can fetch, the others push.",
)
@click.option(
    "--project", "-p", "projects", multiple=True, help="Only for this project (repeatable); by default for all."
)
@options.form
@options.connected
def add(client: Client, name: str, file: TextIO, role: str, projects: tuple[str, ...], form: str) -> None:
    """Take the public key in FILE (by default standard input)."""
    try:
        line = file.read(64 * 1024)
    except UnicodeDecodeError:
        line = ""
    if "PRIVATE KEY" in line or not line.strip():
        raise Failure(
            "this is no public key, and was not sent", exit_code=USAGE, remedy="give the file that ends in .pub"
        )
    made = client.send("POST", "/v1/keys", {"name": name, "key": line, "role": role, "projects": list(projects)})
    if form == "json":
        show_json(made)
        return
    click.echo(f"key {made['id']} for {made['name']} ({made['role']}): {made['fingerprint']}")


@example("hostess keys remove 9f0c3a61b2d4")
@keys.command("remove")
@click.argument("key_id")
@options.force
@options.connected
def remove(client: Client, key_id: str, force: bool) -> None:  # noqa: FBT001 -- click's
    """Let nobody push with a key any more, by its id."""
    options.confirm(f"Whoever uses key {key_id} is locked out at once.", force=force)
    client.send("DELETE", path_of("keys", key_id))
    click.echo(f"key {key_id} is removed")
