"""hostess environments ..."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import USAGE, Failure
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_json, show_table, tell

F = TypeVar("F", bound=Callable[..., object])

REMOVE_WITHIN = 300.0
SHORT = 7
SWITCHES = frozenset({"--protected", "--auto-delete", "--ephemeral"})


class Environments(Aliased):
    """The group, with more names for delete."""

    ALIASES = {"ls": "list", "rm": "delete", "remove": "delete"}  # noqa: RUF012 -- as its parent's


class Switches(click.Command):
    """A command whose switches can be written as --protected=false, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Turn --NAME=true and --NAME=false into the switches that click knows."""
        return super().parse_args(ctx, [_switch(word) for word in args])


def _switch(word: str) -> str:
    name, equals, value = word.partition("=")
    if not equals or name not in SWITCHES or value not in {"true", "false"}:
        return word
    return name if value == "true" else f"--no-{name.removeprefix('--')}"


@click.group(cls=Environments)
def environments() -> None:
    """Look at the environments of a project, make, change and delete them."""


def _attributes(command: F) -> F:
    for option in (
        click.option("--protected/--no-protected", default=None, help="It cannot be deleted."),
        click.option("--auto-delete/--no-auto-delete", default=None, help="It is removed when its ttl is over."),
        click.option("--ttl", help="How long after its last deployment: 36h, 7d."),
        click.option("--ephemeral/--no-ephemeral", default=None, help="It and its data are for a short time."),
        click.option(
            "--branches", multiple=True, help="Branches that deploy to it: names or patterns, comma separated."
        ),
    ):
        command = option(command)
    return command


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
        ("NAME", "TYPE", "BRANCHES", "TTL", "PROTECTED", "RELEASE", "CREATED"),
        [
            (
                e["name"],
                e["type"],
                ", ".join(e["branches"]),
                f"{e['ttl'] or ''}{' (auto-delete)' if e['ttl'] and e['auto_delete'] else ''}",
                "yes" if e["protected"] else "no",
                f"v{e['release']}" if e["release"] else "none",
                ago(e["created_at"]),
            )
            for e in found
        ],
        empty="no environments yet: `git push hostess main` makes production",
    )


@example("hostess environments create preview --branches 'feature/*' --ephemeral --ttl 36h")
@environments.command("create", cls=Switches)
@click.argument("name")
@_attributes
@options.project
@options.form
@options.connected
def create(client: Client, /, name: str, project: str | None, form: str, **given: Any) -> None:  # noqa: ANN401 -- the attributes
    """Make an environment before anything is deployed to it; what is said here stands above hostess.yml."""
    _make(client, {"name": name, **_given(given)}, project, form)


@example("hostess environments ensure staging --branches develop")
@environments.command("ensure", cls=Switches)
@click.argument("name")
@_attributes
@options.project
@options.form
@options.connected
def ensure(client: Client, /, name: str, project: str | None, form: str, **given: Any) -> None:  # noqa: ANN401 -- the attributes
    """See to it that an environment is there, with what is said here."""
    _make(client, {"name": name, "ensure": True, **_given(given)}, project, form)


@example("hostess environments update preview --ttl 7d --no-auto-delete")
@environments.command("update", cls=Switches)
@click.argument("name")
@_attributes
@options.project
@options.form
@options.connected
def update(client: Client, /, name: str, project: str | None, form: str, **given: Any) -> None:  # noqa: ANN401 -- the attributes
    """Change what holds for an environment; what is not said stays."""
    body = _given(given)
    if not body:
        raise Failure("nothing was to be changed", exit_code=USAGE, remedy="give at least one option, such as --ttl 7d")
    _shown(client.send("PATCH", options.place(project, name), body), form)


@example("hostess environments delete preview")
@environments.command("delete")
@click.argument("name")
@click.option("--data", is_flag=True, help="Delete permanent data, too.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@options.project
@options.connected
def delete(client: Client, name: str, data: bool, yes: bool, project: str | None) -> None:  # noqa: FBT001 -- click's
    """Remove an environment with its containers, hosts, secrets and history. Permanent data stays unless --data."""
    path = options.place(project, name)
    what = "with ALL its data" if data else "with its secrets and history; permanent data stays"
    options.confirm(f"This removes {name} {what}.", force=yes)
    tell("removing it ...")
    removed = client.send("DELETE", f"{path}?data={str(data).lower()}", timeout=REMOVE_WITHIN)
    click.echo(f"environment {name} is gone")
    for volume in removed["volumes_kept"]:
        tell(f"its data stays in volume {volume}")


@example("hostess environments services staging")
@environments.command("services")
@click.argument("name")
@options.project
@options.form
@options.connected
def services(client: Client, name: str, project: str | None, form: str) -> None:
    """List what is live in an environment, with the commit that it comes from."""
    found = client.get(options.place(project, name, "services"))["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("SERVICE", "STATUS", "SHA", "AGE", "URL"),
        [
            (
                s["name"],
                s["state"],
                s["commit"][:SHORT],
                ago(max((c["started_at"] for c in s["containers"] if c["started_at"]), default=None)),
                (s["urls"] or [""])[0],
            )
            for s in found
        ],
        empty=f"nothing is live in {name} yet",
    )


def _make(client: Client, body: dict[str, Any], project: str | None, form: str) -> None:
    path = path_of("projects", options.chosen_project(project), "environments")
    _shown(client.send("POST", path, body), form)


def _given(given: dict[str, Any]) -> dict[str, Any]:
    branches = [part.strip() for text in given.pop("branches") for part in text.split(",") if part.strip()]
    found = {name: value for name, value in given.items() if value is not None}
    return {**found, "branches": branches} if branches else found


def _shown(found: dict[str, Any], form: str) -> None:
    if form == "json":
        show_json(found)
        return
    said = [found["type"]]
    said += [f"branches {', '.join(found['branches'])}"] if found["branches"] else []
    said += [f"ttl {found['ttl']}{', auto-delete' if found['auto_delete'] else ''}"] if found["ttl"] else []
    said += ["protected"] if found["protected"] else []
    click.echo(f"{found['name']}: {'; '.join(said)}")
