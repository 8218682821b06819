"""A host that is gone and comes back from one bundle: API, databases, files, a site, secrets; as docs/recovery.md tells it."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.system.host import Host, a_host, a_repository, docker, echo_files
from tests.system.sources import built, carried, checkout, example, only, prepared, pushed, revised, send

COPY = "cp -r /store /backup/"
BACK = "cp -r /backup/store/. /store/"
STACK = f"""version: "1.0"
services:
  api:
    type: fastapi
    build: {{source: ./backend}}
    env: {{DATABASE_URL: "${{database.url}}", JWT_SECRET: "${{secret:JWT_SECRET}}"}}
    depends_on: [database]
    lifecycle: {{migrate: {{command: [alembic, upgrade, head]}}}}
    replicas: 1
  database: {{type: postgres, resources: small}}
  cache: {{type: redis, resources: small}}
  site: {{type: static, source: public}}
  notes:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {{http: /health, interval: 1s}}
    persistence: {{mount: /notes}}
  store:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {{http: /health, interval: 1s}}
    persistence: {{mount: /store}}
    backups: {{schedule: "0 3 1 1 *", retention: 2, command: [sh, -c, "{COPY}"], restore_command: [sh, -c, "{BACK}"]}}
jobs:
  seed: {{image: "alpine:3", command: [sh, -c, "true"], run: once}}
"""
API, SITE = "shop-api.localhost", "shop-site.localhost"


DOCS = Path(__file__).parents[2] / "docs" / "recovery.md"
KEY, BACKUP, RECOVER = [
    shlex.split(line) for line in re.findall(r"^    hostess (host .*)$", DOCS.read_text(), re.MULTILINE)
]
"""The commands of the page, in its order: they are run as they stand there, beside the file with the key."""


@contextmanager
def sealed_host(folder: Path) -> Iterator[Host]:
    """Give a host whose backups of itself are encrypted for a key that lies elsewhere: in *folder*, as the bundle will."""
    made = subprocess.run(
        [sys.executable, "-m", "hostess", *KEY], cwd=folder, check=True, capture_output=True, text=True
    )
    with a_host(folder / "host", {"HOSTESS_HOST_BACKUP__ENCRYPT_TO": made.stdout.strip()}) as host:
        yield host


def lose(host: Host) -> None:
    """Lose a host: all that is left of it is what was fetched before."""
    host.remove()
    shutil.rmtree(host.data)


def recover(host: Host, *, module: str = "hostess", at: str = "") -> subprocess.Popen[str]:
    """Start to bring it back, as the only command there is."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *RECOVER],
        cwd=host.folder.parent,
        env={**host.environment, "PYTHONPATH": str(DOCS.parents[1]), **({"MORTAL_AT": at} if at else {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return exit code, output and what was told of a command that ends."""
    out, told = process.communicate(timeout=400)
    return process.returncode, out, told


def psql(host: Host, sql: str, database: str = "database") -> str:
    """Ask PostgreSQL."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]
    return docker("exec", only(host, "shop", "database"), *words).strip()


def inside(host: Host, service: str, *words: str) -> str:
    """Run a command in a service's container."""
    return docker("exec", only(host, "shop", service), *words).strip()


def fetched(host: Host) -> Path:
    """Take a backup of the host into a file elsewhere; return that file."""
    done = subprocess.run(
        [sys.executable, "-m", "hostess", *BACKUP],
        cwd=host.folder.parent,
        env={**host.environment, "HOSTESS_URL": f"http://{host.api}", "HOSTESS_TOKEN": host.token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + host.log()
    [listed] = json.loads(host.hostess("host", "backups", "-o", "json").stdout)["items"]
    bundle = host.folder.parent / BACKUP[-1]
    kept = host.data / "backups" / "host" / str(listed["file"])
    assert (listed["state"], kept.read_bytes()) == ("ok", bundle.read_bytes())
    return bundle


def stocked(host: Host) -> None:
    """Push everything and put data everywhere."""
    files = {**example("fastapi-postgres"), "hostess.yml": STACK, "public/index.html": "the site"}
    pushed(prepared(host, "shop", files, {"JWT_SECRET": "a-secret-of-the-shop"}))
    psql(host, "CREATE TABLE kept AS SELECT n, 'row ' || n AS word FROM generate_series(1, 1000) n")
    psql(host, "INSERT INTO items (name, created_by) VALUES ('a lamp', 'ann')")
    inside(host, "cache", "redis-cli", "SET", "word", "kept")
    inside(host, "notes", "sh", "-c", "echo a note > /notes/note; chmod 0640 /notes/note")
    inside(host, "store", "sh", "-c", "echo in store > /store/thing")


def data(host: Host) -> Mapping[str, str]:
    """Return what is kept everywhere."""
    return {
        "rows": psql(host, "SELECT count(*), md5(string_agg(word, ',' ORDER BY n)) FROM kept"),
        "cache": inside(host, "cache", "redis-cli", "GET", "word"),
        "notes": inside(host, "notes", "sh", "-c", "cat /notes/note; stat -c %a /notes/note"),
        "store": inside(host, "store", "cat", "/store/thing"),
        "site": host.get(SITE)[1],
        "secret": inside(host, "api", "printenv", "JWT_SECRET"),
        "items": send(host, API, "GET", "/items")[1],
    }


def test_a_lost_host_comes_back(tmp_path: Path) -> None:
    """One command on an empty host brings back every answer and every row; then push and tokens work as before (55)."""
    with sealed_host(tmp_path) as host:
        stocked(host)
        token, before, bundle = host.token, data(host), fetched(host)
        assert b"a-secret-of-the-shop" not in bundle.read_bytes()

        refused, out, told = said(recover(host))
        assert (refused, out) == (7, ""), told
        assert "another daemon runs" in told
        host.stop()
        refused, out, told = said(recover(host))
        assert (refused, out) == (7, ""), told
        assert "is not empty: there is hostess.db, key, owner-token, repos/" in told
        assert data(host) == before

        lose(host)
        code, out, told = said(recover(host))

        assert code == 0, told
        assert re.fullmatch(r"recovered in \d+\.\d s: 1 environment serves again\n", out), out
        assert data(host) == before
        assert not (host.data / "recovering.json").exists()
        assert "a-secret-of-the-shop" not in told

        host.start()
        assert host.token == token
        assert data(host) == before
        assert host.query("SELECT outcome FROM runs WHERE json_extract(record, '$.job') = 'seed'") == [("done",)]
        repository = checkout(host, "shop")
        output = revised(repository, {"public/index.html": "a second page"})
        assert carried(output) >= {"database", "cache", "api"}
        assert built(output) == []
        assert host.query("SELECT outcome FROM runs WHERE json_extract(record, '$.job') = 'seed'") == [("done",)]
        assert host.get(SITE)[1] == "a second page"
        assert {**data(host), "site": ""} == {**before, "site": ""}


SMALL = """version: "1.0"
services:
  web:
    type: custom
    build: {source: .}
    ports: [8000]
    visibility: public
    health: {http: /health, interval: 1s, retries: 3}
    depends_on: [database]
    env: {DATABASE_URL: "${database.url}"}
  database: {type: postgres, resources: small}
"""
MOMENTS = ("before put", "after put", "after rebuilt", "after repair", "before swap", "after swap", "after bring_back")


def test_a_recovery_that_is_killed_goes_on(tmp_path: Path) -> None:
    """Killed with -9 at every step, the same command ends it; each row is there once, and nothing that uses it was started before."""
    with sealed_host(tmp_path) as host:
        pushed(a_repository(host, "shop", {**echo_files(), "hostess.yml": SMALL}))
        psql(host, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 100) n")
        fetched(host)
        lose(host)

        for moment in MOMENTS:
            code, out, told = said(recover(host, module="tests.system.mortal_recovery", at=moment))
            assert (code, out) == (-signal.SIGKILL, ""), f"{moment}: {told}"
            if (host.data / "hostess.db").exists():
                assert host.containers("project=shop", "service=web") == [], moment
        code, out, told = said(recover(host))

        assert code == 0, told
        assert "1 environment serves again" in out
        assert psql(host, "SELECT count(*) FROM kept") == "100"
        assert psql(host, "SELECT count(*) FROM pg_database WHERE NOT datistemplate") == "2"
        assert host.get("shop-web.localhost")[0] == 200
