"""Everything that a PostgreSQL can hold goes through backup, drill and restore of a real server; what is left out is told."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from tests.system.host import Host, a_repository, docker, until
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  database: {type: postgres, resources: small, special: {version: 16, extensions: [hstore]}}
"""
ODD = 'odd "näme" of; it'
"""The name of another database."""
QUOTED = '"' + ODD.replace('"', '""') + '"'
ALIKE = "shop__hostess_copy"
SORTED = "sorted"
"""The name of one that the ICU sorts, capital letters first."""


class Kind(NamedTuple):
    """Something that a database can hold: how it is made, how it is lost, and a question that only it answers like that."""

    made: str
    lost: str
    asked: str
    database: str = "database"


KINDS = {
    "large objects": Kind(
        "SELECT lo_from_bytea(4711, 'large')", "SELECT lo_unlink(4711)", "SELECT convert_from(lo_get(4711), 'UTF8')"
    ),
    "no columns": Kind(
        "CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES",
        "DROP TABLE nothing",
        "SELECT count(*) FROM nothing",
    ),
    "generated columns": Kind(
        "CREATE TABLE made (a int, b int GENERATED ALWAYS AS (a * 2) STORED, i int GENERATED ALWAYS AS IDENTITY);"
        "INSERT INTO made (a) VALUES (4), (5)",
        "DROP TABLE made",
        "SELECT string_agg(concat(a, b, i), ' ' ORDER BY a) FROM made",
    ),
    "partitions": Kind(
        "CREATE TABLE parts (n int) PARTITION BY LIST (n); CREATE TABLE one PARTITION OF parts FOR VALUES IN (1);"
        "CREATE TABLE rest PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1), (2), (3)",
        "DROP TABLE parts",
        "SELECT string_agg(concat(tableoid::regclass, n), ' ' ORDER BY n) FROM parts",
    ),
    "materialized views": Kind(
        "CREATE TABLE base AS SELECT 7 AS n; CREATE MATERIALIZED VIEW seen AS SELECT n * 3 AS n FROM base; "
        "CREATE MATERIALIZED VIEW unseen AS SELECT n FROM seen WITH NO DATA",
        "DROP TABLE base CASCADE",
        "SELECT n, (SELECT relispopulated FROM pg_class WHERE relname = 'unseen') FROM seen",
    ),
    "tables of extensions": Kind(
        "CREATE TABLE pairs AS SELECT 'a=>1, b=>2'::hstore AS h", "DROP TABLE pairs", "SELECT h -> 'b' FROM pairs"
    ),
    "tablespaces": Kind(
        "CREATE TABLE elsewhere (n int) TABLESPACE other; INSERT INTO elsewhere VALUES (8)",
        "DROP TABLE elsewhere",
        "SELECT n FROM elsewhere",
    ),
    "tables that nobody else may read": Kind(
        "CREATE ROLE owner; CREATE TABLE hidden AS SELECT 9 AS n; ALTER TABLE hidden OWNER TO owner;"
        "REVOKE ALL ON hidden FROM owner; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; ALTER TABLE hidden FORCE ROW LEVEL SECURITY",
        "DROP TABLE hidden; DROP ROLE owner",
        "SELECT n, relowner::regrole, relacl, relforcerowsecurity FROM hidden, pg_class WHERE relname = 'hidden'",
    ),
    "a database of another name": Kind(
        "CREATE TABLE data AS SELECT 'odd' AS word",
        "SET transaction_read_only = off; DROP TABLE data",
        "SELECT word FROM data",
        ODD,
    ),
    "limits and remarks of another database": Kind(
        f"ALTER DATABASE {QUOTED} CONNECTION LIMIT 9; COMMENT ON DATABASE {QUOTED} IS E'it''s :\"odd\"\nand \\\\ long'",
        "SELECT 1",
        "SELECT datconnlimit, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
        ODD,
    ),
    "rights and settings of another database": Kind(
        "CREATE ROLE reader; CREATE TABLE read AS SELECT 1 AS n; GRANT SELECT ON read TO reader;"
        f"GRANT CONNECT, TEMP ON DATABASE {QUOTED} TO reader;"
        f"REVOKE ALL ON DATABASE {QUOTED} FROM PUBLIC;"
        f"ALTER DATABASE {QUOTED} SET statement_timeout = '7min'; ALTER DATABASE {QUOTED} SET default_transaction_read_only = on;"
        f"ALTER ROLE reader IN DATABASE {QUOTED} SET search_path = public, pg_catalog",
        "SET transaction_read_only = off; DROP TABLE read",
        "SELECT has_table_privilege('reader', 'read', 'SELECT'), datacl, "
        "(SELECT json_agg((coalesce(nullif(setrole, 0)::regrole::text, 'all'), setconfig) ORDER BY setrole) "
        "FROM pg_db_role_setting WHERE setdatabase = oid) FROM pg_database WHERE datname = current_database()",
        ODD,
    ),
    "a database with a name like those of restores": Kind(
        "CREATE TABLE seldom AS SELECT 'kept' AS word", "DROP TABLE seldom", "SELECT word FROM seldom", ALIKE
    ),
    "subscriptions": Kind(
        "CREATE SUBSCRIPTION \"its own\" CONNECTION 'host=127.0.0.1 port=1 dbname=other' PUBLICATION news "
        "WITH (connect = false, slot_name = 'theirs')",
        "SELECT 1",
        "SELECT subname, subslotname, subpublications FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid "
        "WHERE datname = current_database()",
    ),
    "another order": Kind(
        "CREATE TABLE words AS SELECT unnest(ARRAY['b', 'a', 'B', 'A']) AS word",
        "DROP TABLE words",
        "SELECT string_agg(word, '' ORDER BY word) FROM words",
        SORTED,
    ),
}


def psql(host: Host, sql: str, database: str = "database") -> str:
    """Ask PostgreSQL as its owner."""
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]
    done = subprocess.run(
        ["docker", "exec", only(host, "shop", "database"), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{sql}: {done.stderr}"
    return done.stdout.strip()


def each_of(host: Host, numbers: range, statement: str) -> None:
    """Run a statement with each of many numbers, a few hundred in a transaction."""
    for first in numbers[::250]:
        loop = f"FOR n IN {first}..{first + 249} LOOP EXECUTE format('{statement}', n); END LOOP"
        psql(host, f"DO $$BEGIN {loop}; END$$")


def manifest(host: Host, backup: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the manifest of a backup."""
    path = host.data / "backups" / "shop" / "production" / "database" / f"{backup['file']}.json"
    found: Mapping[str, Any] = json.loads(path.read_text())
    return found


def answers(host: Host) -> Mapping[str, str]:
    """Return what is answered now, by kind."""
    return {name: psql(host, kind.asked, kind.database) for name, kind in KINDS.items()}


def hostess(host: Host, *words: str) -> Mapping[str, Any]:
    """Run a command about backups, which must work."""
    done = host.hostess("backups", *words, "--project", "shop", "-o", "json")
    assert done.returncode == 0, done.stderr + host.log()
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def shop(host: Host) -> Host:
    """Push the stack, and make one of everything."""
    pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
    docker("exec", "-u", "postgres", only(host, "shop", "database"), "mkdir", "/tmp/other")
    psql(host, "CREATE TABLESPACE other LOCATION '/tmp/other'")
    psql(host, f"CREATE DATABASE {QUOTED} TEMPLATE template0 LC_COLLATE 'C'")
    psql(host, f"CREATE DATABASE {ALIKE}")
    psql(host, f"CREATE DATABASE {SORTED} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-u-kf-upper'")
    for kind in KINDS.values():
        psql(host, kind.made, kind.database)
    return host


def test_everything_comes_back(shop: Host) -> None:
    """Each kind is proved by a drill, and is what it was after it was lost and restored; the server writes as safely as before."""
    before = answers(shop)
    assert before["another order"] == "AaBb"
    safe = "SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')"
    made = hostess(shop, "create", "database")
    proofs: list[Any] = []

    def proved() -> bool:
        [backup] = [each for each in hostess(shop, "list")["items"] if each["id"] == made["id"]]
        proofs[:] = [backup["proof"]] if backup["proof"] else []
        return bool(proofs)

    until(proved, 120, "the drill")
    assert proofs[0]["problem"] == ""
    for kind in KINDS.values():
        psql(shop, kind.lost, kind.database)
    hostess(shop, "restore", f"database/{made['id']}", "--force", "--no-safety-backup")

    assert answers(shop) == before
    assert set(json.loads(psql(shop, safe)).values()) == {"on"}
    assert psql(shop, "SHOW synchronous_commit", ODD) == "on"


def test_another_database_that_is_gone_comes_back(shop: Host) -> None:
    """A database that was removed since its backup is made again, with its rights, its settings and those of roles in it."""
    before = answers(shop)
    made = hostess(shop, "create", "database")
    psql(shop, f"DROP DATABASE {QUOTED}")

    hostess(shop, "restore", f"database/{made['id']}", "--force", "--no-safety-backup")

    assert answers(shop) == before


def test_what_is_left_of_a_database_is_in_no_ones_way(shop: Host) -> None:
    """A server that was killed while it dropped a database keeps its name, and nothing of it can be read: the others are backed up."""
    psql(shop, "CREATE DATABASE dropped")
    made = hostess(shop, "create", "database")
    psql(shop, "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'dropped'")  # what the server itself writes

    names = [each["name"] for each in manifest(shop, hostess(shop, "create", "database"))["databases"]]
    hostess(shop, "restore", f"database/{made['id']}", "--force", "--no-safety-backup")

    assert names == sorted(["database", ODD, ALIKE, "postgres", SORTED])
    assert psql(shop, "SELECT datconnlimit FROM pg_database WHERE datname = 'dropped'") == "-1"
    psql(shop, "DROP DATABASE dropped")


def test_thousands_of_tables(shop: Host) -> None:
    """As many tables are backed up as pg_dump can lock, however many indexes they have; what it says of more is told."""
    psql(shop, "CREATE SCHEMA many")
    each_of(shop, range(2000), "CREATE TABLE many.t%s (a int PRIMARY KEY, b int UNIQUE, c int UNIQUE)")
    found = manifest(shop, hostess(shop, "create", "database"))["databases"]
    assert {each["name"]: len(each["tables"]) for each in found}["database"] > 2000

    each_of(shop, range(2000, 7500), "CREATE TABLE many.t%s ()")
    failed = shop.hostess("backups", "create", "database", "--project", "shop")
    assert failed.returncode == 1
    assert "ERROR:  out of shared memory; HINT:  You might need to increase" in failed.stderr
    each_of(shop, range(7500), "DROP TABLE many.t%s")
    psql(shop, "DROP SCHEMA many")


def test_everything_goes_to_a_later_major(shop: Host) -> None:
    """An upgrade keeps each kind, and what was backed up before it is restored after it."""
    before = answers(shop)
    made = hostess(shop, "create", "database")
    done = shop.hostess("services", "upgrade", "database", "--version", "17", "--force", "-p", "shop")
    assert done.returncode == 0, done.stderr
    assert psql(shop, "SHOW server_version_num").startswith("17")
    assert answers(shop) == before

    for kind in KINDS.values():
        psql(shop, kind.lost, kind.database)
    hostess(shop, "restore", f"database/{made['id']}", "--force", "--no-safety-backup")
    assert answers(shop) == before
