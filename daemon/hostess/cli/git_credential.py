"""hostess git-credential: the saved login, for git (gitcredentials(7))."""

import os
import sys

import click

from hostess.cli.groups import example
from hostess.cli.server import Server, same_place, saved_login, whole_token


@example("git config --global credential.https://hostess.example.com.helper '!hostess git-credential'")
@click.command()
@click.argument("operation", type=click.Choice(["get", "store", "erase"]))
def git_credential(operation: str) -> None:
    """Hand the saved login to git, so that no URL holds a token."""
    asked = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin if "=" in line)
    if operation != "get":
        return  # what `hostess login` saved is neither replaced nor forgotten on git's word
    where = f"{asked.get('protocol', '')}://{asked.get('host', '')}"
    for login in _logins():
        if login.token and same_place(login.url, where):
            click.echo(f"username=hostess\npassword={login.token}")
            return


def _logins() -> list[Server]:
    given = Server(os.environ.get("HOSTESS_URL", ""), whole_token(os.environ.get("HOSTESS_TOKEN", "")))
    saved = saved_login()
    return [given, saved] if saved else [given]
