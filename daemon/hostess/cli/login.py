"""hostess login, logout and whoami."""

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_fields, show_json, tell
from hostess.cli.server import find_server, local_url, login_file, save_login, saved_login


@example("hostess login --url https://hostess.example.com")
@click.command()
@options.which_server
def login(url: str | None, token: str | None) -> None:
    """Sign in with a token and remember it (in ~/.config/hostess/config.json, for this user only)."""
    given, text = options.given_server(url, token)
    chosen = given or _url_of_before() or local_url()
    text = text or options.typed(f"Token for {chosen}")
    if not text.strip():
        raise Failure("no token was given", exit_code=USAGE, remedy="type it in, or pipe it: `hostess login < FILE`")
    server = find_server(chosen, text)
    identity = Client(server).get("/v1/whoami")
    path = save_login(server)
    click.echo(f"signed in at {server.url} as {identity['name']} ({identity['role']})")
    tell(f"saved in {path}; to let git use it, too:")
    tell(f"  git config --global credential.{server.url}.helper '!hostess git-credential'")


def _url_of_before() -> str:
    """Return the URL of the saved login, "" where there is none that can be read: this one takes its place."""
    try:
        saved = saved_login()
    except Failure:
        return ""
    return saved.url if saved else ""


@example("hostess logout")
@click.command()
def logout() -> None:
    """Forget the saved login."""
    if not login_file().exists():
        tell("nobody was signed in")
        return
    login_file().unlink()
    click.echo("signed out; the token itself still works: `hostess tokens revoke` ends it")


@example("hostess whoami")
@click.command()
@options.form
@options.connected
def whoami(client: Client, form: str) -> None:
    """Show who the daemon takes you for."""
    found = client.get("/v1/whoami")
    if form == "json":
        show_json(found)
        return
    show_fields(
        [
            ("Name", found["name"]),
            ("Role", found["role"]),
            ("Projects", ", ".join(found["projects"]) or "all"),
            ("Expires", found["expires_at"]),
            ("Server", client.server),
        ]
    )
