"""hostess maintenance ..., hostess pause and hostess resume."""

from typing import Any
from urllib.parse import urlencode

import click

from hostess.cli import options
from hostess.cli.client import Client, Json
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_json, show_table


@click.group(cls=Aliased)
def maintenance() -> None:
    """Answer requests with a page that says "come back later". It holds until `off`, whatever is deployed meanwhile."""


@example("hostess maintenance on", 'hostess maintenance on api --message "New database, back at 9" --allow 203.0.113.7')
@maintenance.command("on")
@click.argument("service", default="")
@click.option("--message", default="", help="What the page says; by default that the site is being worked on.")
@click.option("--retry-after", type=click.IntRange(1, 86_400), help="Seconds to come back in. Default: 60.")
@click.option("--allow", multiple=True, metavar="NETWORK", help="Clients that still come through; repeatable.")
@options.project
@options.environment
@options.form
@options.connected
def on(client: Client, /, service: str, project: str | None, environment: str, form: str, **given: Any) -> None:  # noqa: ANN401 -- the options
    """Begin maintenance of SERVICE, by default of all services of the environment.

    Requests are answered with 503, Retry-After and a page, at the path of a health check with 200. A deployment, restart or rollback
    goes on behind it, and does not end it.
    """
    body = {"service": service, **{name: value for name, value in given.items() if value}}
    _shown(client.send("PUT", options.place(project, environment, "maintenance"), body), form)


@example("hostess maintenance off", "hostess maintenance off api")
@maintenance.command("off")
@click.argument("service", default="")
@options.project
@options.environment
@options.form
@options.connected
def off(client: Client, service: str, project: str | None, environment: str, form: str) -> None:
    """End the maintenance of SERVICE, by default all of it in the environment."""
    _shown(_ended(client, options.place(project, environment, "maintenance"), service), form)


@example("hostess maintenance status -e staging")
@maintenance.command("status")
@options.project
@options.environment
@options.form
@options.connected
def status(client: Client, project: str | None, environment: str, form: str) -> None:
    """Show what is in maintenance or paused, since when and by whom."""
    _shown(client.get(options.place(project, environment, "closures")), form)


@example("hostess pause", "hostess pause api --seconds 60 && ./move-the-data && hostess resume api")
@click.command()
@click.argument("service", default="")
@click.option("--seconds", type=click.IntRange(1, 600), help="It ends by itself after so long. Default: 30.")
@click.option(
    "--requests", type=click.IntRange(1, 100_000), help="So many wait, in each worker of the proxy. Default: 1000."
)
@options.project
@options.environment
@options.form
@options.connected
def pause(client: Client, /, service: str, project: str | None, environment: str, form: str, **given: Any) -> None:  # noqa: ANN401 -- the options
    """Let requests to SERVICE wait, by default to all services of the environment.

    What is in flight goes on; what comes is held until `hostess resume`, or until the time is over: then it is answered as ever.
    """
    body = {"service": service, **{name: value for name, value in given.items() if value}}
    _shown(client.send("PUT", options.place(project, environment, "pause"), body), form)


@example("hostess resume", "hostess resume api")
@click.command()
@click.argument("service", default="")
@options.project
@options.environment
@options.form
@options.connected
def resume(client: Client, service: str, project: str | None, environment: str, form: str) -> None:
    """End a pause: the requests that wait are answered."""
    _shown(_ended(client, options.place(project, environment, "pause"), service), form)


def _ended(client: Client, path: str, service: str) -> Json:
    return client.send("DELETE", f"{path}?{urlencode({'service': service})}" if service else path)


def _shown(found: dict[str, Any], form: str) -> None:
    if form == "json":
        show_json(found["items"])
        return
    show_table(
        ("WHAT", "SERVICE", "SINCE", "BY", "UNTIL", "ALLOWED", "MESSAGE"),
        [
            (
                each["kind"],
                each["service"] or "(all)",
                ago(each["since"]),
                each["actor"],
                each["until"] or "it is ended",
                ", ".join(each["allow"]),
                each["message"],
            )
            for each in found["items"]
        ],
        empty="nothing is in maintenance or paused",
    )
