"""Restores from another project, and what becomes of those who use the database meanwhile."""

import json
from functools import partial

import pytest

from tests.system.acting import Doing, done
from tests.system.host import Host, a_repository, docker
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  web:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    visibility: public
    health: {http: /health, interval: 1s}
    env: {DATABASE: "${database.url}"}
  idle: {type: custom, image: hostess-test/echo:1, ports: [8000], health: {http: /health, interval: 1s}}
  database: {type: postgres, resources: small, special: {version: 16}}
"""


def psql(host: Host, project: str, sql: str) -> str:
    """Ask PostgreSQL of a project."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "database", "-c", sql]
    return docker("exec", only(host, project, "database"), *words).strip()


@pytest.fixture(scope="module")
def projects(host: Host) -> Host:
    """Push two projects of one file, each with a word in its database, and back the first one up."""
    repositories = [a_repository(host, name, {"hostess.yml": STACK}) for name in ("left", "right")]
    for push in [Doing(partial(pushed, each)) for each in repositories]:
        push.result(400)
    for name in ("left", "right"):
        psql(host, name, f"CREATE TABLE data AS SELECT '{name}' AS word")
    done(host, "backups", "create", "database", "-p", "left")
    return host


def test_from_another_project(projects: Host) -> None:
    """A database gets what one of another project had; who uses it is told, their requests wait for the swap, and all are answered."""
    said = projects.hostess(
        *("backups", "restore", "database", "--from-project", "left", "--pause", "--force", "-p", "right")
    )

    assert said.returncode == 0, said.stderr + projects.log()
    assert "it is used by web: requests to them wait while" in said.stderr
    assert (psql(projects, "right", "SELECT word FROM data"), psql(projects, "left", "SELECT word FROM data")) == (
        "left",
    ) * 2
    pauses = json.loads(done(projects, "events", "-k", "pause", "-p", "right", "-o", "json"))
    assert [(each["kind"], each["data"]["service"]) for each in pauses] == [("pause.on", "web"), ("pause.off", "web")]
    assert projects.get("right-web.localhost", "/health")[0] == 200
    newest = json.loads(done(projects, "backups", "list", "-p", "right", "-o", "json"))["items"][0]
    assert newest["trigger"] == "pre-restore"


def test_nobody_gets_what_he_must_not_see(projects: Host) -> None:
    """Who does not administer the other project gets nothing of it, not even that it is there."""
    token = json.loads(done(projects, "tokens", "create", "mine", "--role", "owner", "-p", "right", "-o", "json"))
    refused = projects.hostess(
        *(
            "--token",
            token["token"],
            "backups",
            "restore",
            "database",
            "--from-project",
            "left",
            "--force",
            "-p",
            "right",
        )
    )

    assert refused.returncode == 3
    assert "there is no project left" in refused.stderr
