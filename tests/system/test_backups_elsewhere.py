"""Backups where things are missing: a disk that is full or gone, a database that dies, and no Hostess at all to restore with."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.host import Host, a_host, a_repository, docker, until
from tests.system.sources import only, pushed

PAGE = Path(__file__).parents[2] / "docs" / "backups.md"
STACK = """version: "1.0"
services:
  app: {type: postgres, resources: small, databases: {own: []}, special: {version: 16}}
  cache: {type: redis, resources: small, special: {version: 7}}
  notes:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {http: /health, interval: 1s}
    resources: {cpu: 0.5, memory: 128Mi}
    persistence: {mount: /notes}
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a disk of 3 MB for backups."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, target: Path) -> Iterator[Host]:
    """Push the stack to an installation with that disk, and store something."""
    with a_host(tmp_path_factory.mktemp("host"), {"HOSTESS_BACKUPS__DIR": str(target / "backups")}) as host:
        (target / "backups").mkdir()
        pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
        for database, rows in (("app", 100), ("app__own", 5)):
            psql(host, f"CREATE TABLE data AS SELECT generate_series(1, {rows}) AS n", database)
        docker("exec", only(host, "shop", "cache"), "redis-cli", "SET", "word", "x")
        yield host


def psql(host: Host, sql: str, database: str = "app") -> str:
    """Ask PostgreSQL."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]
    return docker("exec", only(host, "shop", "app"), *words).strip()


def files(target: Path) -> list[str]:
    """Return all files on the disk."""
    return sorted(path.name for path in target.rglob("*") if path.is_file())


def refused(host: Host, service: str) -> str:
    """Ask for a backup that fails; return what was said, which is in its record and in an event, too."""
    done = host.hostess("backups", "create", service, "--project", "shop", "-o", "json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["state"], told["sha256"], told["proof"]) == ("failed", "", None)
    [[message]] = host.query("SELECT message FROM events WHERE kind = 'backup.failed' ORDER BY id DESC LIMIT 1")
    assert told["problem"] in str(message)
    return str(told["problem"])


def test_a_full_disk(shop: Host, target: Path) -> None:
    """A backup for which the disk has no room fails, says so, and leaves all of the room that there was."""
    before = files(target)
    psql(
        shop,
        "CREATE TABLE large AS SELECT sha512(g::text::bytea) a, sha512((-g)::text::bytea) b FROM generate_series(1, 50000) g",
    )

    assert "No space left on device" in refused(shop, "app")
    assert files(target) == before
    psql(shop, "DROP TABLE large")
    assert shop.hostess("backups", "create", "app", "--project", "shop").returncode == 0


def test_volumes_that_are_too_large(shop: Host, target: Path) -> None:
    """A service whose volumes break off in the middle of their backup runs on as it was; why is told and stays, nothing is left of it."""
    before, notes = files(target), only(shop, "shop", "notes")
    running = docker("inspect", "--format", "{{.State.StartedAt}} {{.State.Running}}", notes)
    docker("exec", notes, "dd", "if=/dev/urandom", "of=/notes/noise", "bs=1000000", "count=6")

    why = refused(shop, "notes")
    assert "No space left on device" in why
    assert files(target) == before
    assert docker("inspect", "--format", "{{.State.StartedAt}} {{.State.Running}}", notes) == running
    docker("exec", notes, "rm", "/notes/noise")
    assert shop.hostess("backups", "create", "notes", "--project", "shop").returncode == 0
    listed = json.loads(shop.hostess("backups", "list", "--service", "notes", "-p", "shop", "-o", "json").stdout)[
        "items"
    ]
    assert [(each["state"], each["problem"]) for each in listed] == [("ok", ""), ("failed", why)]


def test_a_disk_that_is_not_there(shop: Host, target: Path) -> None:
    """Where the folder of backups is missing nothing is made in its place; backups go on when it is back."""
    (target / "backups").rename(target / "gone")

    try:
        assert "the folder of backups is not there" in refused(shop, "cache")
        assert not (target / "backups").exists()
    finally:
        (target / "gone").rename(target / "backups")
    assert shop.hostess("backups", "create", "cache", "--project", "shop").returncode == 0


def test_a_database_that_is_killed(shop: Host, target: Path) -> None:
    """A backup whose database is killed with -9 on the way fails and leaves no object; the next one works."""
    before = files(target)
    psql(shop, "CREATE TABLE IF NOT EXISTS held (n int)")
    words = ["docker", "exec", "-i", only(shop, "shop", "app"), "psql", "-XAtq", "-U", "postgres", "-d", "app"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write("BEGIN; LOCK TABLE held; SELECT 'held';\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        creating = shop.begin("backups", "create", "app", "--project", "shop")
        until(
            lambda: psql(shop, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0", 30, "it"
        )
        docker("kill", only(shop, "shop", "app"))
        said = creating.communicate(timeout=180)[1]
    assert creating.returncode == 1, said
    assert files(target) == before
    until(lambda: shop.hostess("backups", "create", "app", "--project", "shop").returncode == 0, 60, "the next backup")


def test_the_page_restores_without_hostess(shop: Host, tmp_path: Path) -> None:
    """The commands of docs/backups.md restore both kinds of database in bare containers, from the downloaded artefacts alone."""
    for service in ("app", "cache"):
        made = shop.hostess("backups", "create", service, "-p", "shop")
        assert made.returncode == 0, made.stderr
        fetched = shop.hostess(
            "backups", "download", service, "-p", "shop", "-O", str(tmp_path / f"{service}-ID.tar.zst")
        )
        assert fetched.returncode == 0, fetched.stderr
    section = (
        PAGE.read_text(encoding="utf-8").partition("## Restoring from the artefact alone")[2].partition("\n## ")[0]
    )
    first, second, *_ = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    start = "until pg_isready -q -h 127.0.0.1; do sleep 0.1; done; export PGUSER=postgres; cd /artefacts\n"
    check = 'psql -d app -Atc "SELECT count(*) FROM data"'

    with bare(
        "postgres:16", tmp_path, "-e", "POSTGRES_PASSWORD=x", "-e", "POSTGRES_INITDB_ARGS=--data-checksums"
    ) as name:
        script = start + first.replace("database-ID", "app-ID") + check
        done = subprocess.run(
            ["docker", "exec", "-i", name, "sh"], input=script, capture_output=True, text=True, check=True
        )
        assert done.stdout.split()[-1] == "100", done.stderr
        roles = docker(
            "exec", name, "psql", "-U", "postgres", "-Atc", "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"
        )
        assert "app__own" in roles.split()
    unpack, serve = second.strip().splitlines()
    with bare("redis:7", tmp_path, command=("sleep", "600")) as name:
        taken = unpack.replace("cache-ID", f"{tmp_path}/cache-ID")
        taken = taken.replace("> /data/dump.rdb", f"| docker exec -i {name} sh -c 'cat > /data/dump.rdb'")
        subprocess.run(["sh", "-c", taken], check=True)
        docker("exec", "-d", name, "sh", "-c", serve.strip())
        until(lambda: "x" in redis(name, "GET", "word"), 30, "the key")
        assert redis(name, "CONFIG", "SET", "appendonly", "yes") == "OK"


@contextmanager
def bare(image: str, artefacts: Path, *options: str, command: Sequence[str] = ()) -> Iterator[str]:
    """Give a container of an image that sees the artefacts and knows nothing of Hostess."""
    name = docker(
        "run", "-d", "--network", "none", *options, "-v", f"{artefacts}:/artefacts:ro", image, *command
    ).strip()
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def redis(name: str, *words: str) -> str:
    """Ask a bare redis; "" while it does not answer."""
    done = subprocess.run(["docker", "exec", name, "redis-cli", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()
