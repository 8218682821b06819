"""Major upgrades of PostgreSQL with real servers (the images stand for 15 and 17): old or new, whatever is killed, and no row less."""

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.system.host import Host, Repository, a_host, a_repository, docker, until
from tests.system.sources import only, pushed, revised

STACK = """version: "1.0"
services:
  web:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    health: {http: /health, interval: 1s}
    resources: {cpu: 0.5, memory: 128Mi}
    env: {DATABASE: "${database.url}", MARK: "%s"}
  database: {type: postgres, resources: small, databases: per_service, special: {version: 16, extensions: [pg_trgm]}}
"""
OLD, NEW = "15", "17"
TO_NEW = ("services", "upgrade", "database", "--version", NEW, "--force", "-p", "shop")


def psql(host: Host, sql: str, database: str = "database__web") -> str:
    """Ask PostgreSQL as its owner."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]
    return docker("exec", only(host, "shop", "database"), *words).strip()


def as_consumer(host: Host, sql: str) -> str:
    """Ask PostgreSQL by the URL that the consumer was started with."""
    values = json.loads(docker("inspect", "--format", "{{json .Config.Env}}", only(host, "shop", "web")))
    url = next(value.partition("=")[2] for value in values if value.startswith("DATABASE="))
    return docker("exec", only(host, "shop", "database"), "psql", url, "-XAtqc", sql).strip()


def server(host: Host) -> str:
    """Return the major of the server that runs."""
    return str(int(psql(host, "SHOW server_version_num")) // 10000)


def volumes(host: Host) -> list[str]:
    """Return the volumes of the database."""
    return docker("volume", "ls", "-q", "--filter", f"label=sh.hostess.instance={host.instance}").split()


def dumped(host: Host) -> list[str]:
    """Return the backups that were taken before something was done to the database."""
    listed = json.loads(host.hostess("backups", "list", "-p", "shop", "-o", "json").stdout)["items"]
    return [each["id"] for each in listed if each["trigger"] == "pre-restore"]


@pytest.fixture
def stocked(host: Host) -> Repository:
    """Give the stack, freshly pushed, with something in its database."""
    repository = a_repository(host, "shop", {"hostess.yml": STACK % "one"})
    pushed(repository)
    psql(
        host,
        "CREATE TABLE data AS SELECT g, md5(g::text) FROM generate_series(1, 5000) g; GRANT ALL ON data TO database__web",
    )
    psql(host, "ALTER DATABASE database__web SET search_path = public, pg_catalog")
    return repository


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation of the test's own: there is one database in it, and it may be killed."""
    with a_host(tmp_path_factory.mktemp("host")) as running:
        yield running


def upgrade(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return host.hostess("services", "upgrade", "database", *words, "--force", "-p", "shop")


def test_a_database_is_brought_to_a_later_major(host: Host, stocked: Repository) -> None:
    """Rows, users, settings and extensions are there, consumers run on with their credentials, later pushes and rollbacks stay with it."""
    web, before = only(host, "shop", "web"), volumes(host)
    assert server(host) == OLD

    done = upgrade(host, "--version", "17")

    assert done.returncode == 0, done.stderr + host.log()
    assert server(host) == NEW
    assert only(host, "shop", "web") == web
    assert as_consumer(host, "SELECT count(*) FROM data; INSERT INTO data VALUES (0, 'new')") == "5000"
    assert psql(host, "SHOW search_path") == "public, pg_catalog"
    assert psql(host, "SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'") == "pg_trgm"
    assert psql(host, "SHOW data_checksums") == "on"
    assert set(before) < set(volumes(host))

    container = only(host, "shop", "database")
    output = revised(stocked, {"hostess.yml": STACK % "two"})
    assert "stays at PostgreSQL 17" in output
    assert only(host, "shop", "database") == container
    assert host.hostess("rollback", "v1", "-p", "shop").returncode == 0
    assert only(host, "shop", "database") == container
    assert as_consumer(host, "SELECT count(*) FROM data") == "5001"
    dumps = dumped(host)
    again = upgrade(host, "--version", "17")
    assert (again.returncode, "to a later major alone" in again.stderr) == (1, True)
    assert dumped(host) == dumps
    assert as_consumer(host, "INSERT INTO data VALUES (-1, 'still writable'); SELECT count(*) FROM data") == "5002"

    assert before[0] in upgrade(host, "--drop-old").stdout
    assert not set(before) & set(volumes(host))
    assert as_consumer(host, "SELECT count(*) FROM data") == "5002"


def test_a_new_server_that_is_killed_in_the_hand_over_leaves_the_old_one(host: Host, stocked: Repository) -> None:
    """When the new server dies before it is well, the old one serves with every row, takes writes, and the upgrade can be tried again."""
    assert stocked.project == "shop"
    before = volumes(host)
    with host.begin(*TO_NEW) as upgrading:
        until(lambda: host.containers("service=database", "release=2", "role=replica"), 90, "the hand-over")
        [new] = host.containers("service=database", "release=2", "role=replica")
        until(lambda: docker("inspect", "--format", "{{.State.Running}}", new).strip() == "true", 30, "its start")
        docker("kill", new)
        said = upgrading.communicate(timeout=180)[1]
        assert upgrading.returncode == 1, said

    assert server(host) == OLD
    until(lambda: "data-" not in under_way(host), 60, "the end of it")
    assert as_consumer(host, "INSERT INTO data VALUES (0, 'new'); SELECT count(*) FROM data") == "5001"
    assert volumes(host) == before
    assert upgrade(host, "--version", "17").returncode == 0
    assert server(host) == NEW
    assert as_consumer(host, "SELECT count(*) FROM data") == "5001"


def under_way(host: Host) -> str:
    """Return what the journal has of upgrades that are not finished."""
    [[notes]] = host.query("SELECT value FROM facts WHERE name LIKE '%upgrades under way'")
    return str(notes)


def test_a_killed_daemon_leaves_the_old_or_the_new(host: Host, stocked: Repository) -> None:
    """After kill -9 at any step the database is the old one or the new one, with every row, and takes writes; nothing is left beside."""
    assert stocked.project == "shop"
    before = volumes(host)
    moments = {"after fence": OLD, "after fill": OLD, "before switch": OLD, "after switch": NEW}
    for rows, (moment, wanted) in enumerate(moments.items(), 5001):
        host.stop()
        host.start(module="tests.system.mortal_upgrade", extra={"MORTAL_AT": moment})
        with host.begin(*TO_NEW) as upgrading:
            assert host.process is not None
            assert host.process.wait(180) == -signal.SIGKILL, moment
            upgrading.kill()
        assert "data-" in under_way(host), moment
        host.start()

        until(lambda: "data-" not in under_way(host), 90, f"the end of what was killed {moment}")
        until(lambda: len(host.containers("service=database")) == 1, 60, f"one server after it was killed {moment}")
        assert server(host) == wanted, moment
        assert as_consumer(host, "INSERT INTO data VALUES (0, 'new'); SELECT count(*) FROM data") == str(rows), moment
        assert len(volumes(host)) == len(before) + (wanted == NEW), moment


REDIS = """version: "1.0"
services:
  cache: {type: redis, resources: small, special: {version: %d}}
"""


def test_a_backup_of_redis_is_restored_into_a_later_major(host: Host) -> None:
    """What a redis of one major had is what one of the next major has after a restore; a safety backup was taken first."""
    repository = a_repository(host, "shop", {"hostess.yml": REDIS % 7})
    pushed(repository)
    assert redis(host, "SET", "word", "of seven") == "OK"
    assert redis(host, "-n", "3", "RPUSH", "list", "a", "b") == "2"
    made = json.loads(host.hostess("backups", "create", "cache", "-p", "shop", "-o", "json").stdout)
    revised(repository, {"hostess.yml": REDIS % 8})
    assert redis(host, "SET", "word", "of eight") == "OK"
    assert redis(host, "-n", "3", "DEL", "list") == "1"

    done = host.hostess("backups", "restore", "cache", made["id"], "--force", "-p", "shop", "-o", "json")

    assert done.returncode == 0, done.stderr + host.log()
    assert (redis(host, "GET", "word"), redis(host, "-n", "3", "LRANGE", "list", "0", "-1")) == ("of seven", "a\nb")
    assert "redis_version:8" in redis(host, "INFO", "server")
    assert json.loads(done.stdout)["safety"] in dumped(host)


def redis(host: Host, *words: str) -> str:
    """Ask Redis."""
    return docker("exec", only(host, "shop", "cache"), "redis-cli", *words).strip()
