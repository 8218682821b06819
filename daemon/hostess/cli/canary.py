"""hostess canary ..."""

from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client, Json
from hostess.cli.failure import USAGE, Failure
from hostess.cli.following import carried_out
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_fields, show_json, tell

STOP_WITHIN = 600.0


@click.group(cls=Aliased)
def canary() -> None:
    """Try a release out with a share of the requests, beside the one that is live."""


@example("hostess canary start 10", "hostess canary start 5 --auto", "git push -o canary=10 hostess main")
@canary.command("start")
@click.argument("percent", type=click.IntRange(0, 100))
@click.option("--auto", is_flag=True, help="Give it more by itself (5, 25, 50 %) until it is live, or take it back.")
@options.project
@options.environment
@options.form
@options.which_server
@click.pass_context
def start(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 -- what `hostess deploy` takes
    """Upload this folder, as `hostess deploy` does, and give its release PERCENT of the clients.

    It gets replicas of its own for the services that changed and are reached from outside. Databases, workers, what keeps data and
    files stay those of the live release, and so does what services ask each other. Migrations and jobs run before, as ever.
    """
    from hostess.cli.deploy import deploy

    ctx.invoke(deploy, canary=given.pop("percent"), canary_auto=given.pop("auto"), **given)


@example("hostess canary set 50", "hostess canary set 0 --header 'X-Canary=yes'")
@canary.command("set")
@click.argument("percent", type=click.IntRange(0, 100))
@click.option("--header", metavar="NAME=VALUE,...", help="Requests with this header, too, whatever their share.")
@click.option("--auto", is_flag=True, help="Give it more by itself from here on, or take it back.")
@options.project
@options.environment
@options.form
@options.connected
def set_(
    client: Client,
    percent: int,
    header: str | None,
    auto: bool,  # noqa: FBT001 -- click's
    project: str | None,
    environment: str,
    form: str,
) -> None:
    """Give the canary PERCENT of the clients. A client that was in stays in as the share grows."""
    body = {"percent": percent, **_header(header), "auto": auto}
    _shown(client.send("PUT", options.place(project, environment, "canary"), body), form)


@example("hostess canary status")
@canary.command("status")
@options.project
@options.environment
@options.form
@options.connected
def status(client: Client, project: str | None, environment: str, form: str) -> None:
    """Show the canary: its release, its services, its share."""
    found = client.get(options.place(project, environment, "canary"))["items"]
    if not found:
        tell("there is no canary: `hostess canary start 10` begins one")
    if found or form == "json":
        _shown(found[0] if found else None, form)


@example("hostess canary promote")
@canary.command("promote")
@options.project
@options.environment
@options.form
@options.connected
def promote(client: Client, project: str | None, environment: str, form: str) -> None:
    """Make the canary the live release, by the way of every deployment: its replicas serve on, the old ones are drained."""
    carried_out(client, client.send("POST", options.place(project, environment, "canary", "promote")), form)


@example("hostess canary stop")
@canary.command("stop")
@options.project
@options.environment
@options.connected
def stop(client: Client, project: str | None, environment: str) -> None:
    """Give all requests to the live release again; what the canary holds is finished. Its branch goes back where it was."""
    stopped = client.send("DELETE", options.place(project, environment, "canary"), timeout=STOP_WITHIN)
    click.echo(f"v{stopped['release']} is no canary any more")


def _header(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    name, equals, values = text.partition("=")
    wanted = [value.strip() for value in values.split(",") if value.strip()]
    if not (name.strip() and equals and wanted):
        raise Failure(f"{text} is not of the form NAME=VALUE", exit_code=USAGE, remedy="write it like X-Canary=yes")
    return {"header": name.strip(), "values": wanted}


def _shown(found: Json, form: str) -> None:
    if form == "json":
        show_json(found)
        return
    chosen = f", and requests with {found['header']}: {' or '.join(found['values'])}" if found["header"] else ""
    show_fields(
        [
            ("Release", f"v{found['release']} ({found['commit'][:7]})"),
            ("Share", f"{found['percent']} % of clients{chosen}"),
            ("Services", ", ".join(found["services"])),
            ("Not well", ", ".join(sorted(set(found["services"]) - set(found["well"])))),
            ("By itself", (found["judgement"] or "goes on") if found["auto"] else ""),
            ("Since", f"{ago(found['since'])}, by {found['actor']}"),
        ]
    )
