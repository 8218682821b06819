"""hostess secrets ..."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import CONFLICT, Failure
from hostess.cli.groups import example
from hostess.cli.output import ago, show_json, show_table, tell
from hostess.cli.secret_files import HIDDEN, diff, sync

envs = click.option("--envs", multiple=True, help="Only these environments, comma separated or repeated.")
value = click.option(
    "--value", help="The value. Process lists and shell histories show it: better leave it out and type or pipe it in."
)


class _Group(click.Group):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name or an alias."""
        return super().get_command(ctx, {"list": "get", "ls": "get", "rm": "delete"}.get(cmd_name, cmd_name))


@click.group(cls=_Group)
def secrets() -> None:
    """Keep passwords and keys out of the code; hostess.yml refers to them as ${secret:NAME}."""


secrets.add_command(sync)
secrets.add_command(diff)


@example("hostess secrets get STRIPE_KEY --show-values -p shop")
@secrets.command("get")
@click.argument("names", nargs=-1)
@options.project
@envs
@click.option("--show-values", is_flag=True, help="Show the values, too.")
@options.form
@options.connected
def get(
    client: Client,
    names: tuple[str, ...],
    project: str | None,
    envs: tuple[str, ...],
    show_values: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """List secrets by environment; values are hidden unless asked for."""
    path = path_of("projects", options.chosen_project(project), "secrets")
    found = client.get(path, environments=_split(envs), names=names, values=show_values)["items"]
    if form == "json":
        show_json(found)
        return
    if not found:
        tell("no secrets yet: `hostess secrets add NAME`")
    for number, (environment, several) in enumerate(groupby(found, key=lambda secret: secret["environment"])):
        click.echo(f"{chr(10) if number else ''}{environment}")
        show_table(
            ("KEY", "VALUE", "VERSION", "CHANGED"),
            [(s["name"], s["value"] if show_values else HIDDEN, s["version"], ago(s["changed_at"])) for s in several],
        )


@example("openssl rand -hex 32 | hostess secrets add SESSION_KEY -p shop")
@secrets.command("add")
@click.argument("name")
@value
@options.project
@envs
@options.form
@options.connected
def add(client: Client, name: str, value: str | None, project: str | None, envs: tuple[str, ...], form: str) -> None:
    """Add a secret to all environments, or those given; where it is there already it is left alone."""
    outcomes = _added(client, options.chosen_project(project), name, _value(name, value), _split(envs))
    _show(name, outcomes, form)
    if not any(outcome["outcome"] == "added" for outcome in outcomes):
        raise Failure(
            f"{name} is there already", exit_code=CONFLICT, remedy=f"change it with `hostess secrets edit {name}`"
        )


@example("hostess secrets edit STRIPE_KEY -p shop --envs staging")
@secrets.command("edit")
@click.argument("name")
@value
@options.project
@envs
@options.form
@options.connected
def edit(client: Client, name: str, value: str | None, project: str | None, envs: tuple[str, ...], form: str) -> None:
    """Give a secret another value, wherever it is or in the environments given.

    What runs keeps the old value until the next deployment or `hostess services restart`.
    """
    path = path_of("projects", options.chosen_project(project), "secrets", name)
    body = {"value": _value(name, value), "environments": list(_split(envs))}
    _show(name, client.send("PUT", path, body)["items"], form)


@example("hostess secrets set STRIPE_KEY -p shop < key.txt")
@secrets.command("set")
@click.argument("name")
@value
@options.project
@envs
@options.form
@options.connected
def set_(client: Client, name: str, value: str | None, project: str | None, envs: tuple[str, ...], form: str) -> None:
    """Add a secret, and change it where it is there already."""
    chosen, text = options.chosen_project(project), _value(name, value)
    outcomes = _added(client, chosen, name, text, _split(envs))
    kept = [outcome["environment"] for outcome in outcomes if outcome["outcome"] == "kept"]
    if kept:
        changed = client.send(
            "PUT", path_of("projects", chosen, "secrets", name), {"value": text, "environments": kept}
        )
        outcomes = [o for o in outcomes if o["outcome"] != "kept"] + changed["items"]
    _show(name, outcomes, form)


@example("hostess secrets delete OLD_KEY -p shop")
@secrets.command("delete")
@click.argument("name")
@options.project
@envs
@options.force
@options.form
@options.connected
def delete(
    client: Client,
    name: str,
    project: str | None,
    envs: tuple[str, ...],
    force: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Delete a secret wherever it is, or in the environments given."""
    chosen = options.chosen_project(project)
    where = f" in {', '.join(_split(envs))}" if envs else " in all environments"
    options.confirm(f"This deletes the secret {name} of {chosen}{where}.", force=force)
    query = f"?environments={','.join(_split(envs))}" if envs else ""
    _show(name, client.send("DELETE", path_of("projects", chosen, "secrets", name) + query)["items"], form)


def _added(client: Client, project: str, name: str, text: str, envs: tuple[str, ...]) -> list[dict[str, Any]]:
    body = {"name": name, "value": text, "environments": list(envs)}
    found: list[dict[str, Any]] = client.send("POST", path_of("projects", project, "secrets"), body)["items"]
    return found


def _show(name: str, outcomes: list[dict[str, Any]], form: str) -> None:
    if form == "json":
        show_json(outcomes)
        return
    for outcome in outcomes:
        click.echo(f"{outcome['environment']}: {name} {_WORDS[outcome['outcome']]}")
    if any(outcome["outcome"] in {"changed", "deleted"} for outcome in outcomes):
        tell("what runs keeps its value until the next deployment or `hostess services restart`")


_WORDS: Mapping[str, str] = {
    "added": "added",
    "kept": "is there already and was left alone",
    "changed": "changed",
    "deleted": "deleted",
}


def _value(name: str, given: str | None) -> str:
    return options.typed(f"Value of {name}") if given is None else given


def _split(envs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for text in envs for part in text.split(",") if part.strip())
