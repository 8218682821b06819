"""Recovery of PostgreSQL to a moment: base backups and the log of every change, with real kills, gaps and damage."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.host import Host, a_repository, docker, until
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  database:
    type: postgres
    resources: small
    special: {version: 16}
    backups: {schedule: "0 3 1 1 *", retention: 7, pitr: true}
"""


@pytest.fixture(scope="module")
def shop(host: Host) -> Host:
    """Push the stack, make a table, and wait until moments can be recovered to."""
    pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
    psql(host, "CREATE TABLE data (word text, at timestamptz DEFAULT clock_timestamp())")
    until(lambda: windows(host), 60, "the first base backup")
    return host


def psql(host: Host, sql: str) -> str:
    """Ask PostgreSQL."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "database", "-c", sql]
    return docker("exec", only(host, "shop", "database"), *words).strip()


def windows(host: Host) -> list[Mapping[str, Any]]:
    """Return the moments that can be recovered to."""
    listed = host.hostess("backups", "list", "-p", "shop", "-o", "json")
    assert listed.returncode == 0, listed.stderr + host.log()
    found: list[Mapping[str, Any]] = json.loads(listed.stdout)["recoverable"].get("database", [])
    return found


def now(host: Host) -> str:
    """Return the moment that it is, once another one has come: what is written next is written later."""
    moment = psql(host, "SELECT clock_timestamp()")
    psql(host, "SELECT pg_sleep(0.01)")
    return moment


def test_a_moment_is_recovered(shop: Host) -> None:
    """A database gets what it had at a moment, of which base and log are told; what came later is in the safety backup."""
    psql(shop, "INSERT INTO data VALUES ('wanted')")
    moment = now(shop)
    psql(shop, "INSERT INTO data VALUES ('unwanted'); DELETE FROM data WHERE word = 'wanted'")

    done = shop.hostess("backups", "restore", "database", "--to", moment, "--force", "-p", "shop")

    assert done.returncode == 0, done.stderr + shop.log()
    assert psql(shop, "SELECT word FROM data") == "wanted"
    assert "found: the last transaction is" in done.stderr
    assert "found: database has 1 tables with 1 rows" in done.stderr
