"""The page on coming from elsewhere: its commands bring a database and files into services that run."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.system.host import Host, a_repository, docker, until
from tests.system.sources import only, pushed

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text(encoding="utf-8")
STACK = """version: "1.0"
services:
  database: {type: postgres, resources: small, special: {version: 16}}
  notes:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {http: /health, interval: 1s}
    persistence: {mount: /notes}
"""


def line(beginning: str) -> str:
    """Return the one command of the page that begins like that."""
    [found] = re.findall(rf"^    ({re.escape(beginning)}.*)$", PAGE, re.MULTILINE)
    return str(found)


def test_data_is_brought(host: Host, tmp_path: Path) -> None:
    """Rows of an old server and files of an old folder are there afterwards, and a backup can be taken of them."""
    pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
    old = f"ht-{os.getpid()}-old"
    docker("run", "-d", "--name", old, "--network", "none", "-e", "POSTGRES_HOST_AUTH_METHOD=trust", "postgres:16")
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "files" / "deep" / "note").write_text("kept")
    try:
        ask = ("docker", "exec", old, "psql", "-h", "127.0.0.1", "-U", "postgres", "-c")
        create = "CREATE TABLE data AS SELECT generate_series(1, 100) AS n"
        until(
            lambda: subprocess.run([*ask, create], capture_output=True, check=False).returncode == 0,
            60,
            "the old server",
        )
        there = f"docker exec {old} pg_dump -h 127.0.0.1 -U postgres"
        commands = [
            line("pg_dump ").replace("pg_dump", there).replace("OLD_URL", "-d postgres"),
            line("hostess services exec -T database"),
            line("tar -C OLD_FOLDER").replace("OLD_FOLDER", str(tmp_path / "files")),
            line("hostess backups create database"),
        ]
        for command in commands:
            ours = re.sub(
                r"\bhostess (services exec|backups create)", rf"{sys.executable} -m hostess \1 -p shop", command
            )
            ran = subprocess.run(
                ["bash", "-o", "pipefail", "-c", ours],
                cwd=tmp_path,
                env={**host.environment, "HOSTESS_URL": f"http://{host.api}", "HOSTESS_TOKEN": host.token},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, f"{ours}: {ran.stderr}"
    finally:
        docker("rm", "-f", "-v", old)

    asked = ("psql", "-XAtq", "-U", "postgres", "-d", "database", "-c", "SELECT count(*) FROM data")
    assert docker("exec", only(host, "shop", "database"), *asked).strip() == "100"
    assert docker("exec", only(host, "shop", "notes"), "cat", "/notes/deep/note") == "kept"
