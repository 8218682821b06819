"""hostess upcoming."""

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example
from hostess.cli.output import show_json, show_table


@example("hostess upcoming", "hostess upcoming -n 100")
@click.command()
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@options.form
@options.connected
def upcoming(client: Client, limit: int, form: str) -> None:
    """Show what happens next by itself: jobs, backups, drills, renewals of certificates, ends of environments. Times are UTC."""
    found = client.get("/v1/upcoming")["items"][:limit]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("AT", "WHAT", "OF", "NAME", "SCHEDULE"),
        [
            (
                each["at"][:16].replace("T", " "),
                each["kind"],
                "/".join(part for part in (each["project"], each["environment"]) if part) or "host",
                each["name"],
                each["schedule"],
            )
            for each in found
        ],
        empty="nothing: no job, backup or certificate has a time",
    )
