"""A stack with a postgres and a redis that hold something, and what is asked of its backups."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.host import Host, Repository, docker
from tests.system.sources import only

STACK = """version: "1.0"
services:
  web:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    health: {http: /health, interval: 1s}
    resources: {cpu: 0.5, memory: 128Mi}
    env: {DATABASE: "${database.url}"}
  database: {type: postgres, resources: small, databases: per_service, special: {version: 16}}
  cache: {type: redis, resources: small, special: {version: 7}, backups: {schedule: "0 3 1 1 *", retention: 2}}
"""
ROWS = 20000
FILL = f"""CREATE SCHEMA "odd name";
CREATE TABLE "odd name"."it's" AS SELECT g AS id, md5(g::text) AS word FROM generate_series(1, {ROWS}) g;
CREATE TABLE parts (at int) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
INSERT INTO parts VALUES (1), (2);
CREATE TABLE held (n int);
CREATE VIEW seen AS SELECT count(*) FROM parts;
SELECT lo_from_bytea(4711, 'large');
"""


@dataclass(frozen=True)
class Shop:
    """The stack, live, with something in it."""

    host: Host
    repository: Repository

    def backups(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `hostess backups ...` for the project."""
        return self.host.hostess("backups", *words, "--project", "shop")

    def made(self, service: str) -> Mapping[str, Any]:
        """Make a backup, which must work, and return what was said of it."""
        done = self.backups("create", service, "-o", "json")
        assert done.returncode == 0, done.stderr + self.host.log()
        found: Mapping[str, Any] = json.loads(done.stdout)
        return found

    def listed(self, service: str = "") -> list[Mapping[str, Any]]:
        """Return the backups there are, newest first."""
        done = self.backups("list", "--service", service, "-o", "json")
        assert done.returncode == 0, done.stderr
        found: list[Mapping[str, Any]] = json.loads(done.stdout)["items"]
        return found

    def file(self, backup: Mapping[str, Any]) -> Path:
        """Return where an artefact lies."""
        return self.folder(str(backup["service"])) / str(backup["file"])

    def folder(self, service: str) -> Path:
        """Return where the artefacts of a service lie."""
        return self.host.data / "backups" / "shop" / "production" / service

    def names(self, service: str) -> list[str]:
        """Return what lies there."""
        if not self.folder(service).exists():
            return []
        return sorted(path.name for path in self.folder(service).iterdir())

    def psql(self, sql: str, database: str = "database__web") -> str:
        """Ask PostgreSQL as its owner."""
        words = ["docker", "exec", "-i", only(self.host, "shop", "database"), "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(
            [*words, "-U", "postgres", "-d", database],
            input=sql,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    def redis(self, *words: str) -> str:
        """Ask Redis."""
        return docker("exec", only(self.host, "shop", "cache"), "redis-cli", *words).strip()
