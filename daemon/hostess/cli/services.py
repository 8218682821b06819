"""hostess services ..."""

import sys
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.execution import execute
from hostess.cli.failure import USAGE, Failure
from hostess.cli.following import carried_out
from hostess.cli.groups import Aliased, example
from hostess.cli.logs import logs
from hostess.cli.output import ago, show_json, show_table, tell
from hostess.cli.rotate import rotate
from hostess.cli.upgrade import upgrade
from hostess.domain.quantities import size_text

REMOVE_WITHIN = 300.0
ASKS = "  (asks for sign-in)"


@click.group(cls=Aliased)
def services() -> None:
    """Look at what runs, read its logs, restart and scale it, and destroy what is left of what ran."""


@example("hostess ps -p shop -e staging")
@services.command("list")
@options.project
@options.environment
@click.option("--detailed", is_flag=True, help="Show every replica and every URL.")
@click.option("--all", "every", is_flag=True, help="Also what is left of services that are not live any more.")
@options.form
@options.connected
def list_(
    client: Client,
    project: str | None,
    environment: str,
    detailed: bool,  # noqa: FBT001 -- click's
    every: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """List the services of the live release."""
    found = client.get(_place(project, environment, "services"))["items"]
    kept = client.get(_place(project, environment, "kept"))["items"] if every else []
    if form == "json":
        show_json({"services": found, "kept": kept} if every else found)
        return
    show_table(
        ("SERVICE", "TYPE", "STATUS", "REPLICAS", "PORTS", "URL"),
        [(s["name"], s["type"], _status(s), _replicas(s), _ports(s), _url(s)) for s in found],
        empty="nothing is live here yet: `git push hostess main`",
    )
    for service in found if detailed else ():
        _show_detail(service)
    for left in kept:
        volumes = f"  volumes {', '.join(left['volumes'])}" if left["volumes"] else ""
        click.echo(f"{left['service']}  not live, kept{volumes}{'  credentials' if left['credentials'] else ''}")


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
    """Change how many replicas services have, until the next deployment; what is scaled by its load rests till then."""
    begun = client.send("POST", _place(project, environment, "scale"), {"services": dict(map(_count, counts))})
    carried_out(client, begun, form)


services.add_command(logs)
services.add_command(execute)
services.add_command(upgrade)
services.add_command(rotate)


@example("hostess services destroy database --data")
@services.command("destroy")
@click.argument("service")
@click.option("--data", is_flag=True, help="Delete its volumes with all data, and the passwords made for it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@options.project
@options.environment
@options.form
@options.connected
def destroy(
    client: Client,
    service: str,
    data: bool,  # noqa: FBT001 -- click's
    yes: bool,  # noqa: FBT001 -- click's
    project: str | None,
    environment: str,
    form: str,
) -> None:
    """Remove what is left of SERVICE once it is out of hostess.yml. Its data stays unless --data.

    With --data a later service of that name starts afresh. What is removed is listed and asked for first.
    """
    kept = client.get(_place(project, environment, "kept"))["items"]
    left = next((each for each in kept if each["service"] == service), None)
    if left is not None:
        _ask(left, data=data, yes=yes)
    # Without anything left the daemon tells why: the service is live, or there is none.
    path = f"{_place(project, environment, 'services', service)}?data={str(data and left is not None).lower()}"
    gone = client.send("DELETE", path, timeout=REMOVE_WITHIN)
    if form == "json":
        show_json(gone)
        return
    _show_destroyed(gone)


def _ask(left: dict[str, Any], *, data: bool, yes: bool) -> None:
    goes = [f"container {name}" for name in left["containers"]]
    if data:
        goes += [f"volume {name} with ALL its data" for name in left["volumes"]]
        goes += ["the passwords that were made for it"] if left["credentials"] else []
    if not goes:
        return
    tell(f"This removes of {left['service']}:")
    for each in goes:
        tell(f"  {each}")
    if not yes and not sys.stdin.isatty():
        raise Failure(
            "nothing was done: this is no terminal to ask at", remedy="give --yes to do it without being asked"
        )
    options.confirm("It cannot be brought back." if data else "Its data stays.", force=yes)


def _show_destroyed(gone: dict[str, Any]) -> None:
    for name in gone["containers_removed"]:
        click.echo(f"container {name} is gone")
    for volume in gone["volumes_removed"]:
        click.echo(f"volume {volume} is gone with its data")
    if gone["credentials_removed"]:
        click.echo(f"the passwords of {gone['service']} are gone")
    for volume in gone["volumes_kept"]:
        tell(f"its data stays in volume {volume}")
    if gone["credentials_kept"]:
        tell("the passwords that were made for it stay")
    if gone["volumes_kept"] or gone["credentials_kept"]:
        tell(f"to delete that for good: hostess services destroy {gone['service']} --data")


def _place(project: str | None, environment: str, *rest: str) -> str:
    return path_of("projects", options.chosen_project(project), "environments", environment, *rest)


def _count(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not (name and equals and number.isascii() and number.isdigit()):
        raise Failure(f"{text} is not of the form SERVICE=N", exit_code=USAGE, remedy="write it like api=3")
    return name, int(number)


def _status(service: dict[str, Any]) -> str:
    pending = ", pending restart" if service["pending_restart"] else ""
    return f"{service['state']}{pending}{_fill(service)}"


def _replicas(service: dict[str, Any]) -> str:
    scaling = service.get("scaling")  # an older daemon tells none
    bounds = f" ({scaling['min']} to {scaling['max']})" if scaling else ""
    return f"{service['running']}/{service['wanted']}{bounds}"


def _fill(service: dict[str, Any]) -> str:
    state = (service["storage"] or {}).get("state", "fine")
    return "" if state == "fine" else f", storage {state}"


def _ports(service: dict[str, Any]) -> str:
    return ", ".join(str(port["number"]) for port in service["ports"])


def _url(service: dict[str, Any]) -> str:
    """Return the first URL, and whether who follows it has to sign in."""
    found = ((port["urls"][0], port["sign_in"]) for port in service["ports"] if port["urls"])
    url, asks = next(found, ("", False))
    return f"{url}{ASKS if asks else ''}"


def _show_detail(service: dict[str, Any]) -> None:
    click.echo(f"\n{service['name']}  v{service['release']}  image {service['image']}")
    for port in service["ports"]:
        for url in port["urls"] or ("private",):
            click.echo(f"  port {port['number']}  {url}{ASKS if port['sign_in'] else ''}")
    if service["storage"]:
        used = "not measured yet" if service["storage"]["used"] is None else size_text(service["storage"]["used"])
        click.echo(f"  storage {used} of {size_text(service['storage']['size'])}{_fill(service)}")
    if (scaling := service.get("scaling")) is not None:
        why = f": {scaling['why']}" if scaling["why"] else ""
        click.echo(f"  scaled by its load between {scaling['min']} and {scaling['max']} replicas{why}")
    for each in service["containers"]:
        ending = f", exit code {each['exit_code']}" if each["exit_code"] not in {None, 0} else ""
        memory = ", out of memory" if each["out_of_memory"] else ""
        health = "" if each.get("health", "healthy") in {"healthy", each["state"]} else f", {each['health']}"
        uses = f", uses {_cpu(each)}{size_text(each['memory'])}" if each.get("memory") is not None else ""
        click.echo(
            f"  replica v{each['release']}.{each['replica']}  {each['state']}{health}{ending}{memory}"
            f"  {each['id']}  started {ago(each['started_at'])}, {each['restarts']} restarts{uses}{_failed(each)}"
        )


def _failed(replica: dict[str, Any]) -> str:
    """Return what the proxy tells of requests that it has failed of late."""
    failed = replica.get("requests_failed", 0)  # an older daemon does not tell it
    return f", {failed} failed requests of late ({replica['last_failure']})" if failed else ""


def _cpu(replica: dict[str, Any]) -> str:
    return "" if replica["cpu"] is None else f"{replica['cpu']:.2f} cores and "
