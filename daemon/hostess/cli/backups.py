"""hostess backups ..."""

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import FAILED, USAGE, Failure
from hostess.cli.following import worked
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_fields, show_json, show_table, tell
from hostess.domain.backups.backup import GOOD, PARTIAL
from hostess.domain.quantities import size_text

LONG = 24 * 3600.0


@click.group(cls=Aliased)
def backups() -> None:
    """Take backups of databases, prove them, get them back."""


@example("hostess backups list -p shop --service database")
@backups.command("list")
@options.project
@options.environment
@click.option("--service", default="", help="Only of this service.")
@options.form
@options.connected
def list_(client: Client, project: str | None, environment: str, service: str, form: str) -> None:
    """List backups, the newest first, and when one was last proven by restoring it."""
    found = client.get(options.place(project, environment, "backups"), service=service)
    if form == "json":
        show_json(found)
        return
    show_table(
        ("SERVICE", "DATE", "SIZE", "TYPE", "STATE", "PROVEN", "FILE"),
        [
            (
                b["service"],
                b["started_at"][:19].replace("T", " "),
                size_text(b["size"]) if b["size"] else "",
                b["trigger"],
                b["progress"] or b["state"],
                _proof(b),
                b["file"] if b["state"] in GOOD else b["problem"],
            )
            for b in found["items"]
        ],
        empty="there are no backups yet: `hostess backups create SERVICE` makes one",
    )
    for name in sorted({b["service"] for b in found["items"]}):
        proven = found["last_proven"].get(name)
        tell(f"{name}: last proven restore {ago(proven) if proven else 'never'}")
    for name, windows in sorted(found["recoverable"].items()):
        for window in windows:
            tell(f"{name}: can be recovered to any moment from {_moment(window['start'])} to {_moment(window['end'])}")


@example("hostess backups create database")
@backups.command("create")
@click.argument("service")
@options.project
@options.environment
@options.form
@options.connected
def create(client: Client, service: str, project: str | None, environment: str, form: str) -> None:
    """Take a backup of SERVICE now; it has worked when it was read back and its checksum matched."""
    path = options.place(project, environment, "services", service, "backups")
    begun = client.send("POST", path, {})
    tell(f"backup {begun['id']} of {service} ({environment})")
    done = worked(client, options.place(project, environment, "services", service, "backups", begun["id"]))
    if form == "json":
        show_json(done)
    elif done["state"] == "ok":
        show_fields([("File", done["file"]), ("Size", size_text(done["size"])), ("SHA-256", done["sha256"])])
    if done["state"] == PARTIAL:
        raise Failure(f"{done['file']} {done['problem']}", exit_code=FAILED)
    if done["state"] != "ok":
        raise Failure(f"the backup of {service} failed: {done['problem']}", exit_code=FAILED)


@example("hostess backups adopt database -p shop")
@backups.command("adopt")
@click.argument("service")
@options.project
@options.environment
@options.form
@options.connected
def adopt(client: Client, service: str, project: str | None, environment: str, form: str) -> None:
    """Take over backups of SERVICE that lie in the folder or bucket, and that another host has made; each is read back first."""
    path = options.place(project, environment, "services", service, "adopted-backups")
    found = client.send("POST", path, {}, timeout=LONG)
    if form == "json":
        show_json(found)
    else:
        rows = [(each["file"], size_text(each["size"]), each["state"]) for each in found["items"]]
        show_table(("FILE", "SIZE", "STATE"), rows, empty="there are none that are not known")
    if found["refused"]:
        told = "; ".join(f"{file}: {why}" for file, why in sorted(found["refused"].items()))
        raise Failure(f"not taken over: {told}", exit_code=FAILED)


@example("hostess backups verify database/20260102-020000-3f9ac1", "hostess backups verify database")
@backups.command("verify")
@click.argument("backup", metavar="SERVICE[/ID]")
@options.project
@options.environment
@options.form
@options.connected
def verify(client: Client, backup: str, project: str | None, environment: str, form: str) -> None:
    """Read a backup back (by default the newest) and compare it with the checksum it was written with."""
    found = client.send("POST", _path(project, environment, backup, "verify"), {}, timeout=LONG)
    if form == "json":
        show_json(found)
    else:
        click.echo(f"{found['file']} is what was written: SHA-256 {found['sha256']}")


@example("hostess backups download database --output database.tar.zst")
@backups.command("download")
@click.argument("backup", metavar="SERVICE[/ID]")
@options.project
@options.environment
@click.option("--output", "-O", type=click.Path(path_type=Path, dir_okay=False), help="File; by default its own name.")
@options.connected
def download(client: Client, backup: str, project: str | None, environment: str, output: Path | None) -> None:
    """Fetch the artefact of a backup (by default the newest); docs/backups.md restores it with standard tools."""
    known = client.get(_path(project, environment, backup))
    target = output or own_name(known["file"])
    if target.exists() and not target.is_file():
        raise Failure(f"{target} is no file: nothing was written to it", exit_code=USAGE)
    begun = target.with_name(f"{target.name}.part")  # only a whole artefact gets the name
    try:
        checksum = client.save(_path(project, environment, backup, "content"), begun)
        if checksum == known["sha256"]:
            begun.replace(target)
    finally:
        begun.unlink(missing_ok=True)
    if checksum != known["sha256"]:
        raise Failure(
            f"{known['file']} arrived with the SHA-256 {checksum}, and it was written with {known['sha256']}",
            exit_code=FAILED,
            remedy="try again; `hostess backups verify` tells whether it is damaged on the host",
        )
    tell(f"{target}: {size_text(known['size'])}, SHA-256 {checksum}")


@example(
    "hostess backups restore database",
    'hostess backups restore database --to "2026-01-02 03:04:05"',
    "hostess backups restore database --from-project shop -p shop-copy --pause",
)
@backups.command("restore")
@click.argument("service", metavar="SERVICE[/ID]")
@click.argument("backup", required=False)
@options.project
@options.environment
@click.option("--backup", "wanted", help="Which one, when it is not said behind the service.")
@click.option("--to", "moment", help='A moment, "2026-01-02 03:04:05" (UTC, or with an offset like +02:00).')
@click.option("--from-env", "source", default="", help="The environment that the backup is of, when it is another one.")
@click.option("--from-project", "other", default="", help="The project that the backup is of, when it is another one.")
@click.option(
    "--pause", is_flag=True, help="Let requests to those who use SERVICE wait while the data is put in place."
)
@click.option("--no-safety-backup", "unsafe", is_flag=True, help="Of a database that cannot be backed up any more.")
@options.force
@options.form
@options.connected
def restore(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    service: str,
    backup: str | None,
    project: str | None,
    environment: str,
    wanted: str | None,
    moment: str | None,
    source: str,
    other: str,
    pause: bool,  # noqa: FBT001 -- click's
    unsafe: bool,  # noqa: FBT001 -- click's
    force: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Put the data of a backup (by default the newest) in the place of SERVICE's, after a backup of what it has now.

    With --to it is what SERVICE had at that moment: that is recovered beside it and shown first.
    """
    service, slash, named = service.partition("/")
    if "" in {backup, wanted, moment} or (
        slash and not named
    ):  # a variable that is not set must not mean the newest one
        raise Failure("a backup or a moment is given, and it is empty; nothing was done", exit_code=USAGE)
    chosen = backup or named or wanted or ""
    if moment is not None:
        if other:
            raise Failure(
                "--to is for a service's own moments, not another project's; nothing was done", exit_code=USAGE
            )
        if chosen:
            raise Failure("a backup or a moment, not both; nothing was done", exit_code=USAGE)
        chosen = _recovered(client, options.place(project, source or environment, "services", service), moment)
    known = client.get(_path(other or project, source or environment, f"{service}/{chosen}"))
    options.confirm(f"All that {service} of {environment} has will be what {known['file']} has.", force=force)
    path = options.place(project, environment, "services", service, "restores")
    asked = {"backup": known["id"], "source": source, "project": other, "safety": not unsafe, "pause": pause}
    begun = client.send("POST", path, asked)
    tell(f"restore {begun['id']} of {service} ({environment}) from {known['file']}")
    if begun["consumers"]:
        how = "requests to them wait" if pause else "their connections end"
        tell(f"it is used by {', '.join(begun['consumers'])}: {how} while the data is put in place")
    done = worked(client, options.place(project, environment, "services", service, "restores", begun["id"]))
    if form == "json":
        show_json(done)
    if done["state"] != "ok":
        raise Failure(f"{service} was not restored: {done['problem']}", exit_code=FAILED)
    if form != "json":
        show_fields([("Restored", known["file"]), ("Before it", done["safety"] and f"{service}/{done['safety']}")])


@example("hostess backups delete database/20260102-020000-3f9ac1")
@backups.command("delete")
@click.argument("backup", metavar="SERVICE/ID")
@options.project
@options.environment
@click.option("--backup", "wanted", default="", help="Which one, when it is not said behind the service.")
@options.force
@options.connected
def delete(
    client: Client,
    backup: str,
    project: str | None,
    environment: str,
    wanted: str,
    force: bool,  # noqa: FBT001 -- click's
) -> None:
    """Delete a backup for good."""
    service, _, named = backup.partition("/")
    if not (named or wanted):
        raise Failure("which one? Nothing was deleted", remedy=f"`hostess backups list --service {service}` shows them")
    path = _path(project, environment, f"{service}/{named or wanted}")
    known = client.get(path)
    options.confirm(f"{known['file']} will be gone for good.", force=force)
    client.send("DELETE", path)
    tell(f"{known['file']} is deleted")


def _recovered(client: Client, service: str, moment: str) -> str:
    """Have a service recovered to a moment beside what it has now, show what was found, and return the backup of it."""
    begun = client.send("POST", f"{service}/recoveries", {"to": _instant(moment).isoformat()})
    done = worked(client, f"{service}/backups/{begun['id']}")
    if done["state"] not in GOOD:
        raise Failure(
            f"{done['service']} was not recovered: {done['problem']}; its data is as it was", exit_code=FAILED
        )
    manifest = client.get(f"{service}/backups/{begun['id']}/manifest")
    last = _moment(done["reached"]) if done["reached"] else "none since the base backup"
    tell(f"found: the last transaction is {last}")
    for database in manifest["databases"]:
        rows = sum(table["rows"] for table in database["tables"])
        tell(f"found: {database['name']} has {len(database['tables'])} tables with {rows} rows")
    return str(done["id"])


def _instant(moment: str) -> datetime:
    """Return the moment that was written; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        raise Failure(
            f"{moment} is no moment; nothing was done", exit_code=USAGE, remedy='write it like "2026-01-02 03:04:05"'
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def own_name(told: str) -> Path:
    """Return where a file is written that the host gives this name: here, whatever folders the host names."""
    return Path(PurePosixPath(told).name or "backup")


def _path(project: str | None, environment: str, backup: str, *rest: str) -> str:
    """Return the API path of SERVICE[/ID]."""
    service, _, wanted = backup.partition("/")
    return options.place(project, environment, "services", service, "backups", wanted or "newest", *rest)


def _proof(backup: dict[str, Any]) -> str:
    proof = backup["proof"]
    if proof is None:
        return ""
    return f"FAILED: {proof['problem']}" if proof["problem"] else ago(proof["at"])
