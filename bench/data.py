"""Backups of a database and what they cost, against `pg_dump | zstd` and `zstd | pg_restore` by hand in the same rounds.

    data.py [--megabytes 300] [--rounds 3] [PART]...      parts: speed, load, loss (of a server that is killed, with its disk)

By hand means the same programs in the same container with the same compression, written to the same disk and synced. What Hostess
does besides (rows counted in the dumped snapshot, the artefact read back from the disk and compared, the manifest) is in its time;
what reading back alone takes is told beside it. Files are read from the disk, not from what the system remembers of them.
"""

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from deploy import emit
from installation import HOSTESS, PLAIN, Installation, installation, run

PROJECT = "bench-data"
STACK = """version: "1.0"
services:
  database:
    type: postgres
    special: {version: 16}
    resources: {cpu: 2, memory: 1Gi, storage: 20Gi}
    backups: {schedule: "0 3 1 1 *", retention: 3, pitr: PITR}
"""
MEGABYTE = 1_000_000
ROWS_OF_A_MEGABYTE = 8300
# Rows like those of a shop: some words that come again and again, some that do not.
FILL = """CREATE TABLE orders (
    id bigserial PRIMARY KEY, customer int NOT NULL, status text NOT NULL, item text NOT NULL, note text NOT NULL, token text NOT NULL,
    amount numeric(10, 2) NOT NULL, at timestamptz NOT NULL
);
INSERT INTO orders (customer, status, item, note, token, amount, at)
SELECT random() * 50000, (ARRAY['new', 'paid', 'sent', 'returned'])[1 + g % 4], 'item ' || g % 997,
    (ARRAY['leave it at the door', 'ring twice', 'for a birthday, please wrap it', ''])[1 + (random() * 3)::int],
    md5(random()::text), (random() * 900)::numeric(10, 2), now() - g * interval '7 seconds'
FROM generate_series(1, {rows}) g;
CREATE INDEX orders_by_customer ON orders (customer);
VACUUM ANALYZE orders;
"""
LOAD_SECONDS = 10
LOSS_SECONDS = 15


class Database(NamedTuple):
    """The database of an installation, by its container and its own name."""

    host: Installation
    container: str
    name: str

    def sql(self, text: str, name: str = "") -> str:
        """Run SQL as its superuser."""
        command = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", name or self.name, "-c", text)
        return run("docker", "exec", self.container, *command).strip()

    @property
    def command(self) -> tuple[str, ...]:
        """How the command line is run against the installation."""
        return (str(HOSTESS), "--url", f"http://{self.host.api}", "--token", self.host.token)

    def hostess(self, *words: str) -> str:
        """Run a command against the installation."""
        return run(*self.command, *words, "-p", PROJECT)

    def restore(self, *words: str) -> None:
        """Put the newest backup in the place of what it has, or what *words* tell."""
        self.hostess("backups", "restore", "database", *words, "--force", "--no-safety-backup")

    def megabytes(self) -> float:
        """Return how large a dump of it is before it is compressed."""
        piped = f"docker exec {self.container} pg_dump -U postgres -Fc -Z0 {self.name} | wc -c"
        return int(run("sh", "-c", piped)) / MEGABYTE


@contextmanager
def database(megabytes: int, *, pitr: bool) -> Iterator[Database]:
    """Give a database with about so much in it."""
    with installation() as host:
        host.repository(PROJECT, {"hostess.yml": STACK.replace("PITR", str(pitr).lower())}).push("hostess")
        [container] = host.objects("ps")
        found = Database(host, container, "")
        [name] = found.sql(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'", "postgres"
        ).split()
        found = found._replace(name=name)
        # One statement for each, because VACUUM runs in no transaction.
        for statement in FILL.format(rows=megabytes * ROWS_OF_A_MEGABYTE).split(";\n"):
            if statement.strip():
                found.sql(statement)
        yield found


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def dumped_by_hand(of: Database) -> Path:
    """Dump with the standard tools alone."""
    target = of.host.data / "by-hand.zst"
    command = f"docker exec {of.container} pg_dump -U postgres -Fc -Z0 {of.name} | zstd -q -3 -f -o {target}"
    run("bash", "-o", "pipefail", "-c", f"{command} && sync {target}")
    return target


def restored_by_hand(of: Database, source: Path) -> None:
    """Load into a new database with the standard tools alone."""
    of.sql("DROP DATABASE IF EXISTS by_hand", "postgres")
    of.sql("CREATE DATABASE by_hand TEMPLATE template0", "postgres")
    forget(source)
    command = f"zstd -q -dc {source} | docker exec -i {of.container} pg_restore -U postgres --exit-on-error -d by_hand"
    run("bash", "-o", "pipefail", "-c", command)


def speed(of: Database, rounds: int) -> None:
    """Back up and restore, by hand and by Hostess in turn."""
    size = of.megabytes()
    daemon = json.loads((of.host.data / "run" / "daemon.json").read_text(encoding="utf-8"))["pid"]
    took: dict[str, list[float]] = {name: [] for name in ("dump", "backup", "load", "restore")}
    forget_peak(daemon)
    before = memory(daemon, "VmRSS")
    for number in range(rounds):
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
        took["dump"].append(timed(lambda: dumped_by_hand(of)))
        took["backup"].append(timed(lambda: of.hostess("backups", "create", "database")))
        took["load"].append(timed(lambda: restored_by_hand(of, of.host.data / "by-hand.zst")))
        of.sql("DROP DATABASE by_hand", "postgres")
        took["restore"].append(timed(of.restore))
    peak = memory(daemon, "VmHWM")
    by_hand = of.host.data / "by-hand.zst"
    forget(by_hand)
    read_back = timed(lambda: hashlib.sha256(by_hand.read_bytes()))
    emit("data.backup.read_back", read_back, "s", "nothing", of_backup=statistics.median(took["backup"]))
    for ours, theirs, peer in (
        ("backup", "dump", "pg_dump -Fc -Z0 | zstd -3, synced"),
        ("restore", "load", "zstd -d | pg_restore"),
    ):
        ratio = statistics.median(hand / own for hand, own in zip(took[theirs], took[ours], strict=True))
        emit(
            f"data.{ours}.speed", ratio, "x", peer, megabytes=round(size), with_hostess=took[ours], by_hand=took[theirs]
        )
        emit(
            f"data.{ours}.megabytes",
            size / statistics.median(took[ours]),
            "MB/s",
            peer,
            plain=size / statistics.median(took[theirs]),
        )
    emit("data.memory", peak - before, "MB", "the daemon before", megabytes=round(size), before=before, peak=peak)


def load(of: Database, rounds: int) -> None:
    """Measure small transactions while nothing happens, while it is dumped by hand, and while Hostess backs it up."""
    of.sql("CREATE DATABASE pgbench", "postgres")
    inside("pgbench", "-U", "postgres", "-i", "-q", "-s", "5", "pgbench", of=of)
    found: dict[str, list[float]] = {"alone": [], "dump": [], "backup": []}
    dump = f"docker exec {of.container} pg_dump -U postgres -Fc -Z0 {of.name} | zstd -q -3 > /dev/null"
    works: dict[str, list[str]] = {
        "alone": [],
        "dump": ["bash", "-o", "pipefail", "-c", dump],
        "backup": [*of.command, "backups", "create", "database", "-p", PROJECT],
    }
    for _ in range(rounds):
        for name, command in works.items():
            with again_and_again(command, of.host.data / "stop"):
                found[name] += transactions(of)
    at = {name: [percentile(found[name], percent) for percent in (50, 95)] for name in works}
    for number, what in enumerate(("p50", "p95")):
        told = {name: at[name][number] for name in works}
        emit(f"data.load.{what}", told["backup"] / told["dump"], "x", "latency of transactions beside pg_dump", **told)


def transactions(of: Database) -> list[float]:
    """Return how long small transactions take, in ms."""
    bench = f"pgbench -U postgres -c 4 -T {LOAD_SECONDS} -l --log-prefix=load pgbench"
    said = inside("sh", "-c", f"cd /tmp && rm -f load.* && {bench} > /dev/null 2>&1 && cat load.*", of=of)
    return [int(line.split()[2]) / 1000 for line in said.splitlines()]


def percentile(values: list[float], percent: int) -> float:
    """Return what so many of a hundred are not above."""
    return sorted(values)[len(values) * percent // 100]


class Writer:
    """Writes one row after another; *acknowledged* are the moments at which the server said that they are kept."""

    def __init__(self, of: Database) -> None:
        command = ("docker", "exec", "-i", of.container, "psql", "-XAtq", "-U", "postgres", "-d", of.name)
        self._psql = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.acknowledged: list[float] = []

    def write(self, until: float) -> None:
        """Write until that moment of the monotonic clock, or until the server is gone."""
        assert self._psql.stdin is not None
        assert self._psql.stdout is not None
        while time.monotonic() < until:
            self._psql.stdin.write(f"INSERT INTO ticks VALUES ({len(self.acknowledged)}) RETURNING 1;\n".encode())
            self._psql.stdin.flush()
            if not self._psql.stdout.readline():
                break
            self.acknowledged.append(time.monotonic())
        self._psql.kill()
        self._psql.wait()


def loss(of: Database, rounds: int) -> None:
    """Kill the server (-9) under writes, with its data directory gone; measure the seconds of writes that a recovery lacks."""
    lost: list[float] = []
    seconds: list[float] = []
    for _ in range(rounds):
        of.sql("DROP TABLE IF EXISTS ticks; CREATE TABLE ticks (n int)")
        wait(lambda: windows(of) and reached(of) > float(of.sql("SELECT extract(epoch FROM now())")) - LOSS_SECONDS)
        writer = Writer(of)
        writer.write(time.monotonic() + LOSS_SECONDS)
        inside("sh", "-c", 'pid=$(head -n 1 "$PGDATA/postmaster.pid"); rm -rf "$PGDATA"; kill -9 $pid; true', of=of)
        wait(
            lambda: (
                subprocess.run(
                    ["docker", "exec", of.container, "pg_isready", "-q", "-h", "127.0.0.1"], check=False
                ).returncode
                == 0
            )
        )
        moment = max(windows(of), key=lambda each: each["end"])["end"]
        began = time.perf_counter()
        of.restore("--to", moment)
        seconds.append(time.perf_counter() - began)
        kept = int(of.sql("SELECT count(*) FROM ticks"))
        lost.append(writer.acknowledged[-1] - writer.acknowledged[kept - 1] if kept else LOSS_SECONDS)
    emit("data.loss", statistics.median(lost), "s", "all writes kept", lost=lost, seconds_to_recover=seconds)


def windows(of: Database) -> list[dict[str, str]]:
    """Return the moments that can be recovered to."""
    found: list[dict[str, str]] = json.loads(of.hostess("backups", "list", "-o", "json"))["recoverable"].get(
        "database", []
    )
    return found


def reached(of: Database) -> float:
    """Return the last of them, in seconds since 1970."""
    return max(datetime.fromisoformat(each["end"]).timestamp() for each in windows(of))


def wait(holds: Callable[[], object]) -> None:
    """Wait until that holds."""
    give_up = time.monotonic() + 180
    while not holds():
        if time.monotonic() > give_up:
            raise SystemExit("it takes too long")
        time.sleep(0.2)


def inside(*command: str, of: Database) -> str:
    """Run a program in the database's container."""
    return run("docker", "exec", of.container, *command)


@contextmanager
def again_and_again(command: list[str], stop: Path) -> Iterator[None]:
    """Run a command, and again when it has ended, meanwhile; at the end the last one has ended, too."""
    if not command:
        yield
        return
    stop.unlink(missing_ok=True)
    loop = 'while [ ! -e "$0" ]; do "$@" > /dev/null 2>&1 || exit 1; done'
    process = subprocess.Popen(["bash", "-c", loop, stop, *command], env=PLAIN)
    try:
        yield
    finally:
        stop.touch()
        if process.wait() != 0:
            raise SystemExit(f"{command[0]} failed")


def forget(file: Path) -> None:
    """Let the system forget what it remembers of a file."""
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def forget_peak(pid: int) -> None:
    """Let the kernel measure a process's largest size anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")


def memory(pid: int, what: str) -> float:
    """Return a figure of a process, in MB."""
    [found] = re.findall(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found) / 1000


PARTS: dict[str, Callable[[Database, int], None]] = {"speed": speed, "load": load, "loss": loss}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    given = parser.parse_args()
    wanted = given.parts or list(PARTS)
    # The log is shipped on its own time, and would be in the way of the other figures.
    for pitr, parts in (
        (False, [name for name in wanted if name != "loss"]),
        (True, [name for name in wanted if name == "loss"]),
    ):
        if not parts:
            continue
        with database(1 if pitr else given.megabytes, pitr=pitr) as of:
            for name in parts:
                sys.stderr.write(f"{name}\n")
                PARTS[name](of, given.rounds)


if __name__ == "__main__":
    main()
