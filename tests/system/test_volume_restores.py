"""Plain volumes that are restored: files beside, counted, renamed into place; killed at every step it is the old files or the new."""

import json
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.host import Host, Repository, a_repository, docker, until
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  notes:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    visibility: public
    health: {{http: /health, interval: 1s}}
    persistence: [{{name: notes, mount: {mount}}}, {{name: more, mount: /srv/more}}]
  bare:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    health: {{http: /health, interval: 1s}}
    persistence: {{mount: /data}}
"""
FILL = """cd {mount}
rm -rf ..?* .[!.]* *; mkdir -p deep/er both; echo {word} > deep/er/file; chmod 640 deep/er/file; chown 7:8 deep/er/file
ln -s deep/er/file link; echo {word} > .hidden; echo {word} > both/one; echo {word} > /srv/more/file; sync"""
LIVE = """cd {mount}
rm -rf both deep .hidden; echo live > both; echo live > ..odd; echo live > 'a name'; echo live > /srv/more/file; sync"""
LOOK = (
    "cd {mount}; ls -lAR . | grep -v '^total'; cat link both .hidden ..odd 'a name' /srv/more/file 2>/dev/null || true"
)


@pytest.fixture(scope="module")
def repository(host: Host) -> Repository:
    """Push the stack."""
    made = a_repository(host, "shop", {"hostess.yml": STACK.format(mount="/notes")})
    pushed(made)
    return made


def inside(host: Host, script: str, mount: str = "/notes") -> str:
    """Run a script in the service's container."""
    filled = script.replace("{mount}", mount).replace("{word}", "kept")
    return docker("exec", only(host, "shop", "notes"), "sh", "-c", filled).strip()


def backups(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command about backups."""
    return host.hostess("backups", *words, "-p", "shop")


def made(host: Host, service: str = "notes") -> str:
    """Take a backup, which must work; return its id."""
    ran = backups(host, "create", service, "-o", "json")
    assert ran.returncode == 0, ran.stderr + host.log()
    return str(json.loads(ran.stdout)["id"])


def newest(host: Host) -> Mapping[str, Any]:
    """Return the record of the newest restore."""
    [[record]] = host.query("SELECT record FROM restores ORDER BY seq DESC LIMIT 1")
    found: Mapping[str, Any] = json.loads(str(record))
    return found


def test_there_and_back(host: Host, repository: Repository) -> None:
    """Everything is as it was, owners and links too, in all volumes; and what was before the restore is in its safety backup."""
    inside(host, FILL)
    kept, container, backup = inside(host, LOOK), only(host, "shop", "notes"), made(host)
    inside(host, LIVE)
    live = inside(host, LOOK)

    ran = backups(host, "restore", "notes", backup, "--force", "-o", "json")
    assert ran.returncode == 0, ran.stderr
    assert inside(host, LOOK) == kept != live
    assert only(host, "shop", "notes") == container
    assert host.get("shop-notes.localhost")[0] == 200

    back = backups(host, "restore", "notes", json.loads(ran.stdout)["safety"], "--force", "--pause")
    assert back.returncode == 0, back.stderr
    assert inside(host, LOOK) == live
    assert repository.push().returncode == 0


KILLED = [
    ("before check", "live"),
    ("before unpack", "live"),
    ("after unpack", "live"),
    ("before aside", "live"),
    ("after aside", "live"),
    ("before put_in", "kept"),
    ("after put_in", "kept"),
]


@pytest.mark.parametrize(("moment", "wanted"), KILLED)
def test_a_killed_daemon_leaves_old_or_new(host: Host, repository: Repository, moment: str, wanted: str) -> None:
    """After kill -9 of the daemon at a step the service runs with all old files or all new ones, and nothing is left beside."""
    assert repository.host is host
    inside(host, FILL)
    files = {"kept": inside(host, LOOK)}
    backup = made(host)
    inside(host, LIVE)
    files["live"] = inside(host, LOOK)
    host.stop()
    host.start(module="tests.system.mortal_restore", extra={"MORTAL_AT": moment})
    with host.begin("backups", "restore", "notes", backup, "--force", "--no-safety-backup", "-p", "shop") as restoring:
        assert host.process is not None
        assert host.process.wait(180) == -signal.SIGKILL
        restoring.kill()
    host.start()

    until(lambda: newest(host)["state"] != "running", 60, "the end of the restore")
    assert newest(host)["state"] == ("ok" if wanted == "kept" else "failed")
    until(lambda: host.get("shop-notes.localhost")[0] == 200, 60, "the service")
    assert inside(host, LOOK) == files[wanted]
    beside = ("ps", "-aq", "--filter", f"label=sh.hostess.deployment=restore-{newest(host)['id']}")
    until(lambda: not docker(*beside).split(), 60, "the end of what was beside")


def test_what_does_not_fit_is_refused(host: Host, repository: Repository) -> None:
    """A backup of another directory, and an image without a shell: both are refused with what to do, before anything is changed."""
    backup, bare = made(host), made(host, "bare")
    shell = backups(host, "restore", "bare", bare, "--force", "--no-safety-backup")
    repository.write({"hostess.yml": STACK.format(mount="/elsewhere")})
    repository.commit()
    pushed(repository)
    unfit = backups(host, "restore", "notes", backup, "--force")
    repository.write({"hostess.yml": STACK.format(mount="/notes")})
    repository.commit()
    pushed(repository)

    assert (shell.returncode, unfit.returncode) == (1, 2)
    assert "the image of bare has not what it takes to move its files" in shell.stderr
    assert "the data is as it was" in shell.stderr
    assert "it holds /notes, /srv/more, and what is mounted now is /elsewhere, /srv/more" in unfit.stderr
    assert "puts files back by hand" in unfit.stderr
