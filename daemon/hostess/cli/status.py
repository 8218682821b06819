"""hostess status."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.groups import example
from hostess.cli.output import ago, show_fields, show_json, show_table, shown, tell
from hostess.domain.quantities import size_text

NO_LIMIT: Final = 2**63 - 1
"""What kernels say of open files where nobody has set a limit (proc_sys_fs(5), file-max)."""
_COLOURS: Final = {"error": "red", "warning": "yellow"}


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
    show_alerts(found["alerts"])
    host = found["host"]
    machine = f"{host['cpus']:g} cores, {size_text(host['memory'])}" if host["engine"] else ""
    show_fields(
        [
            ("Hostess", f"{host['version']} (instance {host['instance']})"),
            ("Engine", f"Docker {host['engine']}" if host["engine"] else "does not answer: `hostess doctor`"),
            ("Host", machine),
            *use_of(host["use"]),
            ("Base domain", host["base_domain"]),
            *(("Disk", _disk(each)) for each in host["disks"]),
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
        if place["locked"]:
            tell(f"{where}: {place['locked']} (`hostess unlock` lets deployments in)")
        if place["canary"]:
            tell(f"{where}: canary {place['canary']} of clients (`hostess canary status`)")
        for full in place["storage"]:
            tell(f"{where}: {full} of its storage is used (`hostess events` tells what to do)")
        for unsaved in place["unsaved"]:
            tell(f"{where}: no backups are taken of {unsaved} (give it `backups: daily` in hostess.yml)")
        for failing in place.get("failing", ()):  # an older daemon does not tell it
            tell(f"{where}: of late failed {failing} (`hostess services list --detailed`)")
        if place["pending_restart"]:
            tell(
                f"pending restart in {where}: {', '.join(place['pending_restart'])}"
                " (changed secrets; `hostess services restart` brings them in)"
            )


def show_alerts(alerts: Sequence[Mapping[str, Any]]) -> None:
    """Print what is wrong, the gravest first, in colour on a terminal; nothing when nothing is."""
    for alert in alerts:
        mark = click.style(f"{alert['level']}:", fg=_COLOURS.get(alert["level"]), bold=True)
        about = f"{alert['project']}: " if alert["project"] else ""
        click.echo(f"{mark} {shown(about + alert['what'])} ({ago(alert['since'])})")
        click.echo(f"    what to do: {shown(alert['remedy'])}")
    if alerts:
        click.echo()


def use_of(use: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is used of the host, and how long work waits for it."""
    used = use["memory"] - use["memory_available"]
    memory = f"{size_text(used)} of {size_text(use['memory'])} in use, {used * 100 // max(use['memory'], 1)} %"
    swap = f"; swap {size_text(use['swap_used'])} of {size_text(use['swap'])}" if use["swap"] else "; no swap"
    waits = ", ".join(f"{each['resource']} {each['some']:g} %" for each in use["strain"])
    files = f"{use['files']} of {use['files_limit']}" if use["files_limit"] < NO_LIMIT else use["files"]
    busy = "" if use["cpu"] is None else f"{use['cpu']:g} % busy, "
    return [
        ("CPU", f"{busy}load {use['load']:.2f}"),
        ("Memory", memory + swap),
        *([("Pressure", f"{waits} of the last minute spent waiting")] if waits else []),
        ("Open files", f"{files}; {use['own_files']} by the daemon"),
    ]


def _disk(disk: Mapping[str, Any]) -> str:
    full = "" if disk["state"] == "fine" else f"  {str(disk['state']).upper()}"
    percent = disk["used"] * 100 // max(disk["size"], 1)
    return f"{size_text(disk['used'])} of {size_text(disk['size'])} used, {percent} % ({disk['folder']}){full}"
