"""hostess host ..."""

import importlib
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import FAILED, USAGE, Failure
from hostess.cli.following import worked
from hostess.cli.groups import Aliased, example
from hostess.cli.output import show_fields, show_json, show_table, tell
from hostess.domain.backups.backup import GOOD, PARTIAL
from hostess.domain.quantities import size_text

BACKUPS = "/v1/host/backups"


@click.group(cls=Aliased)
def host() -> None:
    """Back the whole host up, and bring it back on an empty one."""


@example("hostess host backup", "hostess host backup --to age1... --output host.tar.zst.age")
@host.command("backup")
@click.option("--to", multiple=True, metavar="KEY", help="Public key of age to encrypt it for; repeatable.")
@click.option(
    "--data",
    type=click.Choice(["auto", "always", "never"]),
    help="Whether what services are restored from is in it; auto: where no bucket has it.",
)
@click.option("--output", "-O", type=click.Path(path_type=Path, dir_okay=False), help="Fetch it into this file, too.")
@options.form
@options.connected
def backup(client: Client, to: tuple[str, ...], data: str | None, output: Path | None, form: str) -> None:
    """Take a backup of the whole host now: state, keys, certificates, repositories, sites, and what every service keeps."""
    begun = client.send("POST", BACKUPS, {"to": list(to), "data": data or ""})
    tell(f"backup {begun['id']} of the host")
    done = worked(client, f"{BACKUPS}/{begun['id']}")
    if done["state"] in GOOD and output is not None:
        _fetched(client, done, output)
    if form == "json":
        show_json(done)
    elif done["state"] in GOOD:
        shown = [("File", done["file"]), ("Size", size_text(done["size"])), ("SHA-256", done["sha256"])]
        seconds = (_time(done["ended_at"]) - _time(done["started_at"])).total_seconds()
        show_fields([*shown, ("Took", f"{seconds:.1f} s")])
    if done["state"] == PARTIAL:
        raise Failure(f"{done['file']} is whole, but: {done['problem']}", exit_code=FAILED)
    if done["state"] not in GOOD:
        raise Failure(f"the backup of the host failed: {done['problem']}", exit_code=FAILED)


@example("hostess host backups")
@host.command("backups")
@options.form
@options.connected
def backups(client: Client, form: str) -> None:
    """List the backups of the host, the newest first."""
    found = client.get(BACKUPS)
    if form == "json":
        show_json(found)
        return
    show_table(
        ("DATE", "SIZE", "TYPE", "STATE", "FILE"),
        [
            (
                each["started_at"][:19].replace("T", " "),
                size_text(each["size"]) if each["size"] else "",
                each["trigger"],
                each["progress"] or each["state"],
                each["file"] if each["state"] == "ok" else f"{each['file']}: {each['problem']}",
            )
            for each in found["items"]
        ],
        empty="there are no backups of the host yet: `hostess host backup` makes one",
    )
    if found["possible"] and found["schedule"] != "off":
        tell(f"one is taken at {found['schedule']} (UTC), and {found['keep']} are kept")
    elif not found["possible"]:
        tell("none is taken by itself: nobody is named who may read it (`hostess host key FILE` makes a key)")


@example("hostess host key /root/host-key.txt")
@host.command("key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def key(file: Path) -> None:
    """Make a key of age in FILE, which reads backups of the host, and print its public half. Keep FILE elsewhere, too."""
    pyrage = importlib.import_module("pyrage")
    made = pyrage.x25519.Identity.generate()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"{file} cannot be made: {error.strerror}; nothing was written", exit_code=USAGE) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as written:
        written.write(f"# public key: {made.to_public()}\n{made}\n")
    click.echo(str(made.to_public()))
    tell(f"{file} reads every backup that is encrypted for it: keep a copy where this host is not")
    tell(f'set it in config.toml, then start the daemon anew:\n[host_backup]\nencrypt_to = ["{made.to_public()}"]')


@example("hostess host recover host-20260102-033000-3f9ac1.tar.zst.age --identity host-key.txt")
@host.command("recover")
@click.argument("bundle")
@click.option("--identity", type=click.Path(path_type=Path, exists=True), help="The file with the key that reads it.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file; by default /etc/hostess/config.toml.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Data folder; above the settings.")
def recover(bundle: str, identity: Path | None, config: Path | None, data_dir: Path | None) -> None:
    """Bring a host back from BUNDLE on this empty one: a file, or the name of one in the place for backups.

    Every release that was live is built again, its databases are restored, and then everything else starts. A host that has a
    state of its own is never overwritten. What was broken off goes on when the same command is given again.
    """
    # By name: client commands, which share this package, must not be able to reach the daemon's code.
    code: int = importlib.import_module("hostess.recover").main(bundle, identity, config, data_dir)
    raise click.exceptions.Exit(code)


def _fetched(client: Client, done: dict[str, Any], target: Path) -> None:
    begun = target.with_name(f"{target.name}.part")  # only a whole bundle gets the name
    try:
        checksum = client.save(f"{BACKUPS}/{done['id']}/content", begun)
        if checksum != done["sha256"]:
            raise Failure(f"{done['file']} arrived with the SHA-256 {checksum}", exit_code=FAILED, remedy="try again")
        begun.replace(target)
    finally:
        begun.unlink(missing_ok=True)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
