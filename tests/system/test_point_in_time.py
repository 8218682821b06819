"""Recovery of PostgreSQL to a moment: base backups and the log of every change, with real kills, gaps and damage."""

import json
import os
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.system.host import Host, Repository, a_repository, docker, until
from tests.system.moments import STACK, psql, reachable, restore, windows, write
from tests.system.sources import only, pushed

DOCS = Path(__file__).parents[2] / "docs" / "backups.md"


@pytest.fixture(scope="module")
def shop(host: Host) -> Host:
    """Push the stack, make a table, and wait until moments can be recovered to."""
    pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
    psql(host, "CREATE TABLE data (word text)")
    until(lambda: windows(host), 60, "the first base backup")
    return host


def read(host: Host) -> str:
    """Return the word."""
    return psql(host, "SELECT word FROM data")


def events(host: Host, kind: str) -> list[str]:
    """Return what was told of that kind, oldest first."""
    return [str(message) for [message] in host.query("SELECT message FROM events WHERE kind = ? ORDER BY id", kind)]


def segment(host: Host) -> str:
    """Return the name of the segment that is being written."""
    return psql(host, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")


def shipped(host: Host) -> Path:
    """Let the segment that is being written be shipped whole, and return its object."""
    name = segment(host)
    psql(host, "SELECT pg_switch_wal()")
    wal = folder(host) / "wal"
    until(lambda: list(wal.glob(f"*/{name}.tar.zst")), 30, f"the shipping of {name}")
    return max(wal.glob(f"*/{name}.tar.zst"))


def beside(host: Host) -> list[str]:
    """Return the containers of recoveries."""
    label = f"label=sh.hostess.instance={host.instance}"
    names = docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split()
    return [name for name in names if "recovery-" in name]


def test_a_moment_is_recovered(shop: Host) -> None:
    """A database gets what it had at a moment, in any time zone; what is found is told, and what it had lies in a safety backup."""
    moment = write(shop, "wanted")
    write(shop, "unwanted")
    shipped(shop)
    elsewhere = datetime.fromisoformat(moment).astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(" ")

    done = shop.hostess("backups", "restore", "database", "--to", elsewhere, "--force", "-p", "shop")

    assert done.returncode == 0, done.stderr + shop.log()
    assert read(shop) == "wanted"
    assert "found: the last transaction is" in done.stderr
    assert "found: database has 1 tables with 1 rows" in done.stderr
    assert "Before it" in done.stdout
    assert not beside(shop)


def test_a_moment_after_the_last_change_is_recovered(shop: Host) -> None:
    """After kill -9 of the server its log goes on without a gap; a moment after its last change finds all that there was."""
    write(shop, "before")
    gaps = events(shop, "backup.wal-gap")
    kill_server(shop)
    moment = write(shop, "last")

    done = restore(shop, moment)

    assert done.returncode == 0, done.stderr + shop.log()
    assert read(shop) == "last"
    assert events(shop, "backup.wal-gap") == gaps


def test_thousands_of_tables_are_recovered(shop: Host) -> None:
    """The server that plays the log can lock as many tables as any that wrote one."""
    psql(shop, "CREATE SCHEMA many")
    many(shop, "CREATE TABLE many.t%s ()")
    moment = write(shop, "with many")

    asked = shop.hostess("backups", "restore", "database", "--to", moment, "-p", "shop", stdin="no\n")

    many(shop, "DROP TABLE many.t%s")
    psql(shop, "DROP SCHEMA many")
    assert "found: database has 3501 tables with 1 rows" in asked.stderr


def many(host: Host, statement: str) -> None:
    """Run a statement with each of many numbers."""
    for first in range(0, 3500, 500):
        loop = f"FOR n IN {first}..{first + 499} LOOP EXECUTE format('{statement}', n); END LOOP"
        psql(host, f"DO $$BEGIN {loop}; END$$")


def kill_server(host: Host, before: str = "true") -> None:
    """Run *before* in the container, kill -9 the server, and wait until it takes connections again."""
    server = only(host, "shop", "database")
    count = int(docker("inspect", "-f", "{{.RestartCount}}", server))
    with suppress(subprocess.CalledProcessError):  # it may go down with the server
        docker("exec", server, "sh", "-c", f'pid=$(head -n 1 "$PGDATA/postmaster.pid"); {before}; kill -9 $pid')
    until(lambda: int(docker("inspect", "-f", "{{.RestartCount}}", server)) > count, 60, "its restart")
    until(lambda: takes_connections(server), 60, "its recovery")


def takes_connections(server: str) -> bool:
    """Whether a server does so over TCP: while a data directory is made it does not."""
    try:
        docker("exec", server, "pg_isready", "-h", "127.0.0.1")
    except subprocess.CalledProcessError:
        return False
    return True


@pytest.mark.parametrize("moment", ["2001-02-03 04:05:06", "2999-01-01"])
def test_a_moment_that_is_not_kept_is_refused(shop: Host, moment: str) -> None:
    """What can be recovered to is told instead, and nothing is begun."""
    write(shop, "now")

    failed = restore(shop, moment)

    assert failed.returncode == 2
    assert f"cannot be recovered to {moment[:10]}" in failed.stderr
    assert "UTC to 2" in failed.stderr
    assert read(shop) == "now"


def test_what_is_no_moment_is_refused(shop: Host) -> None:
    """A moment that nobody can read is told with how one is written."""
    failed = restore(shop, "yesterday")

    assert failed.returncode == 2
    assert 'write it like "2026-01-02 03:04:05"' in failed.stderr


def test_a_changed_byte_in_the_log_is_found(shop: Host) -> None:
    """A segment with one byte changed is used for nothing: it is named, and the data is as it was."""
    begun = segment(shop)
    moment = write(shop, "before the damage")
    file = shipped(shop)
    write(shop, "live")
    # A base backup that ends right then goes on with another segment: the moment is in one of these.
    whole = {
        each: each.read_bytes()
        for each in file.parent.glob(f"{'?' * 24}.tar.zst")
        if begun <= each.name[:24] <= file.name
    }
    for each, content in whole.items():
        middle = len(content) // 2
        each.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])

    failed = restore(shop, moment)
    for each, content in whole.items():
        each.write_bytes(content)

    assert failed.returncode == 1
    assert any(f"{each.name} is damaged" in failed.stderr for each in whole)
    assert "its data is as it was" in failed.stderr
    assert read(shop) == "live"


def test_a_killed_daemon_leaves_no_recovery(shop: Host) -> None:
    """After kill -9 of the daemon in the middle of a recovery nothing is left beside, the data is as it was, and the log goes on."""
    moment = write(shop, "wanted")
    write(shop, "live")
    with _restoring(shop, moment):
        until(lambda: beside(shop), 60, "the server beside")
        shop.kill()
    shop.start()

    until(lambda: not beside(shop), 60, "the end of the server beside")
    assert read(shop) == "live"
    until(lambda: reachable(shop, moment), 60, "the log to go on")


@contextmanager
def _restoring(host: Host, moment: str) -> Iterator[None]:
    words = ["backups", "restore", "database", "--to", moment, "--force", "--project", "shop"]
    with host.begin(*words) as command:
        yield
        command.kill()


def test_a_gap_is_told_and_begun_anew(shop: Host) -> None:
    """When the server has thrown away what was not shipped yet, that is told, and moments before and after it can be recovered to."""
    before = write(shop, "before the gap")
    until(lambda: reachable(shop, before), 60, "the shipping of it")
    make_gap(shop)

    assert "that were not kept yet; a base backup begins it anew" in events(shop, "backup.wal-gap")[-1]
    until(lambda: reachable(shop, long_ago(shop)), 90, "another base backup")
    assert reachable(shop, before)
    assert len(windows(shop)) > 1
    done = restore(shop, before)
    assert done.returncode == 0, done.stderr + shop.log()
    assert read(shop) == "before the gap"


def test_a_killed_daemon_takes_a_base_backup_anew(shop: Host) -> None:
    """After kill -9 of the daemon in the middle of a base backup nothing of that is left, and another one is taken."""
    until(lambda: set(bases(shop).values()) == {"ok"}, 60, "the end of what is under way")
    known = set(bases(shop))
    make_gap(shop)
    until(lambda: set(bases(shop)) - known, 60, "a base backup")
    shop.kill()
    shop.start()

    until(lambda: reachable(shop, long_ago(shop)), 90, "another base backup")
    assert set(bases(shop).values()) == {"ok"}
    names = {each.name.partition(".")[0] for each in (folder(shop) / "base").iterdir()}
    assert names == set(bases(shop))


def test_what_is_left_of_a_lost_data_directory(shop: Host) -> None:
    """When a data directory is gone and the server has begun another one, the last seconds of the old one can be recovered."""
    lost = write(shop, "lost")
    until(lambda: reachable(shop, lost), 60, "the shipping of it")
    gaps = len(events(shop, "backup.wal-gap"))
    kill_server(shop, before='rm -rf "$PGDATA"')

    until(lambda: len(events(shop, "backup.wal-gap")) > gaps, 90, "the event")
    assert "its data directory is another one" in events(shop, "backup.wal-gap")[-1]
    done = restore(shop, lost)
    assert done.returncode == 0, done.stderr + shop.log()
    assert read(shop) == "lost"


def test_a_target_that_cannot_be_reached_is_told(shop: Host) -> None:
    """While nothing can be shipped that is told and shown by the status; afterwards nothing is missing, and that is told, too."""
    told = len(events(shop, "backup.wal-late")), len(events(shop, "backup.wal-resumed"))
    target = shop.data / "backups"
    shop.stop()
    shop.start(module="tests.system.hasty")
    target.rename(target.with_name("away"))
    moment = write(shop, "meanwhile")
    until(lambda: len(events(shop, "backup.wal-late")) > told[0], 60, "the event")
    status = shop.hostess("status").stdout
    target.with_name("away").rename(target)

    assert "the folder of backups is not there" in events(shop, "backup.wal-late")[-1]
    assert "changes of database (production) are kept up to" in status
    until(lambda: len(events(shop, "backup.wal-resumed")) > told[1], 60, "its end")
    until(lambda: reachable(shop, moment), 60, "what was written meanwhile")


def make_gap(host: Host) -> None:
    """Let the server throw log away while the daemon is away, and wait until that is told."""
    gaps = len(events(host, "backup.wal-gap"))
    host.stop()
    psql(host, "SELECT pg_drop_replication_slot('hostess')")
    for _ in range(3):
        write(host, "in the gap")
        psql(host, "SELECT pg_switch_wal()")
        psql(host, "CHECKPOINT")
    host.start()
    until(lambda: len(events(host, "backup.wal-gap")) > gaps, 60, "the event")


def long_ago(host: Host) -> str:
    """Return a moment that is old enough to be kept, if new ones are."""
    return psql(host, "SELECT clock_timestamp() - interval '5s'")


def folder(host: Host) -> Path:
    """Return where the objects lie."""
    return host.data / "backups" / "shop" / "production" / "database"


def bases(host: Host) -> Mapping[str, str]:
    """Return the base backups: id -> state."""
    return {str(name): str(state) for name, state in host.query("SELECT id, state FROM base_backups")}


def test_without_pitr_the_server_keeps_nothing(shop: Host) -> None:
    """When `pitr` leaves the file the server holds nothing back any more, and what was kept stays; back again, it begins anew."""
    moment = write(shop, "before")
    until(lambda: reachable(shop, moment), 60, "the shipping of it")
    server = only(shop, "shop", "database")
    repository = Repository(shop.folder / "work" / "shop", shop, "shop")
    for word, slots in (("false", ""), ("true", "hostess")):
        repository.write({"hostess.yml": STACK.replace("pitr: true", f"pitr: {word}")})
        repository.commit(f"pitr: {word}")
        pushed(repository)
        until(lambda wanted=slots: psql(shop, "SELECT slot_name FROM pg_replication_slots") == wanted, 60, "the slot")  # type: ignore[misc]
        assert reachable(shop, moment)

    assert only(shop, "shop", "database") == server
    until(lambda: reachable(shop, long_ago(shop)), 90, "another base backup")


def test_what_is_kept_is_proved(shop: Host) -> None:
    """After a base backup it and the log are played in a throw-away container, and that all of it could be read is told."""
    until(lambda: events(shop, "backup.proven"), 90, "the drill")

    assert "the log of database was played to its end" in events(shop, "backup.proven")[-1]


def test_standard_tools_go_back_to_a_moment(shop: Host, tmp_path: Path) -> None:
    """What the page on backups says leads from the objects alone to what the database had at a moment."""
    moment = write(shop, "wanted")
    after = write(shop, "unwanted")  # without a transaction behind the moment a server does not know that it is there
    until(lambda: reachable(shop, after), 60, "the shipping of it")
    manifest = max((folder(shop) / "base").glob("*.json"))
    base = json.loads(manifest.read_text())
    text = DOCS.read_text()
    block = text[text.index("    zstd -dc base/ID.tar.zst") : text.index('    pg_ctl start -w -D "$PGDATA"')]
    script = textwrap.dedent(block).replace("ID", base["id"]).replace("CHAIN", base["chain"])
    assert "2026-01-02 03:04:05+00" in script
    (tmp_path / "data").mkdir(mode=0o700)
    environment = {**os.environ, "PGDATA": str(tmp_path / "data")}
    command = ["bash", "-euo", "pipefail", "-c", script.replace("2026-01-02 03:04:05+00", moment)]
    subprocess.run(command, cwd=folder(shop), env=environment, check=True, capture_output=True)

    server = docker("run", "-d", "--network", "none", "postgres:16", "sleep", "600").strip()
    try:
        docker("cp", str(tmp_path / "data"), f"{server}:/restored")
        docker("exec", server, "chown", "-R", "postgres", "/restored")
        docker("exec", "-u", "postgres", server, "pg_ctl", "start", "-w", "-D", "/restored", "-l", "/tmp/log")
        until(lambda: "- accepting" in docker("exec", server, "sh", "-c", "pg_isready || true"), 60, "the moment")
        words = ["psql", "-XAtq", "-U", "postgres", "-d", "database", "-c", "SELECT word FROM data"]
        assert docker("exec", server, *words).strip() == "wanted"
    finally:
        docker("rm", "-f", "-v", server)
