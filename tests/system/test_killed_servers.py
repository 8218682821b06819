"""Servers that are killed with -9 while they are restored, drilled or upgraded: old data or new, told, and the next try works."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from tests.system.acting import done
from tests.system.host import Host, a_host, a_repository, docker, until
from tests.system.sources import only, pushed
from tests.system.watching import caught

STACK = """version: "1.0"
services:
  database: {type: postgres, resources: small, special: {version: 16}}
  cache: {type: redis, resources: small, special: {version: 7}}
"""
# Loading waits as long as this file is there.
HOLD = """CREATE FUNCTION hold(word text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
    WHILE (pg_stat_file('/tmp/hold', true)).size IS NOT NULL LOOP PERFORM pg_sleep(0.05); END LOOP; RETURN true; END $$;
CREATE TABLE data (word text CHECK (public.hold(word))); INSERT INTO data VALUES ('kept')"""
LOADING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%data%' AND state = 'active' AND datname <> 'database'"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Push the stack to an installation of its own, and store a word in both."""
    with a_host(tmp_path_factory.mktemp("host")) as host:
        pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
        psql(host, HOLD)
        docker("exec", only(host, "shop", "cache"), "redis-cli", "SET", "word", "kept")
        yield host


def psql(host: Host, sql: str, project: str = "shop") -> str:
    """Ask PostgreSQL."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "database", "-c", sql]
    return docker("exec", only(host, project, "database"), *words).strip()


def made(host: Host, service: str, project: str = "shop") -> str:
    """Take a backup, which must work; return its id."""
    return str(json.loads(done(host, "backups", "create", service, "-p", project, "-o", "json"))["id"])


def proof(host: Host, backup: str) -> Mapping[str, Any] | None:
    """Return what the list says of a drill."""
    listed = json.loads(done(host, "backups", "list", "-p", "shop", "-o", "json"))["items"]
    [found] = [each["proof"] for each in listed if each["id"] == backup]
    return found  # type: ignore[no-any-return]


def tasks(host: Host, mark: str, *, running: bool = False) -> list[str]:
    """Return the containers that were started for a task whose mark begins like that."""
    label = "--filter", f"label=sh.hostess.instance={host.instance}"
    what = '{{.ID}} {{.Label "sh.hostess.deployment"}}'
    listed = docker("ps", *(() if running else ("-a",)), *label, "--format", what).splitlines()
    return [line.split()[0] for line in listed if line.split()[-1].startswith(mark)]


def answers(host: Host, service: str) -> bool:
    """Whether the server is back."""
    if not host.containers("project=shop", f"service={service}", "role=replica", running=True):
        return False
    probe = ("pg_isready", "-h", "127.0.0.1") if service == "database" else ("redis-cli", "PING")
    words = [
        "docker",
        "exec",
        *host.containers("project=shop", f"service={service}", "role=replica", running=True),
        *probe,
    ]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_a_postgres_that_is_killed_while_a_backup_is_loaded(shop: Host) -> None:
    """The restore fails and says so, the data is as it was, nothing is left in the server, and the next restore works."""
    backup = made(shop, "database")
    until(lambda: proof(shop, backup), 120, "its drill")
    psql(shop, "UPDATE data SET word = 'live'")
    docker("exec", only(shop, "shop", "database"), "touch", "/tmp/hold")
    restoring = shop.begin("backups", "restore", "database", backup, "--force", "--no-safety-backup", "-p", "shop")
    until(lambda: psql(shop, LOADING) != "0", 60, "the loading")
    docker("exec", only(shop, "shop", "database"), "rm", "/tmp/hold")
    docker("kill", only(shop, "shop", "database"))
    said = restoring.communicate(timeout=120)[1]

    assert restoring.returncode == 1, said
    assert "the data is as it was" in said
    until(lambda: answers(shop, "database"), 60, "the server")
    assert psql(shop, "SELECT DISTINCT word FROM data") == "live"
    assert "hostess" not in psql(shop, "SELECT string_agg(datname, ' ') FROM pg_database")
    done(shop, "backups", "restore", "database", backup, "--force", "--no-safety-backup", "-p", "shop")
    assert psql(shop, "SELECT DISTINCT word FROM data") == "kept"


def test_a_redis_that_is_killed_while_it_is_restored(shop: Host) -> None:
    """It has all of the old keys or all of the new, what is told fits, and the next restore works."""
    backup = made(shop, "cache")
    until(lambda: proof(shop, backup), 120, "its drill")
    docker("exec", only(shop, "shop", "cache"), "redis-cli", "SET", "word", "live")
    words = ("backups", "restore", "cache", backup, "--force", "--no-safety-backup", "-p", "shop")
    restoring = caught(
        lambda: shop.begin(*words),
        lambda _: bool(tasks(shop, "restore-", running=True)),
        lambda begun: begun.poll() is not None,
        "the server beside",
    )
    docker("kill", only(shop, "shop", "cache"))
    said = restoring.communicate(timeout=120)[1]

    until(lambda: answers(shop, "cache"), 60, "the server")
    word = docker("exec", only(shop, "shop", "cache"), "redis-cli", "GET", "word").strip()
    assert word == ("kept" if restoring.returncode == 0 else "live"), said
    until(lambda: not tasks(shop, "restore-"), 60, "the end of what was beside")
    done(shop, "backups", "restore", "cache", backup, "--force", "--no-safety-backup", "-p", "shop")
    assert docker("exec", only(shop, "shop", "cache"), "redis-cli", "GET", "word").strip() == "kept"


def fails_when_killed(host: Host, service: str) -> bool:
    """Take a backup and kill the throw-away server of its drill; return whether the drill failed."""

    def killed(backup: str) -> bool:
        found = tasks(host, f"drill-{backup}", running=True)
        return (
            bool(found) and not subprocess.run(["docker", "kill", *found], capture_output=True, check=False).returncode
        )

    backup = caught(lambda: made(host, service), killed, partial(proof, host), "the throw-away server")
    until(lambda: proof(host, backup), 120, "the end of the drill")
    return bool((proof(host, backup) or {})["problem"])


@pytest.mark.parametrize("service", ["database", "cache"])
def test_a_server_that_is_killed_in_its_drill(shop: Host, service: str) -> None:
    """The drill fails and is told, nothing is left of it, the live server was not touched, and the next drill proves a backup."""
    live = only(shop, "shop", service)
    # What is killed when all has been seen proves its backup all the same.
    assert any(fails_when_killed(shop, service) for _ in range(5))

    until(lambda: not tasks(shop, "drill-"), 60, "the end of the container")
    assert only(shop, "shop", service) == live
    failures = ("events", "-k", "backup.drill-failed", "-p", "shop")
    until(lambda: "could not be restored" in done(shop, *failures), 30, "the event")
    again = made(shop, service)
    until(lambda: proof(shop, again), 120, "the next drill")
    assert (proof(shop, again) or {})["problem"] == ""


def test_a_new_server_that_is_killed_while_it_is_filled(shop: Host) -> None:
    """The upgrade fails, the old server takes writes again, the volume that was begun is gone."""
    volumes = docker("volume", "ls", "-q", "--filter", f"label=sh.hostess.instance={shop.instance}").split()
    upgrading = shop.begin("services", "upgrade", "database", "--version", "17", "--force", "-p", "shop")
    until(lambda: tasks(shop, "upgrade-", running=True), 90, "the new server")
    docker("kill", *tasks(shop, "upgrade-", running=True))
    said = upgrading.communicate(timeout=120)[1]

    assert upgrading.returncode == 1, said
    until(lambda: not tasks(shop, "upgrade-"), 60, "the end of the container")
    until(lambda: psql(shop, "SHOW default_transaction_read_only") == "off", 60, "writes")
    assert psql(shop, "INSERT INTO data SELECT DISTINCT word FROM data; SELECT count(DISTINCT word) FROM data") == "1"
    assert docker("volume", "ls", "-q", "--filter", f"label=sh.hostess.instance={shop.instance}").split() == volumes


@pytest.mark.parametrize(("moment", "wanted"), [("before swap", "live"), ("after swap", "kept")])
def test_a_daemon_that_is_killed_while_it_restores_from_another_project(shop: Host, moment: str, wanted: str) -> None:
    """The database has what it had or what the other project's had, and the other project's is as it was."""
    if not shop.containers("project=copy", "service=database", "role=replica"):
        pushed(a_repository(shop, "copy", {"hostess.yml": STACK}))
        psql(shop, HOLD, "copy")
    psql(shop, "UPDATE data SET word = 'live'", "copy")
    psql(shop, "UPDATE data SET word = 'kept'")
    backup = made(shop, "database")
    shop.stop()
    shop.start(module="tests.system.mortal_restore", extra={"MORTAL_AT": moment})
    words = (
        "backups",
        "restore",
        "database",
        backup,
        "--from-project",
        "shop",
        "--force",
        "--no-safety-backup",
        "-p",
        "copy",
    )
    with shop.begin(*words) as restoring:
        assert shop.process is not None
        assert shop.process.wait(180) == -signal.SIGKILL
        restoring.kill()
    shop.start()

    until(
        lambda: "running" not in str(shop.query("SELECT record FROM restores ORDER BY seq DESC LIMIT 1")), 60, "the end"
    )
    assert psql(shop, "SELECT DISTINCT word FROM data", "copy") == wanted
    assert psql(shop, "SELECT DISTINCT word FROM data") == "kept"
