"""hostess status."""

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example
from hostess.cli.output import ago, show_fields, show_json, show_table, size_text, tell


@example("hostess status")
@click.command()
@options.form
@options.connected
def status(client: Client, form: str) -> None:
    """Show the host and everything on it, on one screen."""
    found = client.get("/v1/status")
    if form == "json":
        show_json(found)
        return
    host = found["host"]
    machine = f"{host['cpus']:g} cores, {size_text(host['memory'])}" if host["engine"] else ""
    show_fields(
        [
            ("Hostess", f"{host['version']} (instance {host['instance']})"),
            ("Engine", f"Docker {host['engine']}" if host["engine"] else "does not answer: `hostess doctor`"),
            ("Host", machine),
            ("Base domain", host["base_domain"]),
        ]
    )
    click.echo()
    show_table(
        ("PROJECT", "ENV", "RELEASE", "COMMIT", "LIVE", "SERVICES", "LAST DEPLOYMENT", "URL"),
        [
            (
                p["project"],
                p["environment"],
                f"v{p['release']}" if p["release"] else "none",
                p["commit"][:7],
                ago(p["live_since"]),
                f"{p['running']}/{p['services']}",
                f"{p['last']} {ago(p['last_at'])}".strip(),
                (p["urls"] or [""])[0],
            )
            for p in found["places"]
        ],
        empty="nothing is deployed yet: `git push hostess main`",
    )
    for place in found["places"]:
        where = f"{place['project']} ({place['environment']})"
        for closed in place["closed"]:
            tell(f"{where}: {closed} (`hostess maintenance status`)")
        if place["canary"]:
            tell(f"{where}: canary {place['canary']} of clients (`hostess canary status`)")
        if place["pending_restart"]:
            tell(
                f"pending restart in {where}: {', '.join(place['pending_restart'])}"
                " (changed secrets; `hostess services restart` brings them in)"
            )
