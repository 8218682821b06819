"""Backups of managed databases: real PostgreSQL and Redis, a real disk, real kills, standard tools on the other side."""

import hashlib
import json
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.backed_up import FILL, ROWS, STACK, Shop
from tests.system.host import Host, a_repository, docker, until
from tests.system.sources import only, pushed


@pytest.fixture(scope="module")
def shop(host: Host) -> Shop:
    """Push the stack and store something in both databases."""
    repository = a_repository(host, "shop", {"hostess.yml": STACK})
    pushed(repository)
    shop = Shop(host, repository)
    shop.psql(FILL)
    for number in range(3):
        assert shop.redis("SET", f"key{number}", "x" * 100) == "OK"
    assert shop.redis("-n", "1", "LPUSH", "list", "a", "b") == "2"
    return shop


def test_a_backup_of_postgres_is_one_object_with_a_manifest(shop: Shop) -> None:
    """Its object has the size and checksum that are told, for the daemon's user alone; the manifest tells databases and rows."""
    made = shop.made("database")

    file = shop.file(made)
    assert made["state"] == "ok"
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (made["size"], 0o600)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == made["sha256"]
    manifest = json.loads(file.with_name(file.name + ".json").read_text())
    assert manifest["sha256"] == made["sha256"]
    assert manifest["engine"].startswith("15.")
    assert [part["name"] for part in manifest["parts"]] == [
        "globals.sql",
        "database.settings.sql",
        "database.dump",
        "database__web.settings.sql",
        "database__web.dump",
        "postgres.settings.sql",
        "postgres.dump",
    ]
    tables = {d["name"]: [(t["schema"], t["name"], t["rows"]) for t in d["tables"]] for d in manifest["databases"]}
    assert tables["database__web"] == [
        ("odd name", "it's", ROWS),
        ("public", "held", 0),
        ("public", "parts_1", 2),
    ]
    assert shop.names("database") == sorted(
        name
        for each in shop.listed("database")
        if each["state"] == "ok"
        for name in (each["file"], each["file"] + ".json")
    )


def test_a_backup_of_redis_is_what_redis_itself_reads(shop: Shop, tmp_path: Path) -> None:
    """What tar takes out of a downloaded artefact is a snapshot that redis-check-rdb finds whole, with every key."""
    made = shop.made("cache")
    saved = shop.backups("download", f"cache/{made['id']}", "--output", str(tmp_path / "cache.tar.zst"))
    assert saved.returncode == 0, saved.stderr

    taken = subprocess.run(
        f"zstd -dc {tmp_path}/cache.tar.zst | tar -xO --wildcards 'dump.rdb.*'",
        shell=True,
        capture_output=True,
        check=True,
    )
    checked = subprocess.run(
        [
            "docker",
            "run",
            "-i",
            "--rm",
            "--network",
            "none",
            "redis:7",
            "sh",
            "-c",
            "cat > /tmp/x; redis-check-rdb /tmp/x",
        ],
        input=taken.stdout,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"4 keys read" in checked.stdout
    assert b"RDB looks OK" in checked.stdout


def test_the_snapshot_of_the_rows_is_that_of_the_dump(shop: Shop) -> None:
    """Rows that come while a backup is taken are in the dump exactly as far as they are in the manifest."""
    shop.psql("CREATE TABLE ticks (n int)")
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            shop.psql("INSERT INTO ticks SELECT generate_series(1, 100)")

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        until(lambda: ticked(shop) > 0, 30, "the first rows")
        made = shop.made("database")
        before = ticked(shop)
        until(lambda: ticked(shop) > before, 30, "more rows")
    finally:
        stop.set()
        ticking.join()
    file = shop.file(made)
    manifest = json.loads(file.with_name(file.name + ".json").read_text())
    [web] = [each for each in manifest["databases"] if each["name"] == "database__web"]
    [told] = [table["rows"] for table in web["tables"] if table["name"] == "ticks"]
    assert 0 < told < ticked(shop)
    dump = f"zstd -dc {file} | tar -xO --wildcards 'database__web.dump.*' | docker exec -i {only(shop.host, 'shop', 'database')}"
    copied = subprocess.run(
        f"{dump} pg_restore --data-only --table=ticks -f -", shell=True, capture_output=True, text=True, check=True
    )
    assert copied.stdout.partition("FROM stdin;\n")[2].partition("\\.")[0].count("\n") == told
    shop.psql("DROP TABLE ticks")


def ticked(shop: Shop) -> int:
    """Return how many rows have come."""
    return int(shop.psql("SELECT count(*) FROM ticks"))


def test_one_byte_that_changed_is_found(shop: Shop, tmp_path: Path) -> None:
    """`verify` says of a backup that it is what was written, and of one with a single other byte that it is damaged, by name."""
    made = shop.made("cache")
    name = f"cache/{made['id']}"
    assert shop.backups("verify", name).returncode == 0

    file = shop.file(made)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    found = shop.backups("verify", name)
    assert found.returncode == 1
    assert f"{made['file']} is damaged" in found.stderr
    fetched = shop.backups("download", name, "--output", str(tmp_path / "fetched"))
    assert (fetched.returncode, list(tmp_path.iterdir())) == (1, [])
    assert shop.backups("delete", name, "--force").returncode == 0
    assert not file.exists()
    assert made["id"] not in [each["id"] for each in shop.listed()]


@contextmanager
def slowed(shop: Shop) -> Iterator[None]:
    """Hold a lock that the next dump of postgres waits for."""
    words = ["docker", "exec", "-i", only(shop.host, "shop", "database"), "psql", "-XAtq", "-U", "postgres"]
    with subprocess.Popen(
        [*words, "-d", "database__web"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write("BEGIN; LOCK TABLE held; SELECT 'held';\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        yield
        holder.stdin.write("ROLLBACK;\n")


def test_a_dump_that_is_killed_leaves_nothing(shop: Shop) -> None:
    """A backup whose programs are killed with -9 has failed, with the reason; no object is there, and an event tells."""
    database = only(shop.host, "shop", "database")
    before = shop.names("database")
    sweep = "for p in /proc/[0-9]*; do grep -qs HOSTESS_EXEC=backup $p/environ && kill -9 ${p#/proc/}; done; true"
    with slowed(shop), creating(shop, "database") as command:
        until(lambda: waits(shop), 30, "the wait for the lock")
        docker("exec", database, "sh", "-c", sweep)
        said = command.communicate(timeout=180)[1]
    assert (command.returncode, "failed: " in said) == (1, True)
    assert shop.listed("database")[0]["state"] == "failed"
    assert shop.names("database") == before
    events = shop.host.query("SELECT message FROM events WHERE kind = 'backup.failed' ORDER BY id DESC LIMIT 1")
    assert "exit code 137" in str(events[0][0])


def waits(shop: Shop) -> bool:
    """Whether a dump waits for a lock."""
    return shop.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0"


@contextmanager
def creating(shop: Shop, service: str) -> Iterator[subprocess.Popen[str]]:
    """Give `hostess backups create`, under way; it is gone afterwards."""
    with shop.host.begin("backups", "create", service, "--project", "shop") as process:
        try:
            yield process
        finally:
            process.kill()


MUTE = """CREATE TRIGGER mute BEFORE INSERT ON events WHEN NEW.kind = 'backup.completed'
    BEGIN SELECT RAISE(ABORT, 'no room'); END"""


def test_a_backup_that_cannot_be_told_of_is_one(shop: Shop) -> None:
    """Where there is no room left for the event, the backup that was written and read back stays."""
    with closing(sqlite3.connect(shop.host.data / "hostess.db")) as journal:
        journal.execute(MUTE)
        try:
            made = shop.made("cache")
        finally:
            journal.execute("DROP TRIGGER mute")

    assert shop.backups("verify", f"cache/{made['id']}").returncode == 0


def test_a_daemon_that_is_killed_leaves_nothing(shop: Shop) -> None:
    """After kill -9 of the daemon in the middle of a backup no dump runs on, no object is left, and the record says failed."""
    database = only(shop.host, "shop", "database")
    before = shop.names("database")
    with slowed(shop), creating(shop, "database"):
        until(lambda: waits(shop), 30, "the wait for the lock")
        assert any(name.endswith(".part") for name in shop.names("database"))
        shop.host.kill()
        shop.host.start()
        until(lambda: "pg_dump" not in docker("top", database, "-eo", "pid,args"), 30, "the end of the dump")
        until(lambda: not waits(shop), 30, "the end of the wait")
    assert shop.names("database") == before
    newest = shop.listed("database")[0]
    assert (newest["state"], newest["problem"]) == ("failed", "the daemon was stopped in the middle of it")


def test_retention_counts_all_that_went_well(shop: Shop) -> None:
    """Of more backups than hostess.yml keeps the oldest go, with object and manifest; the newest stay."""
    made = [shop.made("cache")["id"] for _ in range(3)]

    def kept() -> list[str]:
        counted = [each for each in shop.listed("cache") if each["trigger"] != "pre-restore"]
        return [each["id"] for each in counted if each["state"] == "ok"]

    until(lambda: kept() == made[:0:-1], 30, "the end of the oldest")
    until(lambda: not any(made[0] in name for name in shop.names("cache")), 30, "the end of its files")


def test_backups_of_a_service_do_not_overlap(shop: Shop) -> None:
    """While one is under way another one is refused, with what to wait for; the first one goes on."""
    before = len(shop.listed("database"))
    with slowed(shop), creating(shop, "database"):
        until(lambda: waits(shop), 30, "the wait for the lock")
        second = shop.backups("create", "database")
    until(lambda: shop.listed("database")[0]["state"] == "ok", 60, "the end of the first one")

    assert (second.returncode, "a backup of database is under way" in second.stderr) == (7, True)
    assert len(shop.listed("database")) == before + 1


def test_retention_when_several_want_one(shop: Shop) -> None:
    """However many ask at once, exactly as many are kept as hostess.yml says, the newest among them; of the others no file is left."""
    for _ in range(2):
        shop.made("cache")
    asking = [shop.host.begin("backups", "create", "cache", "--project", "shop", "-o", "json") for _ in range(4)]
    said = [each.communicate(timeout=120)[0] for each in asking]
    made = [json.loads(text) for text, each in zip(said, asking, strict=True) if each.returncode == 0]
    newest = max(made, key=lambda each: str(each["started_at"]))["id"]

    def kept() -> list[str]:
        good = [each for each in shop.listed("cache") if each["state"] == "ok"]
        return [each["id"] for each in good if each["trigger"] != "pre-restore"]

    assert {each.returncode for each in asking} <= {0, 7}
    until(lambda: len(kept()) == 2, 30, "the end of the others")
    assert kept()[0] == newest
    gone = [each["id"] for each in made if each["id"] not in kept()]
    until(lambda: not any(each in name for each in gone for name in shop.names("cache")), 30, "the end of their files")


def test_what_has_no_backups_says_so(shop: Shop) -> None:
    """A service that is no database, and one that is not there, are refused with a sentence; nothing is written down."""
    assert "web keeps nothing" in shop.backups("create", "web").stderr
    assert shop.backups("create", "other").returncode == 3
    assert "hostess backups create" in shop.backups("verify", "other").stderr


def test_a_time_that_was_missed_is_caught_up_once(shop: Shop) -> None:
    """A daemon that was away at the time of a schedule takes the backup once when it is back, as scheduled; then no more."""
    before = [each["id"] for each in shop.listed("cache") if each["trigger"] == "scheduled"]
    shop.host.stop()
    shop.host.start(module="tests.system.punctual")
    try:
        until(lambda: caught_up(shop, before), 30, "the scheduled backup")
    finally:
        shop.host.stop()
        shop.host.start()
    assert [each["service"] for each in shop.listed() if each["trigger"] == "scheduled"] == ["cache"]


def caught_up(shop: Shop, before: list[str]) -> bool:
    """Whether a scheduled backup was taken since."""
    found = [each for each in shop.listed("cache") if each["trigger"] == "scheduled" and each["id"] not in before]
    return [each["state"] for each in found] == ["ok"]


def restored(shop: Shop, *words: str) -> Mapping[str, Any]:
    """Restore, which must work, and return what was said of it."""
    done = shop.backups("restore", *words, "--force", "-o", "json")
    assert done.returncode == 0, done.stderr + shop.host.log()
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


STATE = """SELECT json_agg(x) FROM (
    SELECT (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM "odd name"."it's" t), (SELECT json_agg(at) FROM parts),
    lo_get(4711), (SELECT count FROM seen), (SELECT datacl::text FROM pg_database WHERE datname = current_database()),
    (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database())) x"""


def test_a_restore_of_postgres_puts_everything_back(shop: Shop) -> None:
    """Rows, partitions, views, large objects, owner, rights and passwords are those of the backup, with clients at work meanwhile."""
    before, made = shop.psql(STATE), shop.made("database")
    shop.psql("""INSERT INTO parts VALUES (3); DROP TABLE "odd name"."it's"; CREATE TABLE later (n int)""")
    lost = shop.psql("SELECT count(*) FROM parts")
    stop = threading.Event()

    def clients() -> None:
        words = ["docker", "exec", only(shop.host, "shop", "database"), "psql", "-U", "postgres", "-d", "database__web"]
        while not stop.is_set():
            subprocess.run([*words, "-c", "SELECT pg_sleep(60)"], capture_output=True, check=False, timeout=90)

    asking = threading.Thread(target=clients)
    asking.start()
    try:
        done = restored(shop, "database", made["id"])
    finally:
        stop.set()
        shop.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid()"
        )
        asking.join()

    assert shop.psql(STATE) == before
    assert shop.psql("SELECT to_regclass('later') IS NULL") == "t"
    assert "__hostess_" not in shop.psql("SELECT string_agg(datname, ' ') FROM pg_database")
    url = json.loads(docker("inspect", "-f", "{{json .Config.Env}}", only(shop.host, "shop", "web")))
    [own] = [each.partition("=")[2] for each in url if each.startswith("DATABASE=")]
    assert docker("exec", only(shop.host, "shop", "database"), "psql", own, "-Atc", "SELECT 1") == "1\n"

    restored(shop, "database", done["safety"])
    assert (lost, shop.psql("SELECT count(*) FROM parts"), shop.psql("SELECT count(*) FROM later")) == ("3", "3", "0")
    restored(shop, f"database/{made['id']}")
    assert shop.psql(STATE) == before


def test_a_restore_of_redis_puts_everything_back(shop: Shop) -> None:
    """Keys of all indexes are those of the backup, on the disk, too: a server that is killed right afterwards has them."""
    made = shop.made("cache")
    shop.redis("SET", "key0", "other")
    shop.redis("SET", "more", "x")
    server = shop.redis("INFO", "server").partition("run_id:")[2].split()[0]

    done = restored(shop, "cache", made["id"])

    assert (shop.redis("GET", "key0"), shop.redis("EXISTS", "more")) == ("x" * 100, "0")
    assert shop.redis("-n", "1", "LRANGE", "list", "0", "-1").split() == ["b", "a"]
    assert server in shop.redis("INFO", "server")
    assert "role:master" in shop.redis("INFO", "replication")
    assert shop.redis("CONFIG", "GET", "masterauth").split() == ["masterauth"]
    docker("kill", only(shop.host, "shop", "cache"))
    until(lambda: answers(shop), 60, "the return of redis")
    assert (shop.redis("GET", "key0"), shop.redis("EXISTS", "more")) == ("x" * 100, "0")
    restored(shop, "cache", done["safety"])
    assert (shop.redis("GET", "key0"), shop.redis("EXISTS", "more")) == ("other", "1")
    restored(shop, "cache", made["id"])


def test_what_is_restored_is_not_pushed_out(shop: Shop) -> None:
    """The oldest backup that is kept is restored, though one more is taken before: it goes when it is not needed any more."""
    shop.redis("SET", "word", "first")
    first = restored(shop, "cache", shop.made("cache")["id"])["safety"]
    shop.redis("SET", "word", "second")
    restored(shop, "cache", "newest")

    shop.redis("SET", "word", "third")
    restored(shop, "cache", first)

    assert shop.redis("GET", "word") == "first"
    shop.redis("DEL", "word")
    shop.made("cache")
    assert first not in [each["id"] for each in shop.listed("cache")]


def answers(shop: Shop) -> bool:
    """Whether redis answers."""
    found = shop.host.containers("project=shop", "service=cache", "role=replica", running=True)
    words = ["docker", "exec", *found, "redis-cli", "ping"]
    return len(found) == 1 and "PONG" in subprocess.run(words, capture_output=True, text=True, check=False).stdout
