"""hostess deployments ..."""

from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import NOT_FOUND, Failure
from hostess.cli.following import raise_unless_live, watched
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_fields, show_json, show_table, tell

CANCEL_WITHIN = 170.0
REMOVE_WITHIN = 600.0
PRODUCTION = "production"


class _Group(Aliased):
    ALIASES = {"ls": "list", "rm": "remove", "delete": "remove"}  # noqa: RUF012 -- as its parent's


@click.group(cls=_Group)
def deployments() -> None:
    """Look at deployments, follow, cancel and remove them."""


@example("hostess deployments list -p shop --state failed")
@deployments.command("list")
@options.project
@options.any_environment
@click.option("--all", "-a", "everything", is_flag=True, help="Of all projects.")
@click.option("--state", help="Only these states, comma separated: queued, running, live, failed, ...")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 100), help="How many.")
@options.form
@options.connected
def list_(
    client: Client,
    project: str | None,
    environment: str | None,
    everything: bool,  # noqa: FBT001 -- click's
    state: str | None,
    limit: int,
    form: str,
) -> None:
    """List deployments, the newest first."""
    only = None if everything else options.known_project(project)
    found = client.get("/v1/deployments", project=only, env=environment, state=state, limit=limit)["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("PROJECT", "ENV", "STATUS", "RELEASE", "COMMIT", "CREATED", "ID"),
        [
            (d["project"], d["environment"], d["state"], _release(d), d["commit"][:7], ago(d["created_at"]), d["id"])
            for d in found
        ],
        empty="no deployments yet: `git push hostess main`",
    )


@example("hostess inspect 3f9ac1")
@deployments.command("inspect")
@click.argument("deployment", required=False)
@options.project
@options.any_environment
@options.form
@options.connected
def inspect(client: Client, deployment: str | None, project: str | None, environment: str | None, form: str) -> None:
    """Show one deployment, by default the latest, with its steps and what went wrong."""
    chosen = deployment or _latest(client, project, environment)
    found = client.get(path_of("deployments", chosen))
    if form == "json":
        show_json(found)
        return
    _show(found)


@example("hostess deployments logs 3f9ac1 --follow")
@deployments.command("logs")
@click.argument("deployment", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until it ends; the exit code is then that of the deployment.")
@options.project
@options.any_environment
@options.connected
def logs(
    client: Client,
    deployment: str | None,
    follow: bool,  # noqa: FBT001 -- click's
    project: str | None,
    environment: str | None,
) -> None:
    """Print what a deployment said, by default the latest."""
    chosen = deployment or _latest(client, project, environment)
    if follow:
        raise_unless_live(watched(client, chosen))
        return
    click.echo(client.text(path_of("deployments", chosen, "log")), nl=False)


@example("hostess deployments cancel 3f9ac1")
@deployments.command("cancel")
@click.argument("deployment")
@options.form
@options.connected
def cancel(client: Client, deployment: str, form: str) -> None:
    """Stop a deployment; returns when its build and containers are really gone."""
    tell("stopping it ...")
    found = client.send("POST", path_of("deployments", deployment, "cancel"), timeout=CANCEL_WITHIN)
    if form == "json":
        show_json(found)
        return
    click.echo(f"deployment {found['id']} is {found['state']}")


@example("hostess deployments remove -p shop -e staging")
@deployments.command("remove")
@click.argument("deployment", required=False)
@options.project
@options.any_environment
@options.force
@options.form
@options.connected
def remove(
    client: Client,
    deployment: str | None,
    project: str | None,
    environment: str | None,
    force: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Stop all that a live deployment made run, by default the latest of production.

    Environment, secrets, history and permanent data stay; `hostess rollback` brings it back.
    """
    chosen = deployment or _latest(client, project, environment or PRODUCTION, "live,degraded")
    found = client.get(path_of("deployments", chosen))
    place = path_of("projects", found["project"], "environments", found["environment"])
    running = [each["name"] for each in client.get(f"{place}/services")["items"]]
    tell(
        f"{found['project']} ({found['environment']}), {_release(found)}, {found['state']}: {', '.join(running) or 'nothing runs'}"
    )
    options.confirm("This stops all of it, and deletes data that is not permanent.", force=force)
    tell("stopping it ...")
    removed = client.send("DELETE", path_of("deployments", found["id"]), timeout=REMOVE_WITHIN)
    if form == "json":
        show_json(removed)
        return
    click.echo(f"{found['environment']} of {found['project']} is down")
    for volume in removed["volumes_kept"]:
        tell(f"its data stays in volume {volume}")
    tell("`hostess rollback` brings it back")


def _latest(client: Client, project: str | None, environment: str | None, state: str | None = None) -> str:
    known = options.known_project(project)
    found = client.get("/v1/deployments", project=known, env=environment, state=state, limit=1)["items"]
    if not found:
        raise Failure("there is no deployment yet", exit_code=NOT_FOUND, remedy="deploy: `git push hostess main`")
    return str(found[0]["id"])


def _release(deployment: dict[str, Any]) -> str:
    return f"v{deployment['release']}" if deployment["release"] else ""


def _branch(ref: str) -> str:
    return ref.removeprefix("refs/heads/").replace("refs/hostess/uploads/", "none: uploaded to ")


def _show(found: dict[str, Any]) -> None:
    took = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in found["seconds"].items())
    show_fields(
        [
            ("Deployment", found["id"]),
            ("Project", f"{found['project']} ({found['environment']})"),
            ("Status", " ".join(filter(None, [found["state"], found["phase"] and f"({found['phase']})"]))),
            ("Release", _release(found)),
            ("Kind", found["kind"]),
            ("Branch", _branch(found["ref"])),
            ("Commit", found["commit"]),
            ("By", found["actor"]),
            ("Created", f"{found['created_at']} ({ago(found['created_at'])})"),
            ("Completed", found["finished_at"]),
            ("Seconds", took),
        ]
    )
    if found["steps"]:
        click.echo()
        show_table(
            ("STEP", "OUTCOME", "BEGUN"),
            [(step["name"], step["outcome"] or "running", ago(step["begun_at"])) for step in found["steps"]],
        )
    _show_problem(found["problem"])


def _show_problem(problem: dict[str, Any] | None) -> None:
    if not problem:
        return
    click.echo()
    for line in [*problem.get("mistakes", ()), *problem.get("tail", ())]:
        click.echo(f"  | {line}")
    show_fields(
        [
            ("Problem", problem.get("what")),
            ("Serving", problem.get("serving")),
            ("What to do", problem.get("remedy")),
        ]
    )
