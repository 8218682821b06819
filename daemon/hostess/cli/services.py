"""hostess services ..."""

import json
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import USAGE, Failure
from hostess.cli.following import carried_out
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_json, show_table


@click.group(cls=Aliased)
def services() -> None:
    """Look at what runs, read its logs, restart and scale it."""


@example("hostess ps -p shop -e staging")
@services.command("list")
@options.project
@options.environment
@click.option("--detailed", is_flag=True, help="Show every replica and every URL.")
@options.form
@options.connected
def list_(
    client: Client,
    project: str | None,
    environment: str,
    detailed: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """List the services of the live release."""
    found = client.get(_place(project, environment, "services"))["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("SERVICE", "TYPE", "STATUS", "REPLICAS", "PORTS", "URL"),
        [
            (s["name"], s["type"], _status(s), f"{s['running']}/{s['wanted']}", _ports(s), (s["urls"] or [""])[0])
            for s in found
        ],
        empty="nothing is live here yet: `git push hostess main`",
    )
    for service in found if detailed else ():
        _show_detail(service)


@example("hostess logs api --follow --since 10m")
@services.command("logs")
@click.argument("service")
@options.project
@options.environment
@click.option("--follow", "-f", is_flag=True, help="Go on with each new line, of later replicas too.")
@click.option("--tail", "-n", default=100, show_default=True, type=click.IntRange(0, 10_000), help="Lines per replica.")
@click.option("--since", help="Only lines since then: 30s, 10m, 2h, 1d, or an ISO 8601 time.")
@click.option("--timestamps", "-t", is_flag=True, help="Begin each line with its time.")
@options.form
@options.connected
def logs(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    service: str,
    project: str | None,
    environment: str,
    follow: bool,  # noqa: FBT001 -- click's
    tail: int,
    since: str | None,
    timestamps: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Print what the replicas of SERVICE write."""
    path = _place(project, environment, "services", service, "logs")
    for event in client.events(path, tail=tail, since=since, follow=follow):
        if event.event == "end":
            return
        line = json.loads(event.data)
        if form == "json":
            click.echo(event.data)
        else:
            click.echo(
                " ".join(filter(None, [line["at"] if timestamps else "", f"{line['replica']} |"])) + f" {line['text']}"
            )


@example("hostess services restart api")
@services.command("restart")
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@options.project
@options.environment
@options.form
@options.connected
def restart(client: Client, names: tuple[str, ...], project: str | None, environment: str, form: str) -> None:
    """Replace the containers of services (by default of all but databases), with today's secrets and without a lost request."""
    begun = client.send("POST", _place(project, environment, "restart"), {"services": list(names)})
    carried_out(client, begun, form)


@example("hostess services scale api=3 worker=2")
@services.command("scale")
@click.argument("counts", nargs=-1, required=True, metavar="SERVICE=N...")
@options.project
@options.environment
@options.form
@options.connected
def scale(client: Client, counts: tuple[str, ...], project: str | None, environment: str, form: str) -> None:
    """Change how many replicas services have, until the next deployment."""
    begun = client.send("POST", _place(project, environment, "scale"), {"services": dict(map(_count, counts))})
    carried_out(client, begun, form)


def _place(project: str | None, environment: str, *rest: str) -> str:
    return path_of("projects", options.chosen_project(project), "environments", environment, *rest)


def _count(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not (name and equals and number.isascii() and number.isdigit()):
        raise Failure(f"{text} is not of the form SERVICE=N", exit_code=USAGE, remedy="write it like api=3")
    return name, int(number)


def _status(service: dict[str, Any]) -> str:
    return f"{service['state']}, pending restart" if service["pending_restart"] else str(service["state"])


def _ports(service: dict[str, Any]) -> str:
    return ", ".join(str(port["number"]) for port in service["ports"])


def _show_detail(service: dict[str, Any]) -> None:
    click.echo(f"\n{service['name']}  v{service['release']}  image {service['image']}")
    for port in service["ports"]:
        for url in port["urls"] or ("private",):
            click.echo(f"  port {port['number']}  {url}")
    for each in service["containers"]:
        ending = f", exit code {each['exit_code']}" if each["exit_code"] not in {None, 0} else ""
        memory = ", out of memory" if each["out_of_memory"] else ""
        click.echo(
            f"  replica v{each['release']}.{each['replica']}  {each['state']}{ending}{memory}"
            f"  {each['id']}  started {ago(each['started_at'])}, {each['restarts']} restarts"
        )
