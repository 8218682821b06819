"""Two projects on an installed host, whose data is everywhere; and `hostess host recover` there, as somebody types it."""

from dataclasses import dataclass
from pathlib import Path

from tests.system.booted import Booted
from tests.system.installed import answer, coded, is_well, mortal, push

STACK = """version: "1.0"
services:
  site: {type: static, source: public}
  database: {type: postgres, resources: small}
  api:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    visibility: public
    health: {http: /health, interval: 1s}
    depends_on: [database]
    env: {DATABASE_URL: "${database.url}"}
  notes:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {http: /health, interval: 1s}
    persistence: {mount: /notes}
"""
BUNDLE, KEY = "/root/host.tar.zst.age", "/root/host-key.txt"
ROWS = "SELECT count(*), sum(n) FROM kept"


@dataclass(frozen=True, slots=True)
class Lost:
    """A host that is gone: the folder with its bundle and its key, its instance, and its `data`."""

    folder: Path
    instance: str
    data: dict[str, str]


def recover(system: Booted, *, key: str = KEY, killed_at: str = "") -> tuple[int, str]:
    """Recover as somebody whose files nobody else may read; return exit code and what was said."""
    program = mortal("recovery", killed_at) if killed_at else "hostess"
    return coded(system, f"umask 077; {program} host recover {BUNDLE} --identity {key}")


def inside(system: Booted, service: str, *words: str) -> str:
    """Run a command in a container of the shop."""
    return system.execute("hostess", "services", "exec", "-p", "shop", "-T", service, "--", *words)


def rows(system: Booted, sql: str = ROWS) -> str:
    """Ask PostgreSQL."""
    return inside(system, "database", "psql", "-XAtq", "-U", "postgres", "-d", "database", "-c", sql)


def stocked(system: Booted) -> None:
    """Push two projects, and put data where data is kept."""
    is_well(system)
    system.write(STACK, "/shop/hostess.yml")
    system.write("the site", "/shop/public/index.html")
    push(system, "shop", "/shop")
    rows(system, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) n")
    inside(system, "notes", "sh", "-c", "echo a note > /notes/note")


def data(system: Booted) -> dict[str, str]:
    """Return what is served, and what is kept."""
    return {
        "kept": answer(system).partition(',"host"')[0],  # the container is another one
        "site": answer(system, "shop", "site"),
        "api": answer(system, "shop").partition(" on ")[0],  # and this, too
        "rows": rows(system),
        "note": inside(system, "notes", "cat", "/notes/note"),
    }


def is_active(system: Booted) -> list[str]:
    """Return what systemd says of daemon and proxy."""
    return system.execute("systemctl", "is-active", "hostess", "hostess-proxy", check=False).split()
