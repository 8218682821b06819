"""hostess usage."""

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.groups import example
from hostess.cli.output import show_json, show_table
from hostess.domain.quantities import size_text


@example("hostess usage", "hostess usage api -p shop --hours 48")
@click.command()
@click.argument("service", required=False)
@options.project
@options.environment
@click.option("--hours", default=6, show_default=True, type=click.IntRange(1, 720), help="Of how many hours until now.")
@options.form
@options.connected
def usage(client: Client, service: str | None, project: str | None, environment: str, hours: int, form: str) -> None:
    """Show what SERVICE used of CPU and memory, all its replicas together; without it what the whole host used."""
    path = "/v1/host/usage"
    if service is not None:
        chosen = options.chosen_project(project)
        path = path_of("projects", chosen, "environments", environment, "services", service, "usage")
    found = client.get(path, hours=hours)["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("FROM (UTC)", "CORES", "PEAK", "MEMORY", "PEAK"),
        [
            (
                each["began"][:16].replace("T", " "),
                f"{each['cpu']:.2f}",
                f"{each['cpu_peak']:.2f}",
                size_text(each["memory"]),
                size_text(each["memory_peak"]),
            )
            for each in found
        ],
        empty="nothing was read yet: it takes some seconds after the start",
    )
