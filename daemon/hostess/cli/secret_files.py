"""hostess secrets sync, diff: the secrets of an environment beside a file, or beside those of another environment."""

import os
import re
from pathlib import Path
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import NOT_FOUND, USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_json, show_table, tell

HIDDEN = "********"
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})

environment = click.option("--env", "-e", "environment", required=True, help="Environment.")
file = click.option(
    "--file",
    default=".env",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file, of NAME=value lines.",
)


@click.group()
def sync() -> None:
    """Bring the secrets of an environment from a file, or into one."""


@example("hostess secrets sync push -e staging -p shop", "hostess secrets sync push -e production --file prod.env")
@sync.command("push")
@environment
@file
@options.project
@options.form
@options.connected
def push(client: Client, environment: str, file: Path, project: str | None, form: str) -> None:
    """Add and change what the file names; secrets that it does not name stay as they are.

    What runs keeps its values until the next deployment or `hostess services restart`.
    """
    path, wanted = path_of("projects", options.chosen_project(project), "secrets"), _read(file)
    there = _values(client, path, environment)
    done: dict[str, list[str]] = {"added": [], "changed": [], "unchanged": []}
    for name, value in wanted.items():
        if there.get(name) == value:
            done["unchanged"].append(name)
        elif name in there:
            client.send("PUT", f"{path}/{name}", {"value": value, "environments": [environment]})
            done["changed"].append(name)
        else:
            client.send("POST", path, {"name": name, "value": value, "environments": [environment]})
            done["added"].append(name)
    if form == "json":
        show_json(done)
        return
    for what in ("added", "changed"):
        for name in done[what]:
            click.echo(f"{environment}: {name} {what}")
    tell(", ".join(f"{len(names)} {what}" for what, names in done.items()) + f"; {len(wanted)} in {file}")
    if done["changed"]:
        tell("what runs keeps its values until the next deployment or `hostess services restart`")


@example("hostess secrets sync pull -e staging -p shop")
@sync.command("pull")
@environment
@file
@options.project
@options.connected
def pull(client: Client, environment: str, file: Path, project: str | None) -> None:
    """Write the secrets of an environment to the file, in the place of what it has; only its owner can read it.

    It holds the values in clear: keep it out of git.
    """
    path = path_of("projects", options.chosen_project(project), "secrets")
    found = _values(client, path, environment)
    text = "".join(f"{name}={quoted(name, value)}\n" for name, value in sorted(found.items()))
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Failure(f"{file} could not be written: {error.strerror}", serving="what it had") from error
    tell(f"{len(found)} secrets of {environment} are in {file}")


@example("hostess secrets diff staging production -p shop")
@click.command()
@click.argument("first")
@click.argument("second")
@options.project
@click.option("--show-values", is_flag=True, help="Show the values, too.")
@options.form
@options.connected
def diff(
    client: Client,
    first: str,
    second: str,
    project: str | None,
    show_values: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Tell which secrets two environments have, alone or both, with equal values or not."""
    path = path_of("projects", options.chosen_project(project), "secrets")
    left, right = _values(client, path, first), _values(client, path, second)
    found = [
        {"name": name, "difference": _difference(name, left, right), **_shown(name, left, right, show_values)}
        for name in sorted(left | right)
    ]
    if form == "json":
        show_json(found)
        return
    words = {"first": f"only in {first}", "second": f"only in {second}"}
    rows = [
        (each["name"], words.get(each["difference"], each["difference"]), *_columns(each, show_values))
        for each in found
    ]
    show_table(
        ("KEY", "DIFFERENCE", *((first.upper(), second.upper()) if show_values else ())),
        rows,
        empty="neither has a secret",
    )


def quoted(name: str, value: str) -> str:
    """Return a value as a file of NAME=value lines has it; Failure for one that no such file can hold."""
    if "\0" in value:
        raise Failure(f"the value of {name} holds a NUL character, which no such file can", exit_code=USAGE)
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\r" not in value:
        return f"'{value}'"
    return f'"{value.translate(_ESCAPED)}"'


def _read(file: Path) -> dict[str, str]:
    from hostess.domain.docker_compose.dotenv import parse_dotenv
    from hostess.domain.problem import Problem

    try:
        return parse_dotenv(file.read_text(encoding="utf-8"), str(file))
    except FileNotFoundError as error:
        raise Failure(f"there is no {file}", exit_code=NOT_FOUND, remedy="name the file with --file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {error}", exit_code=USAGE) from error
    except Problem as problem:
        raise Failure(f"{problem.place}: {problem.what}", exit_code=USAGE, remedy=problem.remedy) from problem


def _values(client: Client, path: str, environment: str) -> dict[str, str]:
    items = client.get(path, environments=(environment,), values=True)["items"]
    return {item["name"]: item["value"] for item in items}


def _difference(name: str, left: dict[str, str], right: dict[str, str]) -> str:
    if name not in right:
        return "first"
    if name not in left:
        return "second"
    return "identical" if left[name] == right[name] else "different"


def _shown(name: str, left: dict[str, str], right: dict[str, str], show: bool) -> dict[str, Any]:  # noqa: FBT001 -- a flag of the command
    return {"values": [left.get(name), right.get(name)]} if show else {}


def _columns(each: dict[str, Any], show: bool) -> tuple[str, ...]:  # noqa: FBT001 -- a flag of the command
    return tuple(value or "" for value in each["values"]) if show else ()
