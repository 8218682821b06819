"""Restores that go wrong: damaged artefacts, other rows than told, a daemon that is killed at every step. Old data or new, never half."""

import hashlib
import json
import signal
from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.host import Host, a_repository, docker, until
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  database: {type: postgres, resources: small, databases: {one: [], two: []}, special: {version: 16}}
  cache: {type: redis, resources: small, special: {version: 7}}
"""
DATABASES = ("database", "database__one", "database__two")
"""Each has one table with one row: which data it is."""


@pytest.fixture(scope="module")
def stocked(host: Host) -> Mapping[str, str]:
    """Push the stack, store old data, back it up, store new data; return service -> its backup."""
    pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
    for database in DATABASES:
        psql(host, "CREATE TABLE data AS SELECT 'backed up' AS word", database)
    redis(host, "SET", "word", "backed up")
    made = {service: hostess(host, "create", service)["id"] for service in ("database", "cache")}
    write(host, "live")
    return made


def hostess(host: Host, *words: str) -> Mapping[str, Any]:
    """Run a command about backups, which must work."""
    done = host.hostess("backups", *words, "--project", "shop", "-o", "json")
    assert done.returncode == 0, done.stderr + host.log()
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def psql(host: Host, sql: str, database: str) -> str:
    """Ask PostgreSQL."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]
    return docker("exec", only(host, "shop", "database"), *words).strip()


def redis(host: Host, *words: str) -> str:
    """Ask Redis."""
    return docker("exec", only(host, "shop", "cache"), "redis-cli", *words).strip()


def write(host: Host, word: str) -> None:
    """Store data in both services."""
    for database in DATABASES:
        psql(host, f"UPDATE data SET word = '{word}'", database)
    assert redis(host, "SET", "word", word) == "OK"


def read(host: Host, service: str) -> set[str]:
    """Return which data a service has: of one that is whole there is one answer."""
    if service == "cache":
        return {redis(host, "GET", "word")}
    return {psql(host, "SELECT word FROM data", database) for database in DATABASES}


def left(host: Host) -> list[str]:
    """Return what restores have left: databases, and containers beside."""
    names = psql(host, "SELECT datname FROM pg_database", "template1").split()
    beside = docker(
        "ps", "-a", "--filter", f"label=sh.hostess.instance={host.instance}", "--format", "{{.Names}}"
    ).split()
    return [each for each in (*names, *beside) if "__hostess_" in each or "restore-" in each]


def newest(host: Host) -> Mapping[str, Any]:
    """Return the record of the newest restore."""
    [[record]] = host.query("SELECT record FROM restores ORDER BY seq DESC LIMIT 1")
    found: Mapping[str, Any] = json.loads(str(record))
    return found


KILLED = [
    ("database", "within load", "live"),
    ("database", "before swap", "live"),
    ("database", "after swap", "backed up"),
    ("database", "before make", "backed up"),
    ("cache", "before copy", "live"),
    ("cache", "within copy", ""),
    ("cache", "after copy", "backed up"),
]


@pytest.mark.parametrize(("service", "moment", "wanted"), KILLED)
def test_a_killed_daemon_leaves_old_or_new(
    host: Host, stocked: Mapping[str, str], service: str, moment: str, wanted: str
) -> None:
    """After kill -9 of the daemon at a step of a restore its service has all of the old data or all of the new; nothing is left beside."""
    write(host, "live")
    host.stop()
    host.start(module="tests.system.mortal_restore", extra={"MORTAL_AT": moment})
    command = ["backups", "restore", service, stocked[service], "--force", "--no-safety-backup", "--project", "shop"]
    with host.begin(*command) as restoring:
        assert host.process is not None
        assert host.process.wait(180) == -signal.SIGKILL
        restoring.kill()
    host.start()

    until(lambda: newest(host)["state"] != "running", 60, "the end of the restore")
    until(lambda: not left(host), 60, "the end of what was beside")
    found = read(host, service)
    assert len(found) == 1
    assert found == {"backed up" if newest(host)["state"] == "ok" else "live"}
    assert not wanted or found == {wanted}
    write(host, "written afterwards")
    assert read(host, service) == {"written afterwards"}


def test_what_a_restore_has_left_is_in_no_ones_way(host: Host, stocked: Mapping[str, str]) -> None:
    """Databases that a restore could not remove at its end, because its server was gone, are removed by the next one."""
    write(host, "live")
    for prefix in ("new", "old"):
        name = f"__hostess_{prefix}_{hashlib.sha256(b'database').hexdigest()[:12]}"
        psql(host, f'CREATE DATABASE "{name}"', "template1")

    hostess(host, "restore", f"database/{stocked['database']}", "--force", "--no-safety-backup")

    assert read(host, "database") == {"backed up"}
    assert left(host) == []


def test_a_damaged_artefact_is_not_restored(host: Host, stocked: Mapping[str, str]) -> None:
    """A backup with one byte changed is refused before anything is loaded; the data is as it was, and the reason is told."""
    write(host, "live")
    [file] = (host.data / "backups" / "shop" / "production" / "cache").glob(f"*{stocked['cache']}.tar.zst")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    failed = host.hostess(
        "backups", "restore", "cache", stocked["cache"], "--force", "--no-safety-backup", "-p", "shop"
    )
    file.write_bytes(whole)

    assert failed.returncode == 1
    assert "is damaged" in failed.stderr
    assert "the data is as it was" in failed.stderr
    assert read(host, "cache") == {"live"}


def test_other_rows_than_were_dumped_are_not_put_in_place(host: Host, stocked: Mapping[str, str]) -> None:
    """A backup that has not the rows its manifest tells of is loaded beside and no further: database, table and numbers are named."""
    write(host, "live")
    [manifest] = (host.data / "backups" / "shop" / "production" / "database").glob(f"*{stocked['database']}*.json")
    text = manifest.read_text()
    told = json.loads(text)
    [table] = [each["tables"][0] for each in told["databases"] if each["name"] == "database__two"]
    table["rows"] = 5
    manifest.write_text(json.dumps(told))

    failed = host.hostess("backups", "restore", f"database/{stocked['database']}", "--force", "-p", "shop")
    manifest.write_text(text)

    assert failed.returncode == 1
    assert "database__two was loaded, and is not what was dumped: public.data has 1 rows, and had 5" in failed.stderr
    assert read(host, "database") == {"live"}
    assert left(host) == []


def test_a_restore_asks(host: Host, stocked: Mapping[str, str]) -> None:
    """Without a yes nothing is done."""
    write(host, "live")
    asked = host.hostess("backups", "restore", "cache", stocked["cache"], "--project", "shop", stdin="no\n")

    assert (asked.returncode != 0, "nothing was done" in asked.stderr) == (True, True)
    assert read(host, "cache") == {"live"}
