"""hostess domains ..."""

from collections.abc import Sequence
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import FAILED, NOT_FOUND, USAGE, Failure
from hostess.cli.groups import Aliased, example
from hostess.cli.output import show_json, show_table, tell
from hostess.domain.certificates.names import spelled


class Domains(Aliased):
    """The group, with more names for remove."""

    ALIASES = {"ls": "list", "rm": "remove", "delete": "remove"}  # noqa: RUF012 -- as its parent's


@click.group(cls=Domains)
def domains() -> None:
    """Let hosts lead to services, at once and beside hostess.yml; no deployment and no rollback changes that."""


@example("hostess domains list", "hostess domains list -p shop -o json")
@domains.command("list")
@options.project
@options.form
@options.connected
def list_(client: Client, project: str | None, form: str) -> None:
    """List the domains of a project: what each leads to, who says so, and the DNS records that are missing."""
    _shown(_all(client, project), form)


@example("hostess domains add shop.example.com web", "hostess domains add staging.example.com web --env staging")
@domains.command("add")
@click.argument("host")
@click.argument("service", required=False)
@click.option("--service", "named", help="The service, if it is not written after HOST.")
@options.project
@options.environment
@options.form
@options.connected
def add(
    client: Client, host: str, service: str | None, named: str | None, project: str | None, environment: str, form: str
) -> None:
    """Let HOST lead to SERVICE from now on; one that was added before and leads to another service is moved."""
    if not (service or named) or (service and named and service != named):
        raise Failure(
            "it must be said once which service HOST leads to",
            exit_code=USAGE,
            remedy=f"hostess domains add {host} web",
        )
    body = {"host": host, "service": service or named, "environment": environment}
    _told(client.send("POST", path_of("projects", options.chosen_project(project), "domains"), body), form)


@example(
    "hostess domains update shop.example.com --service web", "hostess domains update shop.example.com --env staging"
)
@domains.command("update")
@click.argument("host")
@click.option("--service", help="The service that it leads to from now on.")
@options.any_environment
@options.project
@options.form
@options.connected
def update(
    client: Client, host: str, service: str | None, environment: str | None, project: str | None, form: str
) -> None:
    """Let HOST, which was added, lead to another service or environment."""
    if not (service or environment):
        raise Failure("nothing was to be changed", exit_code=USAGE, remedy="give --service, --env or both")
    body = {"service": service or "", "environment": environment or ""}
    _told(client.send("PATCH", path_of("projects", options.chosen_project(project), "domains", host), body), form)


@example("hostess domains verify shop.example.com")
@domains.command("verify")
@click.argument("host")
@options.project
@options.form
@options.connected
def verify(client: Client, host: str, project: str | None, form: str) -> None:
    """Look HOST up in DNS now; the exit code is 0 when it points here and leads to its service."""
    wanted = spelled(host)
    found = [each for each in _all(client, project, wanted) if each["host"] == wanted]
    if not found:
        raise Failure(f"there is no domain {host}", exit_code=NOT_FOUND, remedy="see: hostess domains list")
    _shown(found, form)
    if any(each["state"] != "live" for each in found):
        raise Failure(f"{host} is not live yet", exit_code=FAILED)


@example("hostess domains remove shop.example.com")
@domains.command("remove")
@click.argument("host")
@options.project
@options.connected
def remove(client: Client, host: str, project: str | None) -> None:
    """Take HOST away that was added; what hostess.yml says of it stays."""
    client.send("DELETE", path_of("projects", options.chosen_project(project), "domains", host))
    tell(f"{host} was removed")


def _all(client: Client, project: str | None, host: str = "") -> Sequence[dict[str, Any]]:
    path = path_of("projects", options.chosen_project(project), "domains")
    items: Sequence[dict[str, Any]] = client.get(path, host=host)["items"]
    return items


def _told(found: dict[str, Any], form: str) -> None:
    if form == "json":
        show_json(found)
        return
    _shown([found], form)


def _shown(found: Sequence[dict[str, Any]], form: str) -> None:
    if form == "json":
        show_json(found)
        return
    show_table(
        ("DOMAIN", "PROJECT", "ENVIRONMENT", "SERVICE", "FROM", "STATE"),
        [
            (
                each["host"],
                each["project"],
                each["environment"],
                each["service"],
                " and ".join(each["sources"]),
                each["state"],
            )
            for each in found
        ],
        empty="no domains yet: `hostess domains add HOST SERVICE`, or `domains` in hostess.yml",
    )
