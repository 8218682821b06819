"""Moments of a PostgreSQL with `pitr`: a stack with one, what is written in it when, and how it is brought back to then."""

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.system.host import Host, docker
from tests.system.sources import only

STACK = """version: "1.0"
services:
  database:
    type: postgres
    resources: small
    special: {version: 16}
    backups: {schedule: "0 3 1 1 *", retention: 7, pitr: true}
"""


def psql(host: Host, sql: str) -> str:
    """Ask PostgreSQL."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "database", "-c", sql]
    return docker("exec", only(host, "shop", "database"), *words).strip()


def write(host: Host, word: str) -> str:
    """Let the table have one row with that word alone; return a moment after it and before whatever is written next."""
    psql(host, f"BEGIN; DELETE FROM data; INSERT INTO data VALUES ('{word}'); COMMIT")
    moment = psql(host, "SELECT clock_timestamp()")
    psql(host, "SELECT pg_sleep(0.01)")
    return moment


def windows(host: Host) -> list[Mapping[str, Any]]:
    """Return the moments that can be recovered to."""
    listed = host.hostess("backups", "list", "-p", "shop", "-o", "json")
    assert listed.returncode == 0, listed.stderr + host.log()
    found: list[Mapping[str, Any]] = json.loads(listed.stdout)["recoverable"].get("database", [])
    return found


def reachable(host: Host, moment: str) -> bool:
    """Whether a moment lies in one of the windows."""
    wanted = datetime.fromisoformat(moment)
    return any(
        datetime.fromisoformat(each["start"]) <= wanted <= datetime.fromisoformat(each["end"]) for each in windows(host)
    )


def restore(host: Host, moment: str) -> subprocess.CompletedProcess[str]:
    """Restore to a moment."""
    return host.hostess("backups", "restore", "database", "--to", moment, "--force", "--no-safety-backup", "-p", "shop")
