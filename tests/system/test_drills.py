"""Drills: backups that are proved by restoring them, and those that cannot be restored."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hostess.domain.backups.drills import AMCHECK
from tests.system.host import Host, a_repository, docker, until
from tests.system.sources import only, pushed
from tests.system.watching import caught

STACK = """version: "1.0"
services:
  database:
    type: postgres
    resources: small
    databases: {one: []}
    special: {version: 16, extensions: [pg_trgm]}
    backups:
      schedule: "0 3 1 1 *"
      drill: ["SELECT NOT EXISTS (SELECT FROM pg_tables WHERE tablename = 'broken')", "SELECT count(*) FROM pg_tables"]
  cache: {type: redis, resources: small, special: {version: 7}}
"""


@pytest.fixture(scope="module")
def shop(host: Host) -> Host:
    """Push the stack and store something."""
    pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
    sql = (
        "CREATE TABLE data AS SELECT generate_series(1, 1000) AS n; CREATE INDEX ON data (n);"
        "CREATE TABLE parts (n int PRIMARY KEY, text text) PARTITION BY RANGE (n);"
        "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (1, repeat('x', 9999))"
    )
    docker("exec", only(host, "shop", "database"), "psql", "-U", "postgres", "-d", "database__one", "-c", sql)
    docker("exec", only(host, "shop", "cache"), "redis-cli", "SET", "short", "x", "EX", "1")
    docker("exec", only(host, "shop", "cache"), "redis-cli", "SET", "word", "x")
    return host


def made(host: Host, service: str) -> str:
    """Make a backup, which must work, and return its id."""
    done = host.hostess("backups", "create", service, "--project", "shop", "-o", "json")
    assert done.returncode == 0, done.stderr + host.log()
    return str(json.loads(done.stdout)["id"])


def listed(host: Host) -> Mapping[str, Any]:
    """Return what `hostess backups list` tells."""
    found: Mapping[str, Any] = json.loads(host.hostess("backups", "list", "-p", "shop", "-o", "json").stdout)
    return found


def proof(host: Host, backup: str) -> Mapping[str, Any] | None:
    """Return how the drill of a backup went; None while it has not ended."""
    [found] = [each["proof"] for each in listed(host)["items"] if each["id"] == backup]
    return found  # type: ignore[no-any-return]


def told(host: Host, kind: str, backup: str) -> str:
    """Return the one event of that kind about a backup; it comes after the proof."""
    sql = "SELECT message FROM events WHERE kind = ? AND json_extract(data, '$.backup') = ?"
    until(lambda: host.query(sql, kind, backup), 30, f"the event {kind}")
    [[message]] = host.query(sql, kind, backup)
    return str(message)


def beside(host: Host) -> list[str]:
    """Return the containers of drills."""
    label = f"label=sh.hostess.instance={host.instance}"
    return [
        name for name in docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split() if "drill-" in name
    ]


@pytest.mark.parametrize("service", ["database", "cache"])
def test_a_backup_is_proved_when_it_was_taken(shop: Host, service: str) -> None:
    """A small backup is restored into a container without a network at once; the list says when that last worked, an event, too."""
    backup = caught(lambda: made(shop, service), lambda _: bool(beside(shop)), partial(proof, shop), "the container")
    until(lambda: proof(shop, backup), 120, "the drill")

    assert proof(shop, backup) == {**(proof(shop, backup) or {}), "problem": ""}
    assert listed(shop)["last_proven"][service]
    assert f"{service}: last proven restore" in shop.hostess("backups", "list", "-p", "shop").stderr
    assert "all of it is there" in told(shop, "backup.proven", backup)
    until(lambda: not beside(shop), 30, "the end of the throw-away container")


def test_a_backup_that_cannot_be_restored_is_told(shop: Host) -> None:
    """When what a backup has is not what its manifest tells, its drill fails: listed, as an event, and nothing is left of it."""
    backup = made(shop, "database")
    until(lambda: proof(shop, backup), 120, "the first drill")
    [manifest] = (shop.data / "backups" / "shop" / "production" / "database").glob(f"*{backup}*.json")
    tells = json.loads(manifest.read_text())
    [table] = [each["tables"][0] for each in tells["databases"] if each["name"] == "database__one"]
    table["rows"] = 999
    manifest.write_text(json.dumps(tells))
    shop.stop()
    shop.start(module="tests.system.punctual")
    try:
        until(lambda: (proof(shop, backup) or {})["problem"], 120, "the daily drill")
    finally:
        shop.stop()
        shop.start()

    assert "public.data has 1000 rows, and had 999" in (proof(shop, backup) or {})["problem"]
    assert "could not be restored" in told(shop, "backup.drill-failed", backup)
    assert "FAILED" in shop.hostess("backups", "list", "-p", "shop", "--service", "database").stdout
    until(lambda: not beside(shop), 30, "the end of the throw-away container")


def test_a_killed_daemon_leaves_no_drill(shop: Host) -> None:
    """After kill -9 of the daemon in the middle of a drill its container is removed, and the backup is as good as it was."""
    backup = caught(lambda: made(shop, "database"), lambda _: bool(beside(shop)), partial(proof, shop), "the container")
    shop.kill()
    shop.start()

    until(lambda: not beside(shop), 60, "the end of the throw-away container")
    assert [each["state"] for each in listed(shop)["items"] if each["id"] == backup] == ["ok"]


def test_the_files_own_statements_judge(shop: Host) -> None:
    """A statement of hostess.yml that says false in what was restored fails the drill, and is named; afterwards it works again."""
    server = only(shop, "shop", "database")
    docker("exec", server, "psql", "-U", "postgres", "-d", "database", "-c", "CREATE TABLE broken ()")
    backup = made(shop, "database")
    until(lambda: proof(shop, backup), 60, "the drill")
    docker("exec", server, "psql", "-U", "postgres", "-d", "database", "-c", "DROP TABLE broken")
    after = made(shop, "database")
    until(lambda: proof(shop, after), 60, "the drill")

    failed, well = proof(shop, backup), proof(shop, after)
    assert failed is not None
    assert well is not None
    assert "tablename = 'broken')` says false" in failed["problem"]
    assert well["problem"] == ""


@pytest.fixture
def server() -> Iterator[str]:
    """Give a server of its own, whose files can be changed while it is stopped."""
    name = f"ht-{os.getpid()}-torn"
    docker("run", "-d", "--name", name, "--network", "none", "-e", "POSTGRES_HOST_AUTH_METHOD=trust", "postgres:16")
    try:
        yield name
    finally:
        docker("rm", "-f", "-v", name)


def asked(server: str, sql: str) -> subprocess.CompletedProcess[str]:
    """Ask it over TCP, which it takes when it is made, as a drill asks."""
    words = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres")
    return subprocess.run(
        ["docker", "exec", "-i", server, *words], input=sql, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_damaged_index_is_found(server: str, tmp_path: Path) -> None:
    """The check of indexes passes over whole ones, and names one of which a page is gone."""
    until(lambda: asked(server, "SELECT 1").returncode == 0, 60, "the server")
    sql = "CREATE TABLE torn AS SELECT generate_series(1, 5000) AS n; CREATE INDEX torn_by_n ON torn (n);"
    path = asked(
        server,
        f"{sql} CHECKPOINT; SELECT current_setting('data_directory') || '/' || pg_relation_filepath('torn_by_n');",
    )
    whole = asked(server, AMCHECK)
    docker("stop", server)
    docker("cp", f"{server}:{path.stdout.strip()}", str(tmp_path / "index"))
    with (tmp_path / "index").open("r+b") as file:
        file.seek(2 * 8192)
        file.write(bytes(8192))
    docker("cp", "-a", str(tmp_path / "index"), f"{server}:{path.stdout.strip()}")
    docker("start", server)
    until(lambda: asked(server, "SELECT 1").returncode == 0, 60, "the server")
    damaged = asked(server, AMCHECK)

    assert whole.returncode == 0, whole.stderr
    assert damaged.returncode == 3
    assert "torn_by_n" in damaged.stderr
