"""hostess gc."""

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example
from hostess.cli.output import show_json
from hostess.domain.quantities import size_text

COLLECT_WITHIN = 300.0


@example("hostess gc")
@click.command()
@options.form
@options.connected
def gc(client: Client, form: str) -> None:
    """Remove images and static files that no kept release needs, old transcripts, and what is too much of the cache of builds.

    Never volumes, never images that are not Hostess's own. It is done every six hours anyway.
    """
    found = client.send("POST", "/v1/gc", timeout=COLLECT_WITHIN)
    if form == "json":
        show_json(found)
        return
    count, sites = len(found["images"]), len(found.get("sites", ()))
    folders = f" and the files of {sites} static site{'' if sites == 1 else 's'}" if sites else ""
    said = found.get("transcripts", 0)
    folders += f", {said} transcript{'' if said == 1 else 's'}" if said else ""
    folders += f", {size_text(found['cache'])} of the cache of builds" if found.get("cache") else ""
    click.echo(f"removed {count} image{'' if count == 1 else 's'}{folders} ({size_text(found['size'])})")
