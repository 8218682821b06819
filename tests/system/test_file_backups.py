"""Backups of services that are no databases: by a command of theirs, or of their volumes as they are."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hostess.domain.backups.files_backup import EMPTY
from tests.system.acting import done
from tests.system.host import Host, a_repository, docker, until
from tests.system.sources import only, pushed

COMMAND = "[ ! -e /data/broken ] || exit 1; while [ -e /data/wait ]; do sleep 0.1; done; [ -e /data/idle ] || cp -r /data /backup/"
BACK = "[ ! -e /data/stuck ] || exit 1; while [ -e /data/wait ]; do sleep 0.2; done; rm -rf /data/* && cp -r /backup/data/. /data/"
STACK = f"""version: "1.0"
services:
  store:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {{http: /health, interval: 1s}}
    persistence: {{mount: /data}}
    backups:
      schedule: "0 3 1 1 *"
      retention: 3
      command: [sh, -c, "{COMMAND}"]
      restore_command: [sh, -c, "{BACK}"]
  notes:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {{http: /health, interval: 1s}}
    persistence: {{mount: /notes}}
"""
DOCS = Path(__file__).parents[2] / "docs" / "backups.md"


@pytest.fixture(scope="module")
def shop(host: Host) -> Host:
    """Push the stack."""
    pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
    return host


def inside(host: Host, service: str, script: str) -> str:
    """Run a script in a service's container."""
    return docker("exec", only(host, "shop", service), "sh", "-c", script).strip()


def backups(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command about backups."""
    return host.hostess("backups", *words, "-p", "shop")


def made(host: Host, service: str) -> Mapping[str, Any]:
    """Take a backup, which must work."""
    ran = backups(host, "create", service, "-o", "json")
    assert ran.returncode == 0, ran.stderr + host.log()
    found: Mapping[str, Any] = json.loads(ran.stdout)
    return found


def listed(host: Host) -> Mapping[str, Any]:
    """Return what the list has."""
    found: Mapping[str, Any] = json.loads(backups(host, "list", "-o", "json").stdout)
    return found


def artefact(host: Host, backup: Mapping[str, Any]) -> Path:
    """Return where it lies."""
    return host.data / "backups" / "shop" / "production" / str(backup["service"]) / str(backup["file"])


def test_there_and_back(shop: Host) -> None:
    """What the command wrote is kept with a manifest, proven, and taken back by the other command, after a safety backup."""
    inside(
        shop,
        "store",
        "rm -rf /data/*; mkdir -p /data/sub; echo one > /data/a; echo two > /data/sub/b; ln -s a /data/link",
    )
    backup = made(shop, "store")
    manifest = json.loads(artefact(shop, backup).with_name(backup["file"] + ".json").read_text())
    inside(shop, "store", "rm -r /data/*; echo new > /data/c")

    ran = backups(shop, "restore", "store", "--force")

    assert ran.returncode == 0, ran.stderr + shop.log()
    assert [(each["directory"], each["count"]) for each in manifest["files"]] == [("/backup", 3)]
    assert inside(shop, "store", "cat /data/link /data/sub/b; ls /data") == "one\ntwo\na\nlink\nsub"
    assert inside(shop, "store", "ls -A /backup") == ""
    assert [each["trigger"] for each in listed(shop)["items"]][:2] == ["pre-restore", "manual"]
    until(lambda: "store" in listed(shop)["last_proven"], 60, "the proof")


def test_a_command_that_fails(shop: Host) -> None:
    """A command that fails, or writes nothing, makes no backup: that is said with its name and leaves no object."""
    before = sorted(artefact(shop, made(shop, "store")).parent.iterdir())
    inside(shop, "store", "touch /data/broken")
    failed = backups(shop, "create", "store")
    inside(shop, "store", "mv /data/broken /data/idle")
    idle = backups(shop, "create", "store")
    inside(shop, "store", "rm /data/idle")

    assert (failed.returncode, idle.returncode) == (1, 1)
    assert "sh ended with exit code 1" in failed.stderr
    assert "sh ended well, and has written nothing to /backup" in idle.stderr
    assert sorted(artefact(shop, {"service": "store", "file": ""}).iterdir()) == before
    assert "the backup of store failed" in shop.hostess("events", "-k", "backup.failed").stdout


def test_a_killed_daemon(shop: Host) -> None:
    """Kill -9 of the daemon while the command runs: it is ended, the backup has failed, and the next one is whole."""
    inside(shop, "store", "rm -rf /data/*; touch /data/wait")
    asking = shop.begin("backups", "create", "store", "-p", "shop")
    until(lambda: "sleep 0.1" in inside(shop, "store", "ps"), 30, "the command")
    shop.kill()
    asking.communicate(timeout=180)
    shop.start()

    until(lambda: listed(shop)["items"][0]["state"] == "failed", 60, "the end of it")
    until(lambda: "sleep 0.1" not in inside(shop, "store", "ps"), 30, "the end of the command")
    inside(shop, "store", "rm /data/wait; touch /data/a")
    assert made(shop, "store")["state"] == "ok"


def test_a_restore_that_breaks_off(shop: Host) -> None:
    """A restore_command that fails is told as what it is: nobody else knows how far it came; the safety backup leads back."""
    inside(shop, "store", "rm -rf /data/*; echo kept > /data/a")
    backup = made(shop, "store")
    inside(shop, "store", "touch /data/stuck")
    failed = backups(shop, "restore", "store", "--backup", backup["id"], "--force")
    inside(shop, "store", "rm /data/stuck; echo half > /data/a")
    [safety] = re.findall(r"--backup (\S+)`", failed.stderr)
    back = backups(shop, "restore", "store", "--backup", safety, "--force")

    assert failed.returncode == 1
    assert "may be a part of both" in failed.stderr
    assert back.returncode == 0, back.stderr
    assert inside(shop, "store", "cat /data/a; ls /data") == "kept\na\nstuck"


def test_a_killed_daemon_in_a_restore(shop: Host) -> None:
    """Kill -9 of the daemon while restore_command runs: it is ended, and that nobody knows how far it came is told."""
    inside(shop, "store", "rm -rf /data/*; echo kept > /data/a")
    made(shop, "store")
    inside(shop, "store", "touch /data/wait")
    asking = shop.begin("backups", "restore", "store", "--force", "--no-safety-backup", "-p", "shop")
    until(lambda: "sleep 0.2" in inside(shop, "store", "ps"), 30, "the command")
    shop.kill()
    asking.communicate(timeout=180)
    shop.start()

    until(lambda: "may be a part of both" in done(shop, "events", "-k", "restore.failed"), 60, "the end of it")
    until(lambda: "sleep 0.2" not in inside(shop, "store", "ps"), 30, "the end of the command")
    assert inside(shop, "store", "ls -A /data") == "a\nwait"
    inside(shop, "store", "rm /data/wait")


def test_what_lies_elsewhere_is_not_emptied(shop: Host) -> None:
    """Where /backup leads elsewhere nothing is emptied, and no backup is made: what a link leads to is nobody's leftover."""
    inside(shop, "store", "rm -rf /backup /data/*; echo kept > /data/a; ln -s /data /backup")
    failed = backups(shop, "create", "store")
    left = inside(shop, "store", "cat /data/a; rm /backup")

    assert failed.returncode == 1
    assert "/backup is a link" in failed.stderr
    assert left == "kept"


def test_a_mount_is_not_emptied() -> None:
    """Nor is what an image or an engine mounts at /backup or below it."""
    words = (
        "run",
        "--rm",
        "--network",
        "none",
        "--tmpfs",
        "/backup/deep",
        "--entrypoint",
        "sh",
        "hostess-test/echo:1-sh",
        "-c",
    )
    script = 'touch /backup/deep/kept; sh -c "$0" /backup; echo "ended with $?"; ls /backup/deep'

    assert docker(*words, script, EMPTY[2]).split("\n")[-3:-1] == ["ended with 1", "kept"]


def test_volumes_as_they_are(shop: Host, tmp_path: Path) -> None:
    """Of a service without a command the volumes are kept; the documented commands put them back by hand, too."""
    inside(shop, "notes", "mkdir -p /notes/deep; echo keep > /notes/deep/file; chmod 640 /notes/deep/file")
    backup = made(shop, "notes")
    saved = backups(shop, "download", f"notes/{backup['id']}", "--output", str(tmp_path / "notes-ID.tar.zst"))
    inside(shop, "notes", "rm -r /notes/deep")
    [line] = [line.strip() for line in DOCS.read_text().splitlines() if "docker cp - CONTAINER" in line]
    assert saved.returncode == 0, saved.stderr
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("CONTAINER", only(shop, "shop", "notes"))],
        cwd=tmp_path,
        check=True,
    )

    assert inside(shop, "notes", "cat /notes/deep/file; stat -c %a /notes/deep/file") == "keep\n640"


def test_a_damaged_one_is_found(shop: Host) -> None:
    """One byte that is another one is found by verify, and keeps a restore from touching anything."""
    backup = made(shop, "store")
    file = artefact(shop, backup)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    before = inside(shop, "store", "ls -lR /data")

    verified = backups(shop, "verify", f"store/{backup['id']}")
    restored = backups(shop, "restore", "store", "--backup", backup["id"], "--force")

    assert (verified.returncode, restored.returncode) == (1, 1)
    assert "is damaged" in verified.stderr
    assert "is damaged" in restored.stderr
    assert inside(shop, "store", "ls -lR /data") == before
