"""Options that many commands share, spelt once."""

import functools
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click

from hostess.cli.client import Client, path_of
from hostess.cli.failure import USAGE, Failure
from hostess.cli.server import find_server

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])

_NAME = re.compile(r"""^name:\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^#\s"'][^#\n]*))""", re.MULTILINE)
_REMOTE = re.compile(r"/([a-z][a-z0-9-]{0,61}[a-z0-9])\.git/?$")

project = click.option(
    "--project", "-p", help="Project; by default the name in ./hostess.yml, or of the remote hostess."
)
environment = click.option("--env", "-e", "environment", default="production", show_default=True, help="Environment.")
any_environment = click.option("--env", "-e", "environment", help="Only this environment.")
needed_environment = click.option("--env", "-e", "environment", required=True, help="Environment.")
set_env = click.option("--set-env", multiple=True, metavar="KEY=VALUE", help="Another value for this run; repeatable.")
form = click.option(
    "--format", "-o", "form", type=click.Choice(["table", "json"]), default="table", help="How to print: table or json."
)
force = click.option("--force", "-f", is_flag=True, help="Do not ask.")


def connected(command: Callable[Concatenate[Client, P], R]) -> Callable[P, R]:
    """Give a command a client of the daemon, and the options that choose which."""

    @which_server
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        client = Client(find_server(*given_server(kwargs.pop("url"), kwargs.pop("token"))))
        return command(client, *args, **kwargs)

    return wrapped


def which_server(command: F) -> F:
    """Add the options that choose the daemon; `given_server` reads them."""
    for name, what in (("--token", "Access token (HOSTESS_TOKEN)"), ("--url", "The daemon's URL (HOSTESS_URL)")):
        command = click.option(name, help=f"{what}; by default the saved login's.")(command)
    return command


def given_server(url: object, token: object) -> tuple[str, str]:
    """Return URL and token as given to the command, else to `hostess` itself, else in the environment; "" for none."""
    above = click.get_current_context().find_root().params
    return str(url or above.get("url") or ""), str(token or above.get("token") or "")


def chosen_project(given: str | None) -> str:
    """Return the project that is meant; Failure when nothing tells."""
    found = known_project(given)
    if found is None:
        raise Failure(
            "no project was given, and neither ./hostess.yml nor a git remote called hostess tells one",
            exit_code=USAGE,
            remedy="add --project NAME (`hostess projects list` shows the names)",
        )
    return found


def known_project(given: str | None) -> str | None:
    """Return the project given, else the name in ./hostess.yml, else that of the git remote "hostess", else None."""
    return given or _name_in_file(Path("hostess.yml")) or _name_of_remote()


def place(project: str | None, environment: str, *rest: str) -> str:
    """Return the API path of something in an environment of the project that is meant."""
    return path_of("projects", chosen_project(project), "environments", environment, *rest)


def variables(given: Sequence[str]) -> dict[str, str]:
    """Return KEY=VALUE words as a dict; Failure for a word of another form."""
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise Failure(f"{name} is not of the form KEY=VALUE", exit_code=USAGE, remedy="write it like DEBUG=1")
        found[name] = value
    return found


def typed(question: str) -> str:
    """Return a secret: typed in at a terminal without being shown, else read from standard input (one newline at its end is cut)."""
    if sys.stdin.isatty():
        answer: str = click.prompt(question, hide_input=True, err=True)
        return answer
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def confirm(question: str, *, force: bool) -> None:
    """Go on only when a person types yes (or forced); Failure otherwise."""
    if force:
        return
    try:
        answer = click.prompt(f"{question} Type yes to go on", default="", show_default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        answer = ""
    if answer.strip() != "yes":
        raise Failure("nothing was done", remedy="type yes, or give --force")


def _name_in_file(path: Path) -> str | None:
    try:
        found = _NAME.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    if found is None:
        return None
    from hostess.domain.names import slug

    return slug(next(group for group in found.groups() if group is not None).strip()) or None


def _name_of_remote() -> str | None:
    try:
        asked = subprocess.run(
            ["git", "remote", "get-url", "hostess"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _REMOTE.search(asked.stdout.strip())
    return found[1] if found else None
